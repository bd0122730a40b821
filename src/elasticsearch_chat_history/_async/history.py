"""The history of one session: reading it, and adding to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.messages import BaseMessage

from elasticsearch_chat_history._arguments import (
    checked_count,
    checked_idempotency_key,
    checked_limit,
    checked_messages,
)
from elasticsearch_chat_history._async.attempts import join_attempts
from elasticsearch_chat_history._async.embedding import with_vectors
from elasticsearch_chat_history._async.session_forking import AsyncSessionForking
from elasticsearch_chat_history._async.session_search import AsyncSessionSearch
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.document import (
    documents_of,
    message_of,
    stored_message_of,
)
from elasticsearch_chat_history._documents.metadata import checked_metadata, merged_metadata
from elasticsearch_chat_history._queries.last_messages import without_leading_orphans
from elasticsearch_chat_history._queries.selection import (
    MAX_HITS,
    PAGE_SIZE,
)
from elasticsearch_chat_history._reporting import logged
from elasticsearch_chat_history._results import StoredMessage


class AsyncChatSession(AsyncSessionForking, AsyncSessionSearch):
    """What a history does with its messages."""

    async def create_if_missing(self) -> None:
        """Make the index, or check an existing one and add the fields that it lacks.

        Writing does this by itself. Each process looks at an index once, with one request.

        Raises:
            IndexMappingError: A field has a type with which sessions cannot be told apart or
                ordered, such as a `session_id` that is analysed text.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await history.create_if_missing()
            ```
        """
        with logged("Could not create the index in Elasticsearch"):
            await self._open_index().prepare()

    async def aget_messages(self, *, limit: int | None = None) -> list[BaseMessage]:
        """Return the messages of the session, oldest first.

        A session of up to 1,000 messages takes one request; a longer one is read from a point in
        time, so that concurrent writers can't make messages appear twice or not at all. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results

        Args:
            limit: How many of the last messages to return, at least 1; None means
                `history_size`. Tool results at the start of a limited list whose call lies
                before it are left out, as model providers reject such a list.

        Returns:
            The messages; an empty list where the session or the index does not exist.

        Raises:
            UnreadableMessageError: A document does not hold a message.
            ValueError: `limit` is below 1.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            last_turn = await history.aget_messages(limit=2)
            ```
        """
        self._open_index()
        limit = checked_limit("limit", limit) or self._options.history_size
        with logged("Could not retrieve messages from Elasticsearch"):
            hits = await (self._reader.all() if limit is None else self._reader.last(limit))
        messages = [message_of(hit, self.session_id) for hit in hits]
        return messages if limit is None else without_leading_orphans(messages)

    def aiter_messages(
        self, *, batch_size: int = PAGE_SIZE
    ) -> AsyncGenerator[StoredMessage, None]:
        """Yield the messages of the session one by one, oldest first.

        All come from one consistent snapshot, a point in time, and only `batch_size` of them are
        in memory at once. `history_size` does not apply. Take no longer than five minutes for
        each batch: then Elasticsearch forgets the snapshot.

        Args:
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            A generator of the messages with their ids, times and metadata.

        Raises:
            UnreadableMessageError: A document does not hold a message.
            ValueError: `batch_size` is below 1.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            async for stored in history.aiter_messages():
                print(stored.created_at, stored.message.content)
            ```
        """
        self._open_index()
        return self._stored_messages(min(checked_count("batch_size", batch_size), MAX_HITS))

    async def aadd_message(self, message: BaseMessage) -> None:
        """Store one message.

        Args:
            message: The message.

        Raises:
            MessagesNotStoredError: The message is not stored, or its answer was lost.
            TypeError: It is not a message, or holds something that JSON has no form for.
            ApiError: Elasticsearch refused; the message is not stored.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await history.aadd_message(HumanMessage("What is a shard?"))
            ```
        """
        await self.aadd_messages([message])

    async def aadd_messages(
        self,
        messages: Sequence[BaseMessage],
        *,
        idempotency_key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Store messages, in their order, after all that this process has read or written.

        They go out in one bulk request, together with those of concurrent callers; lists of more
        than 2,000 messages or 4 MB take several. When it returns, all are stored, and with
        `refresh=True` visible. Each has its id before the first attempt, so that no retry stores
        it twice. See https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
        A history of a store with `embeddings` first asks the model for a vector of each text, and
        where it fails, or the index does not take the vector, stores the message without one.

        Args:
            messages: The messages; an empty list sends nothing.
            idempotency_key: A name of this call, such as the id of a job or request. The same
                call with the same key again, from any process, stores only what is missing, where
                the first would have put it.
            metadata: What to store with these messages besides the `metadata` of the history; the
                same key here goes before the one there.

        Raises:
            MessagesNotStoredError: Some messages are not stored, or it is not known whether they
                are; it tells which, and why.
            TypeError: Something in the list is not a message, or holds what JSON has no form
                for. Nothing is stored.
            ValueError: `metadata` is more than the index can hold. Nothing is stored.
            IndexMappingError: The index cannot hold chat history. Nothing is stored.
            ApiError: Elasticsearch refused the request as a whole. Nothing is stored.
            TransportError: Elasticsearch could not be reached. Nothing is stored.

        Example:
            ```python
            await history.aadd_messages(
                [HumanMessage("What is a shard?"), AIMessage("A part of an index.")],
                idempotency_key="request-42",
            )
            ```
        """
        self._open_index()
        listed = checked_messages(messages)
        key = checked_idempotency_key(idempotency_key)
        special = checked_metadata(metadata)
        if not listed:
            return
        # Held until the end, for others that make the same call meanwhile.
        ticks = CLOCK.ticks_of_call((self.index, self.session_id), key, len(listed))
        documents = documents_of(
            listed,
            self.session_id,
            ticks.values,
            ensure_ascii=self.ensure_ascii,
            metadata=merged_metadata(self._options.metadata, special),
            idempotency_key=key,
        )
        with logged("Could not add message to Elasticsearch"):
            # The order is settled by now, and the flush that others wait for has not begun.
            embedded = await with_vectors(documents, self._embeddings, self._chat_index)
            existing = await self._writer.store(embedded)
            if key is not None and 0 < len(existing) < len(embedded):
                await join_attempts(self._chat_index, embedded, self._options.refresh)

    async def _stored_messages(self, size: int) -> AsyncGenerator[StoredMessage, None]:
        reader = self._reader_of_stored()
        with logged("Could not retrieve messages from Elasticsearch"):
            async with aclosing(reader.each(size)) as pages:
                async for hits in pages:
                    for hit in hits:
                        yield stored_message_of(hit)
