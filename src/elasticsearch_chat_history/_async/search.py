"""Ranked search over the messages of an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from elasticsearch_chat_history._async.searcher import AsyncSearcher
from elasticsearch_chat_history._async.store import AsyncStoreBase
from elasticsearch_chat_history._queries.search_request import (
    SearchMode,
    SearchOperator,
    search_request,
)
from elasticsearch_chat_history._reporting import logged
from elasticsearch_chat_history._results import SearchHit


class AsyncMessageSearch(AsyncStoreBase):
    """Ranked search over the messages of an index."""

    async def asearch(
        self,
        query: str,
        *,
        session_id: str | None = None,
        types: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int = 10,
        per_session: bool = False,
        operator: SearchOperator = "or",
        fuzzy: bool = False,
        mode: SearchMode = "text",
    ) -> list[SearchHit]:
        """Return the messages that match a text best, best first.

        Any text can be searched for: it has no syntax but quotes around phrases, so that no text
        is an error. Of equal matches the newer one goes first. Messages older than the `ttl` of
        the store are not found, and a document that holds no message is left out, with a warning
        in the log.

        By words, messages are ranked with BM25:
        https://www.elastic.co/docs/reference/elasticsearch/index-settings/similarity
        By meaning, they are ranked by how near their vectors are to that of the text:
        https://www.elastic.co/docs/solutions/search/vector/knn

        Messages that langchain-elasticsearch wrote are searched by words in their JSON until
        `abackfill()` completes them. Until then their matches are approximate: names of JSON
        fields match as words do, a word after a line break does not match, the types of
        messages are compared only after the best `limit` are found, nothing is highlighted, and
        nothing is found by meaning.

        Args:
            query: The text. "Words in quotes" must stand together in this order. Of a long text
                the first 200 words within 4,000 characters are looked for; each character of
                Chinese, Japanese, Korean or Thai counts as a word. A text without any word finds
                nothing.
            session_id: The only session to search; None searches all.
            types: The types of messages to find, such as `["human", "ai"]`; None finds all.
            since: The time from which on messages are found, with its time zone.
            until: The time before which messages are found, with its time zone.
            metadata: The keys and values that messages must have. A list means any of its
                values, None that there is no such key.
            limit: How many messages to return at most, 1 to 10,000.
            per_session: Whether to return only the best message of each session.
            operator: `"or"` finds messages with any of the words or phrases, `"and"` those with
                all of them.
            fuzzy: Whether words also match that differ by one letter (three to five letters) or
                by two (longer ones); phrases stay exact. The first 50 words are looked for. See
                https://www.elastic.co/docs/reference/elasticsearch/rest-apis/common-options
            mode: `"text"` finds words, `"semantic"` meaning, with the `embeddings` of the store;
                filters apply to both, `operator` and `fuzzy` to words only. `"hybrid"` puts both
                rankings together by reciprocal rank fusion, so that what stands high in either,
                and most of all in both, goes first.

        Returns:
            The hits with their scores, and where they match: parts of the first 100,000
            characters of a text. An empty list where nothing matches, or there is no index.

        Raises:
            ValueError: An argument has an unusable value, or a search by meaning is asked of a
                store without `embeddings`.
            TypeError: It is of the wrong type.
            ApiError: Elasticsearch refused, for example as the vectors in the index have other
                dimensions than those of the model.
            TransportError: Elasticsearch could not be reached. Errors of the model pass through.

        Example:
            ```python
            for hit in await store.asearch('hello "good morning"', types=["human"], limit=5):
                for highlight in hit.highlights:
                    matches = [highlight.text[start:end] for start, end in highlight.ranges]
                    print(hit.session_id, hit.score, matches)
            ```
        """
        index = self._open_index()
        request = search_request(
            query,
            session_id=session_id,
            types=types,
            since=since,
            until=until,
            ttl=self._options.ttl,
            metadata=metadata,
            limit=limit,
            per_session=per_session,
            operator=operator,
            fuzzy=fuzzy,
            mode=mode,
            has_embeddings=self._embeddings is not None,
        )
        routing = None if session_id is None else index.routing_of(session_id)
        with logged("Could not search messages in Elasticsearch"):
            return await AsyncSearcher(index, request, self._embeddings, routing=routing).hits()
