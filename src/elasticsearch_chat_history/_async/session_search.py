"""Ranked search in one session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from elasticsearch_chat_history._async.searcher import AsyncSearcher
from elasticsearch_chat_history._async.session import AsyncSessionBase
from elasticsearch_chat_history._queries.search_request import (
    SearchMode,
    SearchOperator,
    search_request,
)
from elasticsearch_chat_history._reporting import logged
from elasticsearch_chat_history._results import SearchHit


class AsyncSessionSearch(AsyncSessionBase):
    """Ranked search in one session."""

    async def asearch(
        self,
        query: str,
        *,
        types: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int = 10,
        operator: SearchOperator = "or",
        fuzzy: bool = False,
        mode: SearchMode = "text",
    ) -> list[SearchHit]:
        """Return the messages of the session that match a text best, best first.

        As `asearch()` of a store, which tells more, but in this session only. Messages older than
        the `ttl` of the history are not found; `history_size` does not apply.

        Args:
            query: The text. "Words in quotes" must stand together in this order. A text without
                any word finds nothing.
            types: The types of messages to find, such as `["human", "ai"]`; None finds all.
            since: The time from which on messages are found, with its time zone.
            until: The time before which messages are found, with its time zone.
            metadata: The keys and values that messages must have. A list means any of its
                values, None that there is no such key.
            limit: How many messages to return at most, 1 to 10,000.
            operator: `"or"` finds messages with any of the words or phrases, `"and"` those with
                all of them.
            fuzzy: Whether words also match that differ by a letter or two; phrases stay exact.
            mode: `"text"` finds words, `"semantic"` meaning, `"hybrid"` both. The latter two need
                a history that a store with `embeddings` made.

        Returns:
            The hits with their scores, and where they match; an empty list where nothing does,
            or there is no index.

        Raises:
            ValueError: An argument has an unusable value, or a search by meaning is asked of a
                history without `embeddings`.
            TypeError: It is of the wrong type.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached. Errors of the model pass through.

        Example:
            ```python
            for hit in await history.asearch("hello", limit=3):
                print(hit.score, hit.stored.message.content)
            ```
        """
        index = self._open_index()
        request = search_request(
            query,
            session_id=self.session_id,
            types=types,
            since=since,
            until=until,
            ttl=self._options.ttl,
            metadata=metadata,
            limit=limit,
            operator=operator,
            fuzzy=fuzzy,
            mode=mode,
            has_embeddings=self._embeddings is not None,
        )
        routing = index.routing_of(self.session_id)
        with logged("Could not search messages in Elasticsearch"):
            return await AsyncSearcher(index, request, self._embeddings, routing=routing).hits()
