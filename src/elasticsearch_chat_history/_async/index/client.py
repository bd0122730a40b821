"""The client of a store or history, and who closes it."""

from __future__ import annotations

import warnings

from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history._requests.connection import (
    checked_client,
    connection_arguments,
    with_user_agent,
)


class AsyncConnection:
    """A client that a store and its histories share; it is closed here if it was created here.

    Args:
        index: The index, to name it in a warning.
        given: The caller's client; None creates one from `address`.
        parent: A connection that closes this one with it, and has given its client.
        address: The arguments of the public classes that begin with `es_`.

    Attributes:
        client: The client.
    """

    def __init__(
        self,
        index: str,
        given: AsyncElasticsearch | None,
        *,
        parent: AsyncConnection | None = None,
        **address: str | None,
    ) -> None:
        self._index = index
        self._owned = False
        self._closed = False
        self._parent = parent
        if parent is not None:
            # The same object, so that the two share their bulk requests.
            self.client: AsyncElasticsearch = parent.client
        elif given is not None:
            checked_client(given, AsyncElasticsearch)
            self.client = with_user_agent(given)
        else:
            self.client = AsyncElasticsearch(**connection_arguments(**address))
            self._owned = True

    @property
    def closed(self) -> bool:
        """Whether the client must no longer be used."""
        return self._closed or (self._parent is not None and self._parent.closed)

    def shared(self) -> AsyncConnection:
        """Return a connection over the same client, which closes it for nobody else."""
        return AsyncConnection(self._index, self.client, parent=self)

    async def aclose(self) -> None:
        """Close the client if it was created here. Closing twice is safe."""
        was_closed, self._closed = self._closed, True
        if self._owned and not was_closed:
            await self.client.close()

    def __del__(self) -> None:
        """Warn, as Python does for unclosed files and sockets."""
        if self._owned and not self._closed:
            warnings.warn(
                f"Unclosed Elasticsearch client of the chat history in index {self._index!r}",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
