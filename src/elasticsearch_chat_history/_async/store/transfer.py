"""Exporting the messages of an index as records, and importing records."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._acompat import aiter_any
from elasticsearch_chat_history._async.index.paging import AsyncPages
from elasticsearch_chat_history._async.index.writing import AsyncWriter
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.records import (
    EXPORTED_FIELDS,
    Record,
    latest_seqs,
    numbered,
    record_at,
    record_of,
)
from elasticsearch_chat_history._errors import MessagesNotStoredError
from elasticsearch_chat_history._queries.selection import (
    Selection,
    messages_only,
    session_by_session,
)
from elasticsearch_chat_history._reporting import Logged
from elasticsearch_chat_history._requests.bulk import MAX_BYTES, MAX_DOCUMENTS
from elasticsearch_chat_history._results import ImportResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from langchain_core.embeddings import Embeddings

    from elasticsearch_chat_history._acompat import AsyncAnyIterable
    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Document
    from elasticsearch_chat_history._documents.sequence import Moment
    from elasticsearch_chat_history._queries.filters import Clauses

TAKEN = "its id belongs to a message outside the scope of the store"


async def exported_records(
    index: AsyncChatIndex, filters: Clauses, batch_size: int
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the messages that match some filters as records, session by session."""
    pages = AsyncPages(index)
    selection = Selection(messages_only(filters), session_by_session(), EXPORTED_FIELDS)
    with Logged("Could not export messages from Elasticsearch", None):
        async with aclosing(pages.each(selection, pages.size(batch_size))) as found:
            async for hits in found:
                for session_id, seq in latest_seqs(hits).items():
                    CLOCK.observe(index.clock_key(session_id), seq)
                for hit in hits:
                    yield record_of(hit)


class AsyncRecordLoader:
    """Stores records with their own ids, times and places in the order.

    Args:
        index: The index to store them in.
        embeddings: The embedding model, if they should have vectors.
        refresh: Whether to refresh the index when the import ends.
        ensure_ascii: Whether to escape non-ASCII characters in `history`.
    """

    def __init__(
        self,
        index: AsyncChatIndex,
        embeddings: Embeddings | None,
        *,
        refresh: bool,
        ensure_ascii: bool,
    ) -> None:
        self._index = index
        self._refresh = refresh
        self._ensure_ascii = ensure_ascii
        # One refresh at the end is enough.
        self._writer = AsyncWriter(index, refresh=False, embeddings=embeddings)
        self._stored = 0
        self._existing = 0
        self._batch: list[Record] = []
        self._bytes = 0
        self._moments: set[Moment] = set()
        self._ends: dict[Moment, int] = {}

    async def run(self, items: AsyncAnyIterable[object]) -> ImportResult:
        """Store all records, and return how many are new."""
        position = 0
        async for item in aiter_any(items):
            record = self._record(position, item)
            position += 1
            if record is None:
                continue
            if self._is_full and record.moment not in self._moments:
                await self._store()
            self._add(record)
        if self._batch:
            await self._store()
            if self._refresh:
                await self._index.refresh()
        return ImportResult(self._stored, self._existing)

    def _record(self, position: int, item: object) -> Record | None:
        try:
            return record_at(position, item, ensure_ascii=self._ensure_ascii)
        except (TypeError, ValueError) as error:
            there = self._stored + self._existing
            raise ValueError(
                f"The record at position {position} cannot be imported: {error}. The first "
                f"{there} records are stored; correct this one, and import all again."
            ) from None

    @property
    def _is_full(self) -> bool:
        return len(self._batch) >= MAX_DOCUMENTS or self._bytes >= MAX_BYTES

    def _add(self, record: Record) -> None:
        self._batch.append(record)
        self._bytes += len(record.history)
        # Records of one session and time stay in one batch, as their order depends on all of them.
        self._moments.add(record.moment)

    async def _store(self) -> None:
        documents, self._ends = numbered(self._batch, self._ends)
        try:
            unanswered: set[int] = set()
            existing = await self._writer.store(documents, once=True, unanswered=unanswered)
            await self._check_scope(documents, existing)
        except MessagesNotStoredError as error:
            raise self._in_whole_input(error) from error.__cause__
        for document in documents:
            CLOCK.observe(self._index.clock_key(document.session_id), document.seq)
        before = existing - unanswered
        self._stored += len(documents) - len(before)
        self._existing += len(before)
        self._batch, self._bytes, self._moments = [], 0, set()

    async def _check_scope(self, documents: Sequence[Document], existing: set[int]) -> None:
        """Raise an error if ids are taken by messages outside the scope."""
        if not existing or not self._index.scope.clauses:
            return
        # They may not be visible to searches yet.
        await self._index.refresh()
        taken: dict[int, str] = {}
        positions = sorted(existing)
        size = min(MAX_DOCUMENTS, self._index.max_hits)
        for start in range(0, len(positions), size):
            part = positions[start : start + size]
            found = await self._index.search(
                query={"ids": {"values": [documents[at].id for at in part]}},
                size=len(part),
                source=False,
                track_total_hits=False,
            )
            ours = {hit["_id"] for hit in found["hits"]["hits"]}
            taken.update((at, TAKEN) for at in part if documents[at].id not in ours)
        if taken:
            raise MessagesNotStoredError(
                self._index.name,
                documents[min(taken)].session_id,
                taken,
                [at for at in range(len(documents)) if at not in taken],
            )

    def _in_whole_input(self, error: MessagesNotStoredError) -> MessagesNotStoredError:
        records = self._batch
        return MessagesNotStoredError(
            error.index,
            records[min(error.reasons)].session_id,
            {records[at].position: reason for at, reason in error.reasons.items()},
            [records[at].position for at in error.stored],
        )
