"""One session of an index: what the functions that read and change it need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch_chat_history._async.index.writing import AsyncWriter

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._options import SessionOptions


class AsyncSession:
    """One session of an index.

    Args:
        index: The index.
        session_id: The checked id of the session.
        options: How it is read and written.
        embeddings: The model of the store, if it has one.

    Attributes:
        id: The id of the session.
        routing: The routing value of its messages; None in an index without routing.
        clock_key: The key of the session for the clock.
        writer: Stores its messages.
    """

    def __init__(
        self,
        index: AsyncChatIndex,
        session_id: str,
        options: SessionOptions,
        embeddings: Embeddings | None = None,
    ) -> None:
        self.index = index.with_max_retries(options.max_retries)
        self.id = session_id
        self.options = options
        self.embeddings = embeddings
        self.routing = index.routing_of(session_id)
        self.clock_key = index.clock_key(session_id)
        self.writer = AsyncWriter(self.index, options.refresh, embeddings)

    def other(self, session_id: str) -> AsyncSession:
        """Return another session of the same index, with the same options."""
        return AsyncSession(self.index, session_id, self.options, self.embeddings)
