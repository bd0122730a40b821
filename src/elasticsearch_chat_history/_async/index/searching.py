"""Searching messages by their words, by their meaning, or by both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import BadRequestError, NotFoundError

from elasticsearch_chat_history._documents.document import stored_message_of
from elasticsearch_chat_history._errors import UnreadableMessageError
from elasticsearch_chat_history._queries.highlights import Highlighter
from elasticsearch_chat_history._queries.rank_fusion import fused_in_windows, windows_for
from elasticsearch_chat_history._queries.search_pages import (
    OVERLAP,
    behind,
    placed,
    too_far,
    without,
)
from elasticsearch_chat_history._queries.search_text import (
    LOWEST_SCORE,
    MIN_NEAREST,
    content_query,
    history_query,
    lowest_score_in,
    message_query,
    nearest_to,
)
from elasticsearch_chat_history._queries.selection import (
    MAX_HITS,
    STORED_MESSAGE_FIELDS,
    total_order,
)
from elasticsearch_chat_history._reporting import LOGGER
from elasticsearch_chat_history._requests.failures import (
    is_missing_index,
    lacks_sessions,
    max_hits_in,
)
from elasticsearch_chat_history._results import SearchHit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.embeddings import Embeddings

    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Hit
    from elasticsearch_chat_history._queries.search_pages import HitPlace, PlacedHit
    from elasticsearch_chat_history._queries.search_request import SearchRequest
    from elasticsearch_chat_history._queries.search_text import SearchText

# How much of both rankings is combined; what is further down hardly counts.
MIN_WINDOW = 100
# How many times more neighbours to look at if they are from too few sessions.
STEP = 4


class AsyncSearcher:
    """Runs one search.

    Args:
        index: The index.
        request: What to search for.
        embeddings: The embedding model, if the search needs one.
        routing: The routing value of the messages; None searches all shards.
    """

    def __init__(
        self,
        index: AsyncChatIndex,
        request: SearchRequest,
        embeddings: Embeddings | None,
        *,
        routing: str | None,
    ) -> None:
        self._index = index
        self._request = request
        self._embeddings = embeddings
        self._routing = routing
        self._highlighter = Highlighter()

    async def hits(self) -> list[SearchHit]:
        """Return a page of the hits, best first; none if the text has no word.

        Raises:
            ValueError: The index does not allow so many hits at once.
            ChatHistoryError: The page is beyond the last that this search can have.
        """
        text, limit = self._request.text, self._request.limit
        if text is None:
            return []
        try:
            return await self._page(text)
        except BadRequestError as error:
            allowed = max_hits_in(error)
            if allowed is None:
                raise
            if limit > allowed:
                raise ValueError(
                    f"limit must be at most {allowed:,} in index {self._index.name!r}, because of "
                    f"its index.max_result_window, but is {limit:,}"
                ) from error
        # It is known now how many the index allows.
        return await self._page(text)

    @property
    def _most(self) -> int:
        """How many hits to ask for at once; more than is known to be allowed is the caller's."""
        return max(self._index.max_hits, self._request.limit)

    def _reaches_beyond(self, place: HitPlace) -> bool:
        return self._request.has_any_depth or place.rank < self._most

    async def _page(self, text: SearchText) -> list[SearchHit]:
        after, limit = self._request.after, self._request.limit
        if after is not None and not self._reaches_beyond(after):
            raise too_far(self._index.name, self._most)
        while True:
            found = await self._following(text, after, limit)
            readable = self._readable(found)
            if readable or len(found) < limit or not self._reaches_beyond(found[-1][0]):
                return readable
            # An empty page would look like the end.
            after, limit = found[-1][0], min(limit * STEP, self._most)

    async def _following(
        self, text: SearchText, after: HitPlace | None, limit: int
    ) -> list[PlacedHit]:
        """Return up to `limit` hits that come after a place."""
        if self._request.mode == "hybrid" and self._embeddings is not None:
            return await self._of_both(text, self._embeddings, after, limit)
        rank = 0 if after is None else after.rank
        if after is not None and rank + limit > self._most and self._request.has_any_depth:
            return await self._beyond_score(text, after, limit)
        begin = max(0, rank - OVERLAP)
        end = min(self._most, rank + limit + (0 if after is None else OVERLAP))
        hits = await self._ranking(text, end - begin, begin=begin)
        found = self._placed(hits, begin=begin)
        following = found if after is None else behind(found, after)
        if following is None and after is not None and not self._request.per_session:
            # It was removed, or moved far.
            return await self._beyond_score(text, after, limit)
        if following is None or (not following and len(hits) == end - begin):
            following = found[rank - begin :]
        return following[:limit]

    async def _beyond_score(
        self, text: SearchText, after: HitPlace, limit: int
    ) -> list[PlacedHit]:
        """Return up to `limit` hits after the score of a place, however deep that is."""
        size = min(self._most, limit + len(after.tied))
        hits = await self._ranking(text, size, begin=after.rank, after=after)
        found = self._placed(hits, begin=after.rank - len(after.tied))
        following = behind(found, after)
        return (without(found, after) if following is None else following)[:limit]

    async def _of_both(
        self, text: SearchText, embeddings: Embeddings, after: HitPlace | None, limit: int
    ) -> list[PlacedHit]:
        """Return up to `limit` hits of both rankings together that come after a place."""
        most = self._most
        rank = 0 if after is None else after.rank
        first = min(most, max(limit, MIN_WINDOW) if after is None else max(after.window, 1))
        windows = windows_for(first, rank + limit + (0 if after is None else OVERLAP), most)
        rankings = [
            await self._by_words(text, windows[-1]),
            await self._by_meaning(embeddings, windows[-1]),
        ]
        found = self._placed(self._fused(rankings, windows), begin=0, window=first)[:most]
        following = found if after is None else behind(found, after)
        more = any(len(ranking) == windows[-1] for ranking in rankings)
        if following is None or (not following and more):
            following = found[rank:]
        return following[:limit]

    async def _ranking(
        self, text: SearchText, count: int, *, begin: int, after: HitPlace | None = None
    ) -> list[Hit]:
        if self._request.mode == "text" or self._embeddings is None:
            return await self._by_words(text, count, begin=begin, after=after)
        return await self._by_meaning(self._embeddings, count, begin=begin, after=after)

    async def _by_words(
        self, text: SearchText, count: int, *, begin: int = 0, after: HitPlace | None = None
    ) -> list[Hit]:
        request = self._request
        content = content_query(text, operator=request.operator, fuzzy=request.fuzzy)
        history = history_query(text, operator=request.operator, fuzzy=request.fuzzy)
        found = await self._search(
            query=message_query(content, history, request.filters),
            highlight=self._highlighter.request(content),
            size=count,
            # With the term statistics of all shards together, so that scores compare.
            search_type="dfs_query_then_fetch",
            track_total_hits=False,
            **_where(begin, after),
        )
        return _hits_of(found)

    async def _by_meaning(
        self,
        embeddings: Embeddings,
        count: int,
        *,
        begin: int = 0,
        after: HitPlace | None = None,
    ) -> list[Hit]:
        vector = await embeddings.aembed_query(self._request.query)
        nearest = min(MAX_HITS, max(MIN_NEAREST, begin + count + 1))
        while True:
            found = await self._search(
                knn=nearest_to(vector, nearest, self._request.filters),
                size=count,
                track_total_hits=True,
                aggregations=LOWEST_SCORE,
                **_where(begin, after),
            )
            hits = _hits_of(found)
            exhausted = not found or found["hits"]["total"]["value"] < nearest
            if exhausted or nearest == MAX_HITS:
                return hits
            # The nearest may be from few sessions, which only the answer shows. Of equally near
            # ones, some may be missing, so that those with the lowest score say nothing.
            if len(hits) == count and hits[-1]["_score"] > lowest_score_in(found):
                return hits
            nearest = min(MAX_HITS, nearest * STEP)

    async def _search(self, **what: Any) -> Any:
        """Return the answer of one search; None if the index does not exist."""
        if self._request.per_session:
            what["collapse"] = {"field": "session_id"}
        try:
            return await self._index.search(
                routing=self._routing,
                # Replicas count removed messages differently, so all pages ask the same ones:
                # https://www.elastic.co/docs/reference/elasticsearch/rest-apis/search-preference
                preference=self._request.key,
                sort=[{"_score": {"order": "desc"}}, *total_order(newest_first=True)],
                source={"includes": list(STORED_MESSAGE_FIELDS)},
                **what,
            )
        except (BadRequestError, NotFoundError) as error:
            if is_missing_index(error) or lacks_sessions(error):
                return None
            raise

    def _fused(self, rankings: Sequence[Sequence[Hit]], windows: Sequence[int]) -> list[Hit]:
        with_highlights = {_document(hit): hit for hit in rankings[0]}
        return [
            {**with_highlights.get(_document(hit), hit), "_score": score}
            for score, hit in fused_in_windows(rankings, self._name_of, windows)
        ]

    def _placed(self, hits: Sequence[Hit], *, begin: int, window: int = 0) -> list[PlacedHit]:
        return placed(hits, self._name_of, begin=begin, window=window)

    def _name_of(self, hit: Hit) -> str:
        return _session(hit) if self._request.per_session else _document(hit)

    def _readable(self, found: Sequence[PlacedHit]) -> list[SearchHit]:
        readable: list[SearchHit] = []
        for place, hit in found:
            if len(readable) == self._request.limit:
                break
            try:
                stored = stored_message_of(hit)
            except UnreadableMessageError as error:
                # One broken document must not make the whole index impossible to search.
                LOGGER.warning("A search leaves out a document: %s", error)
                continue
            # Without the field `type`, only the message itself has its type for certain.
            if self._request.types is not None and stored.message.type not in self._request.types:
                continue
            self._index.observe(stored.session_id, [hit])
            highlights = self._highlighter.highlights_of(hit)
            cursor = place.cursor(self._request.key)
            readable.append(SearchHit(float(hit["_score"]), stored, highlights, cursor))
        return readable


def _hits_of(found: Any) -> list[Hit]:
    """Return the hits with the sort values of the total order only, without the score."""
    if found is None:
        return []
    return [{**hit, "sort": hit["sort"][1:]} for hit in found["hits"]["hits"]]


def _where(begin: int, after: HitPlace | None) -> dict[str, Any]:
    """Return the arguments of a search that skips the first hits, or all up to a place."""
    if after is not None:
        return {"search_after": after.search_after}
    return {"from_": begin} if begin else {}


def _document(hit: Hit) -> str:
    # The index too, as an alias may stand for several. It contains no slash.
    return f"{hit['_index']}/{hit['_id']}"


def _session(hit: Hit) -> str:
    return str(hit["_source"]["session_id"])
