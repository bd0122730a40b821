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
from elasticsearch_chat_history._queries.sessions_by_id import SearchById, id_ahead
from elasticsearch_chat_history._requests.failures import (
    is_expensive_query,
    is_lost_point_in_time,
    is_retriable_search,
    missing_index_ignored,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        prefix: What the ids of all sessions that match begin with.
    """

    def __init__(
        self, index: AsyncChatIndex, filters: Clauses, *, prefix: str | None = None
    ) -> None:
        self._index = index
        self._filters = filters
        self._prefix = prefix
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
            search = self._search_by_id()
            while not search.ended:
                total += len(await self._next(search, KEYS_AT_ONCE))
        return total

    async def count_messages(self) -> int:
        """Return how many messages there are."""
        with missing_index_ignored():
            # The count API would ignore a shard that does not answer.
            found = await self._index.search(
                query=messages_only(self._filters),
                size=0,
                track_total_hits=True,
                filter_path="hits.total.value",
                worth_retrying=is_retriable_search,
            )
            return int(found["hits"]["total"]["value"])
        return 0

    async def _page_by_id(self, limit: int, after: str | None) -> list[SessionSummary]:
        """Return the first `limit` sessions whose ids come after `after`."""
        size = self._pages.size(SESSIONS_AT_ONCE, messages_each=MESSAGES_EACH)
        search = self._search_by_id(after)
        summaries: list[SessionSummary] = []
        while len(summaries) < limit and not search.ended:
            asked = min(size.messages, limit - len(summaries))
            summaries += self._summaries_in(await self._next(search, asked, size), size)
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
                found = await self._summaries_of(ids, size, pit)
                if found is not None:
                    by_id = {summary.session_id: summary for summary in found}
                    summaries += [by_id[session_id] for session_id in ids]
            return summaries
        finally:
            await self._index.close_point_in_time(pit["id"])

    async def _next(
        self, search: SearchById, count: int, size: PageSize | None = None
    ) -> list[dict[str, Any]]:
        """Return the next sessions by id, at most `count`; possibly none though there are more.

        Args:
            search: What was found so far.
            count: How many to return at most.
            size: The size of a page of summaries; None returns no more than the ids.
        """
        ahead = search.ids_ahead(count)
        upto = None if ahead is None else await self._id_ahead(search.after, ahead)
        query = messages_only([*self._filters, *search.clauses(upto)])
        most_visited = search.most_visited(count)
        arguments = {
            # Elasticsearch 8.19 stops early only where it looks for hits.
            "size": 0 if most_visited is None else 1,
            "source": False,
            "track_total_hits": False,
            "terminate_after": most_visited,
        }
        try:
            if size is None:
                found = await self._index.search(
                    **arguments,
                    query=query,
                    aggregations=keys_by_id(count, search.after),
                    filter_path=["terminated_early", "aggregations.sessions.buckets.key"],
                    worth_retrying=is_retriable_search,
                )
            else:
                groups = summaries_by_id(count, search.after)
                selection = Selection(query, order=[], fields=())
                found = await self._pages.search(selection, size, **arguments, aggregations=groups)
        except (ApiError, TransportError) as error:
            if ahead is not None and is_expensive_query(error):
                search.without_ranges()
            elif size is None:
                raise
            else:
                self._pages.shrink_or_raise(size, error)
            return []
        return search.found(found.body, count, upto)

    def _search_by_id(self, after: str | None = None) -> SearchById:
        # A prefix, and an age, do not make it few.
        by_metadata = any({"prefix", "range"}.isdisjoint(clause) for clause in self._filters)
        few_match = by_metadata or bool(self._index.scope.clauses)
        return SearchById(after, prefix=self._prefix, few_match=few_match)

    async def _id_ahead(self, after: str | None, count: int) -> str | None:
        """Return the id that is so many ids ahead; None if there may be fewer."""
        terms = await self._index.terms("session_id", count, after=after, prefix=self._prefix)
        return id_ahead(terms, count, after)

    async def _summaries_of(
        self, session_ids: Sequence[str], size: PageSize, pit: dict[str, str]
    ) -> list[SessionSummary] | None:
        """Return the summaries of some sessions; None if `size` was too large and was reduced."""
        query = messages_only([*self._filters, *session_filters(session_ids)])
        try:
            found = await self._pages.search(
                Selection(query, order=[]),
                size,
                aggregations=summaries_of(session_ids),
                size=0,
                track_total_hits=False,
                pit=pit,
            )
        except (ApiError, TransportError) as error:
            self._pages.shrink_or_raise(size, error)
            return None
        pit["id"] = found["pit_id"]
        return self._summaries_in(found["aggregations"]["sessions"]["buckets"], size)

    def _summaries_in(
        self, buckets: Sequence[Mapping[str, Any]], size: PageSize
    ) -> list[SessionSummary]:
        """Return the summaries of the sessions of an answer, from which `size` learns."""
        hits = [hits_in(bucket) for bucket in buckets]
        self._pages.learn(size, [hit for both in hits for hit in both])
        summaries = [summary_of(bucket) for bucket in buckets]
        for summary, (_, last) in zip(summaries, hits, strict=True):
            self._index.observe(summary.session_id, [last])
        return summaries
