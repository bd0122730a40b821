"""Searching messages by their words, by their meaning, or by both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import BadRequestError, NotFoundError

from elasticsearch_chat_history._documents.document import stored_message_of
from elasticsearch_chat_history._errors import UnreadableMessageError
from elasticsearch_chat_history._queries.highlights import Highlighter
from elasticsearch_chat_history._queries.rank_fusion import fused
from elasticsearch_chat_history._queries.search_text import (
    content_query,
    history_query,
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
        """Return the hits, best first; none if the text has no word.

        Raises:
            ValueError: The index does not allow so many hits at once.
        """
        limit = self._request.limit
        try:
            return await self._hits(limit)
        except BadRequestError as error:
            allowed = max_hits_in(error)
            if allowed is None:
                raise
            if limit > allowed:
                raise ValueError(
                    f"limit must be at most {allowed:,} in index {self._index.name!r}, because of "
                    f"its index.max_result_window, but is {limit:,}"
                ) from error
        return await self._hits(limit)

    async def _hits(self, limit: int) -> list[SearchHit]:
        text = self._request.text
        if text is None:
            return []
        if self._request.mode == "text" or self._embeddings is None:
            found = await self._by_words(text, limit)
        elif self._request.mode == "semantic":
            found = await self._by_meaning(self._embeddings, limit)
        else:
            window = max(limit, min(MIN_WINDOW, self._index.max_hits))
            found = self._fused(
                await self._by_words(text, window),
                await self._by_meaning(self._embeddings, window),
            )
        return self._readable(found)

    async def _by_words(self, text: SearchText, count: int) -> list[Hit]:
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
        )
        return _hits_of(found)

    async def _by_meaning(self, embeddings: Embeddings, count: int) -> list[Hit]:
        vector = await embeddings.aembed_query(self._request.query)
        nearest = count
        while True:
            found = await self._search(
                knn=nearest_to(vector, nearest, self._request.filters),
                size=count,
                track_total_hits=True,
            )
            hits = _hits_of(found)
            # The nearest may be from few sessions, which only the answer shows.
            exhausted = not found or found["hits"]["total"]["value"] < nearest
            if len(hits) == count or exhausted or nearest == MAX_HITS:
                return hits
            nearest = min(MAX_HITS, nearest * STEP)

    async def _search(self, **what: Any) -> Any:
        """Return the answer of one search; None if the index does not exist."""
        if self._request.per_session:
            what["collapse"] = {"field": "session_id"}
        try:
            return await self._index.search(
                routing=self._routing,
                sort=[{"_score": {"order": "desc"}}, *total_order(newest_first=True)],
                source={"includes": list(STORED_MESSAGE_FIELDS)},
                **what,
            )
        except (BadRequestError, NotFoundError) as error:
            if is_missing_index(error) or lacks_sessions(error):
                return None
            raise

    def _fused(self, by_words: Sequence[Hit], by_meaning: Sequence[Hit]) -> list[Hit]:
        with_highlights = {_document(hit): hit for hit in by_words}
        key = _session if self._request.per_session else _document
        return [
            {**with_highlights.get(_document(hit), hit), "_score": score}
            for score, hit in fused([by_words, by_meaning], key)
        ]

    def _readable(self, found: Sequence[Hit]) -> list[SearchHit]:
        readable: list[SearchHit] = []
        for hit in found:
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
            readable.append(SearchHit(float(hit["_score"]), stored, highlights))
        return readable


def _hits_of(found: Any) -> list[Hit]:
    """Return the hits with the sort values of the total order only, without the score."""
    if found is None:
        return []
    return [{**hit, "sort": hit["sort"][1:]} for hit in found["hits"]["hits"]]


def _document(hit: Hit) -> tuple[str, str]:
    # The index too, as an alias may stand for several.
    return hit["_index"], hit["_id"]


def _session(hit: Hit) -> str:
    return str(hit["_source"]["session_id"])
