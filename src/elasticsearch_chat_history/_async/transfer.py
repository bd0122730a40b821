"""Messages out of an index, into it, and completed in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from elasticsearch_chat_history._acompat import AsyncAnyIterable
from elasticsearch_chat_history._arguments import checked_count
from elasticsearch_chat_history._async.backfill import AsyncBackfill
from elasticsearch_chat_history._async.index import AsyncChatIndex
from elasticsearch_chat_history._async.pages import AsyncPages
from elasticsearch_chat_history._async.record_loader import AsyncRecordLoader
from elasticsearch_chat_history._async.store import AsyncStoreBase
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.records import (
    EXPORTED_FIELDS,
    checked_records,
    latest_seqs,
    record_of,
)
from elasticsearch_chat_history._queries.filters import message_filters
from elasticsearch_chat_history._queries.selection import (
    MAX_HITS,
    PAGE_SIZE,
    Selection,
    messages_only,
    session_by_session,
)
from elasticsearch_chat_history._reporting import logged


class AsyncMessageTransfer(AsyncStoreBase):
    """Messages out of an index, into it, and completed in it."""

    def aexport(
        self,
        *,
        session_ids: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        batch_size: int = PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield all messages as records of plain JSON values, sorted by session and order.

        A record has the keys `id`, `session_id`, `created_at` (ISO 8601 in UTC), `seq` (the place
        in the order, None where langchain-elasticsearch wrote the message), `message` (as
        `langchain_core.messages.message_to_dict` gives it) and `metadata`. A message that cannot
        be read does not end a backup: its record has the stored text as `history` in place of
        `message`. A year beyond 9999, from a broken clock, is given as a number of milliseconds.

        All come from one consistent snapshot, a point in time, and only `batch_size` of them are
        in memory at once; `ttl` does not apply. Take no longer than five minutes for each batch:
        then Elasticsearch forgets the snapshot. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results

        Args:
            session_ids: The sessions to export; None exports all.
            metadata: What the messages must have: for each key the value, or a list of which one
                is enough.
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            A generator of the records; it yields nothing where the index does not exist.

        Raises:
            ValueError: An argument has an unusable value.
            TypeError: An argument is of the wrong type.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            import json
            import tempfile

            with tempfile.TemporaryFile("w") as file:
                async for record in store.aexport():
                    print(json.dumps(record), file=file)
            ```
        """
        index = self._open_index()
        selection = Selection(
            messages_only(message_filters(session_ids=session_ids, metadata=metadata)),
            session_by_session(),
            EXPORTED_FIELDS,
        )
        return _records(index, selection, min(checked_count("batch_size", batch_size), MAX_HITS))

    async def aimport(self, records: AsyncAnyIterable[Mapping[str, Any] | str | bytes]) -> int:
        """Store exported records under their own ids, with their times, order and metadata.

        An import that was interrupted is simply repeated with the same records: what is stored
        already is left as it is. Only some thousand records are in memory at once. Unless the
        store has `refresh=False`, one refresh at the end makes them visible; it takes the
        maintenance privilege, without which they are visible with the next one.

        Args:
            records: An iterable of records, or of lines of JSON, such as an open file or the
                `aexport()` of another store. Blank lines are skipped. Records of one session and
                time that have no `seq` keep their order.

        Returns:
            How many records are stored.

        Raises:
            ValueError: A record is not one, lacks something, or holds more than the index can.
                Its position (from 0) is told, and how many before it are stored.
            MessagesNotStoredError: Some records are not stored, or it is not known whether they
                are; it tells which of the last few thousand, by their position in `records`.
                Those before are stored.
            TypeError: `records` is a text or a record itself.
            IndexMappingError: The index cannot hold chat history. Nothing is stored.
            ApiError: Elasticsearch refused; the last few thousand records are not stored.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            line = (
                '{"id": "m-1", "session_id": "s-1", "created_at": "2026-01-01T00:00:00.000Z", '
                '"message": {"type": "human", "data": {"content": "Hello"}}}'
            )
            assert await store.aimport([line]) == 1
            ```
        """
        loader = AsyncRecordLoader(
            self._open_index(),
            self._embeddings,
            refresh=bool(self._options.refresh),
            ensure_ascii=bool(self._options.ensure_ascii),
        )
        items = checked_records(records)
        with logged("Could not import messages into Elasticsearch"):
            return await loader.run(items)

    async def abackfill(self, *, batch_size: int = PAGE_SIZE) -> int:
        """Complete the messages that langchain-elasticsearch wrote.

        They get what it does not store: the text for `asearch()`, their type, and a fixed place
        in the order. Their order does not change, and messages may be read and written meanwhile.
        Where the store has `embeddings`, all messages that have a text and no vector get one.
        When it is interrupted, call it again: what is complete is not looked at any more. A
        document that cannot be read stays incomplete; one line of the log counts these.

        Args:
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            How many messages were completed.

        Raises:
            ChatHistoryError: The index lacks fields that this client must not add, or some
                messages could not be changed; it says how many, and why.
            IndexMappingError: The index cannot hold chat history.
            ValueError: `batch_size` is below 1.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            completed = await store.abackfill()
            print(f"{completed} messages can be searched now")
            ```
        """
        backfill = AsyncBackfill(self._open_index(), self._embeddings)
        size = min(checked_count("batch_size", batch_size), MAX_HITS)
        with logged("Could not complete messages in Elasticsearch"):
            return await backfill.run(size)


async def _records(
    index: AsyncChatIndex, selection: Selection, size: int
) -> AsyncGenerator[dict[str, Any], None]:
    pages = AsyncPages(index)
    with logged("Could not export messages from Elasticsearch"):
        async with aclosing(pages.each(selection, pages.size(size))) as found:
            async for hits in found:
                for session_id, seq in latest_seqs(hits).items():
                    CLOCK.observe((index.name, session_id), seq)
                for hit in hits:
                    yield record_of(hit)
