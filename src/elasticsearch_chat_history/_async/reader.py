"""Reading a session: in one request where it fits, over a point in time where not."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, NotFoundError, TransportError

from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._clock import CLOCK
from elasticsearch_chat_history._last_messages import LastMessages
from elasticsearch_chat_history._page_size import PageSize
from elasticsearch_chat_history._queries import (
    MAX_HITS,
    MESSAGE_FIELDS,
    PAGE_SIZE,
    PIT_KEEP_ALIVE,
    is_lost_snapshot,
    is_missing_index,
    latest_seq,
    milliseconds_now,
    oldest_first,
    routing_of,
    session_query,
    total_order,
)
from elasticsearch_chat_history._reporting import LOGGER, describe
from elasticsearch_chat_history._retries import is_retriable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import timedelta

    from elasticsearch_chat_history._async.index import AsyncChatIndex

Hit = dict[str, Any]


class AsyncSessionReader:
    """Reads the documents of one session, and lets the clock see how far they go."""

    def __init__(self, index: AsyncChatIndex, session_id: str, ttl: timedelta | None) -> None:
        self._index = index
        self._session_id = session_id
        self._ttl = ttl
        self._routing = routing_of(session_id) if index.routing else None

    async def all(self) -> list[Hit]:
        """Return all documents of the session, oldest first."""
        size = self._page_size(PAGE_SIZE)
        try:
            # One more than fits tells whether there is a second page.
            found = await self._search(size, track_total_hits=size.messages + 1)
        except (ApiError, TransportError) as error:
            if is_missing_index(error):
                return []
            self._shrink_or_raise(size, error)
        else:
            hits = self._seen(found, size)
            if found["hits"]["total"]["value"] <= len(hits):
                return hits
        return await self._collect_again(size, limit=None)

    async def last(self, limit: int) -> list[Hit]:
        """Return the last `limit` documents of the session, oldest first."""
        size = self._page_size(min(limit, MAX_HITS))
        if size.messages >= limit:
            try:
                return await self._last_of_one_page(limit, size)
            except (ApiError, TransportError) as error:
                if is_missing_index(error):
                    return []
                self._shrink_or_raise(size, error)
        return oldest_first(await self._collect_again(size, limit=limit))

    async def _last_of_one_page(self, limit: int, size: PageSize) -> list[Hit]:
        """Return the last `limit` documents, with one search unless the session is very long."""
        starts = self._index.state.window_starts
        session = (self._index.name, self._session_id)
        last = LastMessages(limit, milliseconds_now(), starts.get(session, limit))
        while True:
            found = await self._search(
                size,
                limit=limit,
                newest_first=True,
                track_total_hits=False,
                since=last.since,
                terminate_after=last.most_visited,
            )
            hits = self._seen(found, size)
            if last.finished(hits, stopped=found.body.get("terminated_early", False)):
                if last.since is not None:
                    starts.remember(session, limit, int(hits[-1]["sort"][0]))
                return oldest_first(hits)

    async def pages(
        self,
        wanted: int | PageSize,
        *,
        newest_first: bool = False,
        fields: list[str] = MESSAGE_FIELDS,
    ) -> AsyncGenerator[list[Hit], None]:
        """Yield the documents of the session in pages from one consistent snapshot.

        The pages get smaller where Elasticsearch cannot answer one of the wanted size.
        """
        size = wanted if isinstance(wanted, PageSize) else self._page_size(wanted)
        try:
            opened = await send(
                lambda: self._index.client.open_point_in_time(
                    index=self._index.name, keep_alive=PIT_KEEP_ALIVE, routing=self._routing
                ),
                self._index.state,
                self._index.max_retries,
            )
        except NotFoundError as error:
            if is_missing_index(error):
                return
            raise
        pit_id = opened["id"]
        after: list[Any] | None = None
        try:
            while True:
                asked = size.messages
                try:
                    found = await self._search(
                        size,
                        newest_first=newest_first,
                        track_total_hits=False,
                        fields=fields,
                        pit={"id": pit_id, "keep_alive": PIT_KEEP_ALIVE},
                        search_after=after,
                    )
                except (ApiError, TransportError) as error:
                    self._shrink_or_raise(size, error)
                    continue
                pit_id = found["pit_id"]
                hits = self._seen(found, size)
                if hits:
                    yield hits
                if len(hits) < asked:
                    return
                after = hits[-1]["sort"]
        finally:
            await self._close(pit_id)

    async def _collect_again(self, size: PageSize, limit: int | None) -> list[Hit]:
        # A snapshot goes with the node that keeps it; another one can be read from the start.
        return await send(
            lambda: self._collect(size, limit),
            self._index.state,
            self._index.max_retries,
            worth_retrying=is_lost_snapshot,
        )

    async def _collect(self, size: PageSize, limit: int | None) -> list[Hit]:
        collected: list[Hit] = []
        async with aclosing(self.pages(size, newest_first=limit is not None)) as pages:
            async for hits in pages:
                collected += hits
                if limit is not None and len(collected) >= limit:
                    break
        return collected[:limit]

    async def _search(
        self,
        size: PageSize,
        *,
        limit: int | None = None,
        track_total_hits: bool | int,
        newest_first: bool = False,
        fields: list[str] = MESSAGE_FIELDS,
        pit: dict[str, Any] | None = None,
        search_after: list[Any] | None = None,
        since: int | None = None,
        terminate_after: int | None = None,
    ) -> Any:
        order = total_order(newest_first=newest_first)
        where: dict[str, Any]
        if pit is None:
            where = {"index": self._index.name, "routing": self._routing}
        else:
            where = {"pit": pit}
            order.append({"_shard_doc": "asc"})
        return await send(
            lambda: self._index.client.search(
                **where,
                query=session_query(self._session_id, self._ttl, since),
                sort=order,
                size=limit or size.messages,
                source={"includes": fields},
                search_after=search_after,
                terminate_after=terminate_after,
                track_total_hits=track_total_hits,
                # A shard that does not answer must be an error, not a gap.
                allow_partial_search_results=False,
            ),
            self._index.state,
            self._index.max_retries,
            # From a server that never answered, a failure says nothing about the page.
            worth_retrying=lambda error: (
                is_retriable(error) and not (self._index.state.reached and size.blame(error))
            ),
        )

    def _page_size(self, wanted: int) -> PageSize:
        return PageSize(wanted, self._index.state.message_bytes.get(self._index.name))

    def _shrink_or_raise(self, size: PageSize, error: Exception) -> None:
        if not size.to_blame:
            raise error
        LOGGER.warning("A page of %d messages failed: %s", size.messages, describe(error))
        size.shrink()

    def _seen(self, found: Any, size: PageSize) -> list[Hit]:
        """Return the hits of an answer, after the clock and the page size have learnt from it."""
        hits: list[Hit] = found["hits"]["hits"]
        seq = latest_seq(hits)
        if seq is not None:
            CLOCK.observe((self._index.name, self._session_id), seq)
        size.learn(hits)
        self._index.state.message_bytes[self._index.name] = size.message_bytes
        return hits

    async def _close(self, pit_id: str) -> None:
        try:
            await self._index.client.close_point_in_time(id=pit_id)
        except Exception as error:  # noqa: BLE001  # what was read is right; it expires by itself
            LOGGER.debug("A point in time could not be closed: %s", describe(error))
