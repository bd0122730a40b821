"""Completing the documents that langchain-elasticsearch wrote."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._acompat import asleep
from elasticsearch_chat_history._async.index.embedding import vectors_of
from elasticsearch_chat_history._async.index.paging import AsyncPages
from elasticsearch_chat_history._async.index.preparing import prepare_all_fields
from elasticsearch_chat_history._documents.fields import VECTOR
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._queries.completion import (
    COMPLETED_FIELDS,
    Placed,
    incomplete_query,
    placed_query,
    unplaced_moments,
    updates_of,
    without_last_moment,
)
from elasticsearch_chat_history._queries.selection import PAGE_SIZE, Selection, session_by_session
from elasticsearch_chat_history._reporting import LOGGER, describe_answer
from elasticsearch_chat_history._requests.bulk import updates_refused
from elasticsearch_chat_history._requests.failures import (
    STATUS_BAD_REQUEST,
    STATUS_NOT_FOUND,
    TEMPORARY_STATUSES,
)
from elasticsearch_chat_history._requests.retries import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.embeddings import Embeddings

    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Hit
    from elasticsearch_chat_history._documents.sequence import Moment
    from elasticsearch_chat_history._requests.bulk import Update

# A node refuses a query with too many clauses; its limit is at least 1,024.
MAX_TERMS = 1_000


class AsyncBackfill:
    """Adds missing fields to documents, without changing their order at any time.

    On several shards, upstream's documents of one session and millisecond have no order of their
    own; they keep the one in which they were read.

    Args:
        index: The index.
        embeddings: The embedding model, if messages should have vectors.
    """

    def __init__(self, index: AsyncChatIndex, embeddings: Embeddings | None) -> None:
        self._index = index
        self._embeddings = embeddings
        self._pages = AsyncPages(index)
        self._completed = 0
        self._unreadable = 0
        self._first_unreadable = ""
        self._refusals: Counter[str] = Counter()
        self._refused_vectors = 0

    async def run(self, size: int) -> int:
        """Complete the documents that are incomplete now, and return how many these were."""
        layout = await prepare_all_fields(self._index)
        if not layout.complete:
            raise ChatHistoryError(
                f"Messages in index {self._index.name!r} cannot be completed: it lacks fields, or "
                "has some with another type; the log names them. Let a client with the manage "
                "privilege call create_if_missing(), then call abackfill() again."
            )
        if not layout.vectors:
            self._embeddings = None
        await self._index.refresh()
        await self._complete_all(size)
        await self._index.refresh()
        if self._refused_vectors:
            LOGGER.warning(
                "Index %r refuses the vectors of %d messages. Use the embedding model of the "
                "other vectors in the index.",
                self._index.name,
                self._refused_vectors,
            )
        if self._unreadable:
            LOGGER.warning(
                "Index %r holds documents that cannot be read, which stay incomplete: %d, "
                "such as %r. Correct or delete them.",
                self._index.name,
                self._unreadable,
                self._first_unreadable,
            )
        self._raise_refusals()
        return self._completed

    async def _complete_all(self, size: int) -> None:
        query = incomplete_query(vectors=self._embeddings is not None)
        selection = Selection(query, session_by_session(), COMPLETED_FIELDS)
        waiting: list[Hit] = []
        async with aclosing(self._pages.each(selection, self._pages.size(size))) as pages:
            async for hits in pages:
                # The next page may continue the same millisecond, which is completed as a whole.
                waiting += hits
                end = without_last_moment(waiting)
                await self._complete(waiting[:end])
                waiting = waiting[end:]
        await self._complete(waiting)

    async def _complete(self, hits: Sequence[Hit]) -> None:
        updates = updates_of(hits, await self._placed(unplaced_moments(hits)))
        unreadable = [update.id for update in updates if not update.readable]
        if unreadable:
            self._first_unreadable = self._first_unreadable or unreadable[-1]
            self._unreadable += len(unreadable)
        if self._embeddings is not None:
            vectors = await vectors_of([update.text for update in updates], self._embeddings)
            updates = [
                update.with_vector(vectors[at]) if at in vectors else update
                for at, update in enumerate(updates)
            ]
        wanted = self._index.update([update for update in updates if update.fields])
        async with aclosing(wanted) as parts:
            async for outcomes in parts:
                await self._finish(outcomes)

    async def _placed(self, moments: Sequence[Moment]) -> Placed:
        """Return the documents of these sessions and times that have `seq`, usually none."""
        hits: list[Hit] = []
        for first in range(0, len(moments), MAX_TERMS):
            query = placed_query(moments[first : first + MAX_TERMS])
            after: list[Any] | None = None
            while True:
                size = min(PAGE_SIZE, self._index.max_hits)
                found = await self._index.search(
                    query=query,
                    sort=session_by_session(),
                    size=size,
                    source=False,
                    track_total_hits=False,
                    search_after=after,
                )
                page = found["hits"]["hits"]
                hits += page
                if len(page) < size:
                    break
                after = page[-1]["sort"]
        return Placed.of(hits)

    async def _finish(self, outcomes: Sequence[tuple[Update, dict[str, Any]]]) -> None:
        """Note the outcome of a bulk request, and send again what may succeed later."""
        budget = RetryBudget(self._index.max_retries)
        first = len(outcomes)
        while outcomes:
            temporary: list[tuple[Update, str]] = []
            refused: list[str] = []
            without_vector: list[Update] = []
            for update, outcome in outcomes:
                error, status = outcome.get("error"), outcome["status"]
                if error is None:
                    self._completed += update.readable
                elif status in TEMPORARY_STATUSES:
                    temporary.append((update, describe_answer(error, status)))
                elif status == STATUS_BAD_REQUEST and VECTOR in update.fields:
                    # The vector is the likely cause; the rest is worth having without it.
                    self._refused_vectors += 1
                    without_vector.append(update.without_vector())
                # One that is missing was deleted meanwhile.
                elif status != STATUS_NOT_FOUND:
                    refused.append(describe_answer(error, status))
            delay = budget.delay(reached=True) if temporary else None
            if delay is None:
                refused += [reason for _, reason in temporary]
            self._refusals.update(refused)
            if len(refused) == first:
                # Then it is most likely the index that refuses, not each document.
                self._raise_refusals()
            waiting = [update for update in without_vector if update.fields]
            if delay is not None:
                await asleep(delay)
                waiting += [update for update, _ in temporary]
            outcomes = [one async for part in self._index.update(waiting) for one in part]

    def _raise_refusals(self) -> None:
        if self._refusals:
            raise updates_refused(
                self._index.name,
                self._refusals,
                self._completed,
                what="completed",
                call="abackfill()",
            )
