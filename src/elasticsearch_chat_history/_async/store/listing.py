"""Listing and counting the sessions of an index, exact on any number of shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._async.index.paging import AsyncPages
from elasticsearch_chat_history._async.store.newest_sessions import AsyncNewestSessions
from elasticsearch_chat_history._queries.filters import session_filters
from elasticsearch_chat_history._queries.selection import (
    PIT_KEEP_ALIVE,
    Selection,
    messages_only,
)
from elasticsearch_chat_history._queries.session_lists import (
    KEYS_AT_ONCE,
    MESSAGES_EACH,
    SESSIONS_AT_ONCE,
    hits_in,
    keys_by_id,
    summaries_by_id,
    summaries_of,
    summary_of,
)
from elasticsearch_chat_history._requests.failures import (
    is_lost_point_in_time,
    is_retriable_search,
    missing_index_ignored,
)

if TYPE_CHECKING:
    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._queries.filters import Clauses
    from elasticsearch_chat_history._queries.session_lists import Position, SessionOrder
    from elasticsearch_chat_history._requests.page_size import PageSize
    from elasticsearch_chat_history._results import SessionSummary


class AsyncSessionListing:
    """Lists and counts the sessions that have messages matching some filters.

    Args:
        index: The index.
        filters: The clauses that the messages have to match.
    """

    def __init__(self, index: AsyncChatIndex, filters: Clauses) -> None:
        self._index = index
        self._filters = filters
        self._pages = AsyncPages(index)

    async def page(
        self, order: SessionOrder, limit: int, after: Position | None
    ) -> list[SessionSummary]:
        """Return the first `limit` sessions after `after`; none if the index is missing."""
        with missing_index_ignored():
            if order == "recent":
                return await self._recent_page(limit, after)
            return await self._page_by_id(limit, after[1] if after else None)
        return []

    async def count_sessions(self) -> int:
        """Return how many sessions there are."""
        total = 0
        with missing_index_ignored():
            count, after = await self._count_keys(KEYS_AT_ONCE)
            total = count
            while count == KEYS_AT_ONCE:
                count, after = await self._count_keys(KEYS_AT_ONCE, after)
                total += count
        return total

    async def count_messages(self) -> int:
        """Return how many messages there are."""
        with missing_index_ignored():
            # The count API would ignore a shard that does not answer.
            found = await self._search(
                size=0, track_total_hits=True, filter_path="hits.total.value"
            )
            return int(found["hits"]["total"]["value"])
        return 0

    async def _page_by_id(self, limit: int, after: str | None) -> list[SessionSummary]:
        """Return the first `limit` sessions whose ids come after `after`."""
        size = self._pages.size(SESSIONS_AT_ONCE, messages_each=MESSAGES_EACH)
        summaries: list[SessionSummary] = []
        while len(summaries) < limit:
            asked = min(size.messages, limit - len(summaries))
            found = await self._summaries(self._filters, summaries_by_id(asked, after), size)
            if found is None:
                continue
            summaries += found
            if len(found) < asked:
                break
            after = found[-1].session_id
        return summaries

    async def _recent_page(self, limit: int, after: Position | None) -> list[SessionSummary]:
        """Return the first `limit` sessions after `after`, the most recent first."""
        # A point in time is lost with its node; another one can be read from the start.
        return await self._index.send(
            lambda _: self._recent(limit, after), worth_retrying=is_lost_point_in_time
        )

    async def _recent(self, limit: int, after: Position | None) -> list[SessionSummary]:
        # One point in time for all requests, so that nothing changes between them.
        pit = {"id": await self._index.open_point_in_time(), "keep_alive": PIT_KEEP_ALIVE}
        try:
            newest = AsyncNewestSessions(self._index, self._filters, pit)
            wanted = [session_id for _, session_id in await newest.page(limit, after)]
            size = self._pages.size(SESSIONS_AT_ONCE, messages_each=MESSAGES_EACH)
            summaries: list[SessionSummary] = []
            while len(summaries) < len(wanted):
                ids = wanted[len(summaries) : len(summaries) + size.messages]
                filters = [*self._filters, *session_filters(ids)]
                found = await self._summaries(filters, summaries_of(ids), size, pit)
                if found is not None:
                    by_id = {summary.session_id: summary for summary in found}
                    summaries += [by_id[session_id] for session_id in ids]
            return summaries
        finally:
            await self._index.close_point_in_time(pit["id"])

    async def _count_keys(self, most: int, after: str | None = None) -> tuple[int, str | None]:
        """Return how many sessions come after `after`, up to `most`, and the last one of them."""
        found = await self._search(
            size=0,
            track_total_hits=False,
            aggregations=keys_by_id(most, after),
            # The sessions are only counted.
            filter_path=[
                "aggregations.sessions.after_key",
                "aggregations.sessions.buckets.doc_count",
            ],
        )
        sessions = found.body.get("aggregations", {}).get("sessions", {})
        return len(sessions.get("buckets", [])), sessions.get("after_key", {}).get("session_id")

    async def _search(self, **arguments: Any) -> Any:
        return await self._index.search(
            query=messages_only(self._filters),
            **arguments,
            worth_retrying=is_retriable_search,
        )

    async def _summaries(
        self,
        filters: Clauses,
        aggregations: dict[str, Any],
        size: PageSize,
        pit: dict[str, str] | None = None,
    ) -> list[SessionSummary] | None:
        """Return the sessions of one aggregation; None if `size` was too large and was reduced."""
        selection = Selection(messages_only(filters), order=[])
        where = {} if pit is None else {"pit": pit}
        try:
            found = await self._pages.search(
                selection, size, aggregations=aggregations, size=0, track_total_hits=False, **where
            )
        except (ApiError, TransportError) as error:
            self._pages.shrink_or_raise(size, error)
            return None
        if pit is not None:
            pit["id"] = found["pit_id"]
        buckets = found["aggregations"]["sessions"]["buckets"]
        hits = [hits_in(bucket) for bucket in buckets]
        self._pages.learn(size, [hit for both in hits for hit in both])
        summaries = []
        for bucket, (_, last) in zip(buckets, hits, strict=True):
            summary = summary_of(bucket)
            self._index.observe(summary.session_id, [last])
            summaries.append(summary)
        return summaries
