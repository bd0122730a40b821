"""Finding the sessions with the newest messages, or those that come after one of them.

A search that groups messages by session visits all that it is asked for, and cannot continue after
a hit of this sort:
https://www.elastic.co/docs/reference/elasticsearch/rest-apis/collapse-search-results
So the newest are searched from a recent time on. A further page is searched from its beginning
back in time, and leaves out the sessions that have newer messages.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from elasticsearch import BadRequestError

from elasticsearch_chat_history._queries.filters import (
    milliseconds_now,
    session_filters,
    time_range,
)
from elasticsearch_chat_history._queries.last_messages import NewestSearch
from elasticsearch_chat_history._queries.selection import MAX_HITS, messages_only
from elasticsearch_chat_history._queries.session_lists import (
    behind,
    newest_sessions,
    positions_in,
    positions_of,
    recent_order,
)
from elasticsearch_chat_history._requests.failures import (
    is_retriable_search,
    lacks_sessions,
    max_hits_in,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._queries.filters import Clauses
    from elasticsearch_chat_history._queries.session_lists import Position

# How many sessions to look at for a further page, for each one wanted: some have newer messages.
CANDIDATES_EACH = 2
# How many times more if these were too few.
MORE_CANDIDATES = 4


class AsyncNewestSessions:
    """The sessions of messages that match some filters, the most recent first.

    Args:
        index: The index.
        filters: The clauses that the messages have to match.
        pit: The point in time that is searched; it gets the newest id of it.
    """

    def __init__(self, index: AsyncChatIndex, filters: Clauses, pit: dict[str, str]) -> None:
        self._index = index
        self._filters = filters
        self._pit = pit

    async def page(self, limit: int, after: Position | None) -> list[Position]:
        """Return the positions of the first `limit` sessions after `after`."""
        if after is None:
            return await self._newest(limit)
        found: list[Position] = []
        seen: Clauses = []
        size, until = min(CANDIDATES_EACH * limit, MAX_HITS), -after[0]
        while True:
            candidates = await self._newest_until(until, size, without=seen)
            later = behind(candidates, after)
            newer = await self._with_messages_after(-after[0], later)
            found += [one for one in later if one[1] not in newer]
            if len(found) >= limit or len(candidates) < size:
                return found[:limit]
            seen += session_filters([session_id for _, session_id in candidates])
            size, until = min(MORE_CANDIDATES * size, MAX_HITS), -candidates[-1][0]

    async def _with_messages_after(self, time: int, positions: Sequence[Position]) -> set[str]:
        """Return those of some sessions that have messages after a time in milliseconds."""
        if not positions:
            return set()
        ids = [session_id for _, session_id in positions]
        clauses = [*time_range(gt=time), *session_filters(ids)]
        found, _ = await self._search(clauses, len(ids))
        return {session_id for _, session_id in found}

    async def _newest(self, size: int) -> list[Position]:
        """Return the `size` sessions with the newest messages."""
        starts, key = self._index.state.window_starts, self._key(size)
        search = NewestSearch(size, milliseconds_now(), starts.get(key, size))
        positions = await self._found(search, size)
        if len(positions) == size:
            starts.remember(key, size, -positions[-1][0])
        return positions

    async def _newest_until(self, until: int, size: int, *, without: Clauses) -> list[Position]:
        """Return the `size` sessions with the newest messages up to a time in milliseconds.

        Args:
            until: A time at which there is a message.
            size: How many to return at most.
            without: The clauses of messages to leave out.
        """
        widths, key = self._index.state.window_widths, self._key(size)
        width = widths.get(key, size)
        search = NewestSearch(size, until, None if width is None else until - width)
        clauses = [*time_range(lte=until), {"bool": {"must_not": without}}]
        positions = await self._found(search, size, clauses)
        if len(positions) == size:
            # Another page may need some more.
            widths.remember(key, size, 2 * (until + positions[-1][0]))
        return positions

    def _key(self, size: int) -> Hashable:
        """Return the key of what is remembered of such searches."""
        lasting = [one for one in self._filters if "range" not in one]  # `ttl` moves on
        return (self._index.key, self._index.scope.key, json.dumps(lasting), size)

    async def _found(
        self, search: NewestSearch, size: int, clauses: Clauses | None = None
    ) -> list[Position]:
        """Return what a search finds; without clauses, it ends at the newest message of all."""
        ends_now = clauses is None
        while True:
            since = time_range(gte=search.since)
            positions, stopped = await self._search(
                [*(clauses or []), *since], size, search.most_visited
            )
            if search.finished([-time for time, _ in positions], stopped=stopped):
                return positions
            if ends_now and not since:
                # It may be long ago that the last message was stored.
                search.ends_at(await self._last_time())
                ends_now = False

    async def _last_time(self) -> int:
        """Return the time of the newest message in milliseconds."""
        found = await self._send(
            [],
            size=0,
            track_total_hits=False,
            aggregations={"last": {"max": {"field": "created_at"}}},
        )
        return int(found["aggregations"]["last"]["value"])

    async def _search(
        self, clauses: Clauses, size: int, most_visited: int | None = None
    ) -> tuple[list[Position], bool]:
        """Return the `size` sessions with the newest of the messages that match more clauses.

        Args:
            clauses: The clauses.
            size: How many sessions to return at most.
            most_visited: After how many messages each shard stops; None visits all.

        Returns:
            The sessions by the newest messages that were visited, and whether a shard stopped.
        """
        arguments: dict[str, Any] = {"track_total_hits": False, "terminate_after": most_visited}
        if size <= self._index.max_hits:
            try:
                found = await self._send(
                    clauses,
                    **arguments,
                    size=size,
                    collapse={"field": "session_id"},
                    sort=recent_order(),
                    source=False,
                    filter_path=["pit_id", "terminated_early", "hits.hits.sort", "error"],
                )
                hits = found.body.get("hits", {}).get("hits", [])
                return positions_of(hits), found.body.get("terminated_early", False)
            except BadRequestError as error:
                if lacks_sessions(error):
                    return [], False
                # An index that does not allow so many hits has groups for them.
                if max_hits_in(error) is None:
                    raise
        found = await self._send(
            clauses,
            **arguments,
            size=0,
            aggregations=newest_sessions(size),
            filter_path=["pit_id", "terminated_early", "aggregations.sessions.buckets"],
        )
        groups = found.body.get("aggregations", {}).get("sessions", {})
        return positions_in(groups), found.body.get("terminated_early", False)

    async def _send(self, clauses: Clauses, **arguments: Any) -> Any:
        found = await self._index.search(
            query=messages_only([*self._filters, *clauses]),
            pit=self._pit,
            **arguments,
            worth_retrying=is_retriable_search,
        )
        self._pit["id"] = found["pit_id"]
        return found
