"""Reading a session: in one request if it fits, or in pages from a point in time."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._async.index.paging import AsyncPages
from elasticsearch_chat_history._documents.document import (
    message_of,
    seq_in_id,
    stored_message_of,
)
from elasticsearch_chat_history._queries.filters import maybe_of_types, milliseconds_now
from elasticsearch_chat_history._queries.last_messages import (
    NewestSearch,
    without_leading_orphans,
)
from elasticsearch_chat_history._queries.selection import (
    MAX_HITS,
    MESSAGE_FIELDS,
    PAGE_SIZE,
    STORED_MESSAGE_FIELDS,
    Place,
    Selection,
    before_filters,
    ids_query,
    messages_only,
    oldest_first,
    session_query,
    total_order,
)
from elasticsearch_chat_history._reporting import Logged
from elasticsearch_chat_history._requests.failures import (
    is_lost_point_in_time,
    is_missing_index,
    missing_index_ignored,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from langchain_core.messages import BaseMessage

    from elasticsearch_chat_history._async.session.session import AsyncSession
    from elasticsearch_chat_history._documents.document import Hit
    from elasticsearch_chat_history._queries.filters import Clauses
    from elasticsearch_chat_history._requests.page_size import PageSize
    from elasticsearch_chat_history._results import StoredMessage


async def messages(session: AsyncSession, limit: int | None) -> list[BaseMessage]:
    """Return the messages of a session, all or the last `limit`, without results of cut calls."""
    reader = AsyncSessionReader(session)
    hits = await (reader.all() if limit is None else reader.last(limit))
    found = [message_of(hit, session.id) for hit in hits]
    whole = limit is None and session.options.ttl is None
    return found if whole else without_leading_orphans(found)


async def stored_messages(
    session: AsyncSession, batch_size: int
) -> AsyncGenerator[StoredMessage, None]:
    """Yield the messages of a session one by one from one point in time."""
    reader = AsyncSessionReader(session, STORED_MESSAGE_FIELDS)
    with Logged("Could not retrieve messages from Elasticsearch", None):
        async with aclosing(reader.each(batch_size)) as pages:
            async for hits in pages:
                for hit in hits:
                    yield stored_message_of(hit, session.id)


async def stored_page(
    session: AsyncSession, limit: int | None, before: str | None, types: Sequence[str] | None
) -> list[StoredMessage]:
    """Return the last messages of some types before that with the id `before`.

    Args:
        session: The session.
        limit: How many to return; None returns all.
        before: The id of a document; None reads from the end.
        types: The types; None finds all.

    Raises:
        ValueError: There is no message with that id.
    """
    place = None
    found: list[StoredMessage] = []
    if limit is None:
        if before is not None:
            place = await place_in(session, before, "before")
        reader = AsyncSessionReader(
            session,
            STORED_MESSAGE_FIELDS,
            filters=[*maybe_of_types(types), *(before_filters(place) if place else [])],
        )
        return _of_types(session, await reader.all(), types)
    if before is not None:
        hits = await _page_up_to(session, limit, before, types)
        if hits is None:
            place = await place_in(session, before, "before")
        else:
            found, place = _of_types(session, hits, types), _first_place(hits, limit)
            if place is None:
                return found
    while len(found) < limit:
        wanted = limit - len(found)
        filters = [*maybe_of_types(types), *(before_filters(place) if place else [])]
        until = place.time if place else None
        reader = AsyncSessionReader(session, STORED_MESSAGE_FIELDS, filters=filters, until=until)
        hits = await reader.last(wanted)
        found = _of_types(session, hits, types) + found
        place = _first_place(hits, wanted)
        if place is None:
            break
    return found


async def place_in(session: AsyncSession, message_id: str, argument: str) -> Place:
    """Return where the message with an id is.

    Raises:
        ValueError: It is not in the session, or not visible to searches yet.
    """
    selection = Selection(
        ids_query(session.id, [message_id]), total_order(), fields=(), routing=session.routing
    )
    pages = AsyncPages(session.index)
    with missing_index_ignored():
        found = await pages.search(selection, pages.size(1), track_total_hits=False)
        for hit in found["hits"]["hits"]:
            return Place.of(hit)
    raise ValueError(
        f"{argument} must be the id of a StoredMessage of this session, which is not that of its "
        f"LangChain message, but is {message_id!r:.100}"
    )


async def _page_up_to(
    session: AsyncSession, limit: int, before: str, types: Sequence[str] | None
) -> list[Hit] | None:
    """Return the hits before the document `before`, if its id tells its place; else None."""
    seq = seq_in_id(before)
    if seq is None:
        return None
    place = Place(seq // 1000, seq)
    filters = [
        *maybe_of_types(types, or_id=before),
        *before_filters(place, with_it=True),
    ]
    reader = AsyncSessionReader(session, STORED_MESSAGE_FIELDS, filters=filters, until=place.time)
    hits = await reader.last(limit + 1)
    # An import may have stored it with another time.
    return hits[:-1] if hits and hits[-1]["_id"] == before else None


def _of_types(
    session: AsyncSession, hits: Sequence[Hit], types: Sequence[str] | None
) -> list[StoredMessage]:
    messages = [stored_message_of(hit, session.id) for hit in hits]
    # Without the field `type`, only the message itself has its type for certain.
    return [one for one in messages if types is None or one.message.type in types]


def _first_place(hits: Sequence[Hit], asked: int) -> Place | None:
    """Return the place of the first of a full page; None if there is nothing before it."""
    return Place.of(hits[0]) if hits and len(hits) >= asked else None


class AsyncSessionReader:
    """Reads the documents of one session, and lets the clock see the latest of them.

    Args:
        session: The session.
        fields: The fields of their source to return.
        filters: More clauses that they have to match.
        until: The time in milliseconds after which none matches; None is now.
        expired: Whether to read those older than the `ttl` of the session too.
    """

    def __init__(
        self,
        session: AsyncSession,
        fields: tuple[str, ...] = MESSAGE_FIELDS,
        *,
        filters: Clauses | None = None,
        until: int | None = None,
        expired: bool = False,
    ) -> None:
        self._filters = filters or []
        self._until = until
        self._session = session
        self._ttl = None if expired else session.options.ttl
        self._index = session.index
        self._fields = fields
        self._pages = AsyncPages(session.index)

    async def all(self) -> list[Hit]:
        """Return all documents of the session, oldest first."""
        size = self._pages.size()
        asked = size.messages
        try:
            # Counting one more than fits tells whether there is a second page.
            found = await self._search(size, track_total_hits=asked + 1)
        except (ApiError, TransportError) as error:
            if is_missing_index(error):
                return []
            self._pages.shrink_or_raise(size, error)
        else:
            hits: list[Hit] = found["hits"]["hits"]
            if found["hits"]["total"]["value"] <= len(hits):
                return hits
        return await self._collect_again(size, limit=None)

    async def last(self, limit: int) -> list[Hit]:
        """Return the last `limit` documents of the session, oldest first."""
        size = self._pages.size(min(limit, MAX_HITS))
        if size.messages >= limit:
            try:
                return await self._last_of_one_page(limit, size)
            except (ApiError, TransportError) as error:
                if is_missing_index(error):
                    return []
                self._pages.shrink_or_raise(size, error)
        return oldest_first(await self._collect_again(size, limit=limit))

    async def each(
        self, wanted: int | PageSize = PAGE_SIZE, *, newest_first: bool = False
    ) -> AsyncGenerator[list[Hit], None]:
        """Yield the documents of the session in pages from one point in time."""
        size = self._pages.size(wanted) if isinstance(wanted, int) else wanted
        selection = self._selection(newest_first=newest_first)
        async with aclosing(self._pages.each(selection, size)) as pages:
            async for hits in pages:
                self._index.observe(self._session.id, hits)
                yield hits

    async def _last_of_one_page(self, limit: int, size: PageSize) -> list[Hit]:
        """Return the last `limit` documents, with one search unless the session is very long."""
        starts = self._index.state.window_starts
        key = self._session.clock_key
        # What was found with other filters says nothing.
        since = None if self._filters else starts.get(key, limit)
        until = milliseconds_now() if self._until is None else self._until
        last = NewestSearch(limit, until, since)
        while True:
            found = await self._search(
                size,
                newest_first=True,
                since=last.since,
                size=limit,
                track_total_hits=False,
                terminate_after=last.most_visited,
            )
            hits = found["hits"]["hits"]
            times = [int(hit["sort"][0]) for hit in hits]
            if last.finished(times, stopped=found.body.get("terminated_early", False)):
                if last.since is not None and not self._filters:
                    starts.remember(key, limit, times[-1])
                return oldest_first(hits)

    async def _collect_again(self, size: PageSize, limit: int | None) -> list[Hit]:
        # A point in time is lost with its node; another one can be read from the start.
        return await self._index.send(
            lambda _: self._collect(size, limit), worth_retrying=is_lost_point_in_time
        )

    async def _collect(self, size: PageSize, limit: int | None) -> list[Hit]:
        collected: list[Hit] = []
        async with aclosing(self.each(size, newest_first=limit is not None)) as pages:
            async for hits in pages:
                collected += hits
                if limit is not None and len(collected) >= limit:
                    break
        return collected[:limit]

    async def _search(
        self,
        page_size: PageSize,
        *,
        newest_first: bool = False,
        since: int | None = None,
        **arguments: Any,
    ) -> Any:
        selection = self._selection(newest_first=newest_first, since=since)
        found = await self._pages.search(selection, page_size, **arguments)
        self._index.observe(self._session.id, found["hits"]["hits"])
        return found

    def _selection(self, *, newest_first: bool, since: int | None = None) -> Selection:
        return Selection(
            # A document without a time has no place in the order.
            messages_only([session_query(self._session.id, self._ttl, since), *self._filters]),
            total_order(newest_first=newest_first),
            self._fields,
            self._session.routing,
        )
