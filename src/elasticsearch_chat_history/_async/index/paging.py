"""Searching in pages from a point in time; their size follows the size of the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, NotFoundError, TransportError

from elasticsearch_chat_history._queries.selection import (
    PAGE_SIZE,
    PIT_KEEP_ALIVE,
)
from elasticsearch_chat_history._reporting import LOGGER, describe
from elasticsearch_chat_history._requests.failures import (
    is_missing_index,
    is_retriable_search,
    max_hits_in,
)
from elasticsearch_chat_history._requests.page_size import PageSize

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Hit
    from elasticsearch_chat_history._queries.selection import Selection


class AsyncPages:
    """Searches an index in pages whose size follows the size of its messages."""

    def __init__(self, index: AsyncChatIndex) -> None:
        self._index = index

    def size(self, wanted: int = PAGE_SIZE, *, messages_each: int = 1) -> PageSize:
        """Return a page size of `wanted` hits, or fewer if this index has large messages."""
        known = self._index.state.message_bytes.get(self._index.name)
        return PageSize(min(wanted, self._index.max_hits), known, messages_each)

    async def search(self, selection: Selection, page_size: PageSize, **arguments: Any) -> Any:
        """Return the answer of one search, from which the page size learns.

        Args:
            selection: What to search for.
            page_size: How many hits to return, unless `arguments` says so.
            arguments: More arguments of the search; `pit` replaces the index.
        """
        where = {} if "pit" in arguments else {"routing": selection.routing}
        found = await self._index.search(
            **{
                "query": selection.query,
                "sort": selection.order,
                "size": page_size.messages,
                "source": {"includes": list(selection.fields)},
                **where,
                **arguments,
            },
            # Before the server has ever answered, a failure says nothing about the page.
            worth_retrying=lambda error: (
                not (self._index.state.reached and page_size.note_failure(error))
                and is_retriable_search(error)
            ),
        )
        if "history" in selection.fields:
            self.learn(page_size, found["hits"]["hits"])
        return found

    def learn(self, page_size: PageSize, hits: Sequence[Hit]) -> None:
        """Adapt the next page, and the first page of the next read, to the messages' size."""
        page_size.learn(hits)
        self._index.state.message_bytes[self._index.name] = page_size.message_bytes

    async def each(self, selection: Selection, size: PageSize) -> AsyncGenerator[list[Hit], None]:
        """Yield what `selection` finds in pages from one point in time.

        The pages get smaller if Elasticsearch cannot answer one of the wanted size. A missing
        index has no pages.
        """
        try:
            pit_id = await self._index.open_point_in_time(selection.routing)
        except NotFoundError as error:
            if is_missing_index(error):
                return
            raise
        order = [*selection.order, {"_shard_doc": "asc"}]
        after: list[Any] | None = None
        try:
            while True:
                asked = size.messages
                try:
                    found = await self.search(
                        selection,
                        size,
                        sort=order,
                        track_total_hits=False,
                        pit={"id": pit_id, "keep_alive": PIT_KEEP_ALIVE},
                        search_after=after,
                    )
                except (ApiError, TransportError) as error:
                    self.shrink_or_raise(size, error)
                    continue
                pit_id = found["pit_id"]
                hits = found["hits"]["hits"]
                if hits:
                    yield hits
                if len(hits) < asked:
                    return
                after = hits[-1]["sort"]
        finally:
            await self._index.close_point_in_time(pit_id)

    def shrink_or_raise(self, size: PageSize, error: Exception) -> None:
        """Make the next page smaller if the size may have caused `error`; otherwise raise it."""
        if not size.too_large:
            raise error
        if max_hits_in(error) is None:
            LOGGER.warning("A page of %d messages failed: %s", size.messages, describe(error))
        size.shrink()
