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
        address: The arguments of the public classes that begin with `es_`.

    Attributes:
        client: The client.
        closed: Whether it must no longer be used.
    """

    def __init__(
        self, index: str, given: AsyncElasticsearch | None, **address: str | None
    ) -> None:
        self._index = index
        self._owned = False
        self.closed = False
        if given is not None:
            checked_client(given, AsyncElasticsearch)
            self.client = with_user_agent(given)
        else:
            self.client = AsyncElasticsearch(**connection_arguments(**address))
            self._owned = True

    async def aclose(self) -> None:
        """Close the client if it was created here. Closing twice is safe."""
        was_closed, self.closed = self.closed, True
        if self._owned and not was_closed:
            await self.client.close()

    def __del__(self) -> None:
        """Warn, as Python does for unclosed files and sockets."""
        if self._owned and not self.closed:
            warnings.warn(
                f"Unclosed Elasticsearch client of the chat history in index {self._index!r}",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
