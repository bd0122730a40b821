"""The store of all sessions of an index: each method checks its arguments and starts the work."""

from __future__ import annotations

import copy
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from elasticsearch import AsyncElasticsearch
from langchain_core.embeddings import Embeddings
from typing_extensions import Unpack

from elasticsearch_chat_history._acompat import AsyncAnyIterable
from elasticsearch_chat_history._arguments import (
    Refresh,
    checked_count,
    checked_embeddings,
    checked_index,
    checked_list,
    checked_session_id,
    either,
)
from elasticsearch_chat_history._async.chat_history import (
    AsyncElasticsearchChatMessageHistory,
    history_of,
)
from elasticsearch_chat_history._async.chat_retriever import AsyncElasticsearchChatRetriever
from elasticsearch_chat_history._async.index.client import AsyncConnection
from elasticsearch_chat_history._async.index.deleting import delete_matching
from elasticsearch_chat_history._async.index.index import AsyncChatIndex
from elasticsearch_chat_history._async.index.preparing import prepare_now
from elasticsearch_chat_history._async.index.searching import AsyncSearcher
from elasticsearch_chat_history._async.session.session import AsyncSession
from elasticsearch_chat_history._async.store.backfilling import AsyncBackfill
from elasticsearch_chat_history._async.store.labelling import AsyncLabelling
from elasticsearch_chat_history._async.store.listing import AsyncSessionListing
from elasticsearch_chat_history._async.store.transfer import AsyncRecordLoader, exported_records
from elasticsearch_chat_history._documents.fields import IndexDefinition
from elasticsearch_chat_history._documents.metadata import checked_metadata
from elasticsearch_chat_history._documents.records import checked_records
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._options import (
    DEFAULT_MAX_RETRIES,
    SessionOptions,
    SessionOverrides,
)
from elasticsearch_chat_history._queries.filters import (
    Clauses,
    age_filters,
    checked_session_ids,
    message_filters,
    metadata_filters,
    portions_of,
    session_filters,
)
from elasticsearch_chat_history._queries.search_request import (
    RetrieverOptions,
    SearchMode,
    SearchOperator,
    search_request,
)
from elasticsearch_chat_history._queries.selection import MAX_HITS, PAGE_SIZE
from elasticsearch_chat_history._queries.session_lists import (
    SessionOrder,
    checked_after,
    checked_order,
    checked_page_limit,
)
from elasticsearch_chat_history._reporting import Logged
from elasticsearch_chat_history._results import ImportResult, SearchHit, SessionSummary

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncElasticsearchChatStore:
    """All sessions of one index: list, search, delete, copy and complete them.

    Creating the object sends no request. `session()` gives the history of a session; all of them
    share the client of the store, and their bulk requests.

    Methods that send requests also raise the errors of the Elasticsearch client: `ApiError` where
    Elasticsearch refuses a request, `TransportError` where it cannot be reached. See
    https://www.elastic.co/docs/reference/elasticsearch/clients/python

    Args:
        index: The index or alias that holds the messages.
        client: An `AsyncElasticsearch` client. It is used as it is, and not closed. If it is
            given, the other arguments that begin with `es_` are ignored.
        es_connection: The older name of `client`.
        es_url: The address to connect to, with scheme, host and port.
        es_cloud_id: The Cloud ID to connect to, instead of `es_url`.
        es_user: The user to connect as, together with `es_password`.
        es_api_key: The API key to connect with; it takes precedence over a user's password.
        es_password: The password of `es_user`.
        ensure_ascii: Whether non-ASCII characters are stored escaped in `history` (the default),
            or as they are.
        esnsure_ascii: The older name of `ensure_ascii`.
        history_size: How many of the last messages a history reads; None reads all.
        ttl: The age from which messages are no longer returned, listed or found.
        metadata: A label to store with each message; JSON values under str keys. It hides no
            messages of others: see `scoped()` of a store.
        refresh: When a write returns: once it is visible to every search (`True`), at once
            (`False`), or with the next refresh of the index (`"wait_for"`). It is stored in any
            case. See https://www.elastic.co/docs/reference/elasticsearch/rest-apis/refresh-parameter
        routing: Whether all messages of a session are stored on one shard, so that reading a
            session searches one shard instead of all. It helps with many shards and short
            sessions; sessions of very different sizes fill the shards unevenly. All writers and
            readers of an index must use the same value: an index created with it refuses others.
            See
            https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-routing-field
        max_retries: How often a request is retried when the connection fails or the server is
            overloaded or unavailable (429, 502, 503, 504). The default allows about 30 seconds in
            all. If this client has never reached the server, it gives up after a few seconds.
        embeddings: A LangChain embedding model. With it, a vector is stored with each message that
            has text, and `asearch()` can search by meaning. If the model fails, messages are
            stored without a vector; `abackfill()` adds it later. All users of an index should use
            the same model.
        number_of_shards: How many primary shards a new index has. This and the four arguments
            below have no effect on an existing index. With None, Elasticsearch and its index
            templates decide.
        number_of_replicas: How many copies of each primary shard a new index has. Serverless
            refuses this and `number_of_shards`.
        refresh_interval: How often a new index is refreshed, such as `"30s"`.
        codec: How stored fields are compressed, such as `"best_compression"`.
        analyzer: The analyzer of the text of messages, such as `"english"` or `"cjk"`. See
            https://www.elastic.co/docs/reference/text-analysis/analyzer-reference

    Raises:
        ValueError: An argument has an unusable value, or two of them contradict each other.
        TypeError: An argument is of the wrong type, such as a client of the other kind.

    Example:
        ```python
        from langchain_core.messages import HumanMessage
        from elasticsearch_chat_history import AsyncElasticsearchChatStore

        async with AsyncElasticsearchChatStore("chats", es_url="http://localhost:9200") as store:
            await store.session("session-1").aadd_messages([HumanMessage("Hello")])
            for summary in await store.alist_sessions():
                print(summary.session_id, summary.message_count)
        ```
    """

    def __init__(
        self,
        index: str,
        *,
        client: AsyncElasticsearch | None = None,
        es_connection: AsyncElasticsearch | None = None,
        es_url: str | None = None,
        es_cloud_id: str | None = None,
        es_user: str | None = None,
        es_api_key: str | None = None,
        es_password: str | None = None,
        ensure_ascii: bool | None = None,
        esnsure_ascii: bool | None = None,
        history_size: int | None = None,
        ttl: timedelta | None = None,
        metadata: Mapping[str, Any] | None = None,
        refresh: Refresh = True,
        routing: bool = False,
        max_retries: int = DEFAULT_MAX_RETRIES,
        embeddings: Embeddings | None = None,
        number_of_shards: int | None = None,
        number_of_replicas: int | None = None,
        refresh_interval: str | None = None,
        codec: str | None = None,
        analyzer: str | None = None,
    ) -> None:
        name = checked_index(index)
        self._options = SessionOptions(
            ensure_ascii=either("ensure_ascii", ensure_ascii, "esnsure_ascii", esnsure_ascii),
            history_size=history_size,
            ttl=ttl,
            metadata=metadata,
            refresh=refresh,
            max_retries=max_retries,
        )
        self._embeddings = checked_embeddings(embeddings)
        definition = IndexDefinition(
            number_of_shards=number_of_shards,
            number_of_replicas=number_of_replicas,
            refresh_interval=refresh_interval,
            codec=codec,
            analyzer=analyzer,
            routing=bool(routing),
            vectors=embeddings is not None,
        )
        connection = AsyncConnection(
            name,
            either("client", client, "es_connection", es_connection),
            es_url=es_url,
            es_cloud_id=es_cloud_id,
            es_user=es_user,
            es_api_key=es_api_key,
            es_password=es_password,
        )
        chat_index = AsyncChatIndex(connection.client, name, definition, max_retries=max_retries)
        self._bind(chat_index, connection)

    async def create_if_missing(self) -> None:
        """Create the index, or check an existing one and add the fields that it lacks.

        A write does this by itself, once in each process. A call of this method always looks, with
        two requests.

        Raises:
            IndexMappingError: With a type or parameter of the mapping, messages would be lost,
                mixed up or out of order, such as with a `session_id` of the type `text`.
            ApiError: Elasticsearch refused the index, for example because of an unknown analyzer.

        Example:
            ```python
            await store.create_if_missing()
            ```
        """
        with self._open("Could not create the index in Elasticsearch") as index:
            await prepare_now(index)

    def session(
        self, session_id: str, **options: Unpack[SessionOverrides]
    ) -> AsyncElasticsearchChatMessageHistory:
        """Return the history of one session, which shares this store's client.

        `RunnableWithMessageHistory` takes this method as `get_session_history`.

        Args:
            session_id: The key of the session, up to 32,766 bytes of UTF-8.
            options: Options that replace those of the store for this history: `ensure_ascii`,
                `history_size`, `ttl`, `refresh`, `max_retries`. `metadata` is added to that of the
                store.

        Returns:
            The history. Closing it leaves the client open.

        Raises:
            ValueError: An option or the id has an unusable value.
            TypeError: An option or the id is of the wrong type, or there is no such option.
            ChatHistoryError: The store was closed.

        Example:
            ```python
            history = store.session("session-1", history_size=50, metadata={"user": "u1"})
            await history.aadd_messages([HumanMessage("Hello")])
            ```
        """
        replaced = self._options.overridden(**options)
        session = AsyncSession(
            self._open_index(), checked_session_id(session_id), replaced, self._embeddings
        )
        return history_of(session, self._connection)

    def scoped(self, metadata: Mapping[str, Any]) -> Self:
        """Return a store that sees and changes nothing but messages with this metadata.

        It is the wall between the users of a service: whatever the store, its histories and its
        retrievers read, search, count, list, remove, copy or export has this metadata, and
        whatever they write or import gets it. Two users may have sessions with the same id, and
        calls with the same `idempotency_key`. Filters of the methods apply within the scope.
        `metadata` of the constructor, without `scoped()`, is a label of what is written, and hides
        nothing.

        A call takes as many requests as without a scope. Closing the store that is returned leaves
        the client open.

        Args:
            metadata: The keys and values, at least one. Each value is a str, a number or a bool;
                numbers and bools match by their text. A scope of a scoped store has the keys of
                both.

        Returns:
            The store.

        Raises:
            ValueError: `metadata` is empty, has a value of None or a list, or contradicts the
                scope of this store.
            TypeError: `metadata` is not a mapping.
            ChatHistoryError: The store was closed.

        Example:
            ```python
            theirs = store.scoped({"user": "u1"})
            await theirs.session("session-1").aadd_messages([HumanMessage("Hello")])
            assert await store.scoped({"user": "u2"}).session("session-1").aget_messages() == []
            ```
        """
        index = self._open_index()
        scope = index.scope.narrowed(metadata)
        return self._of(self, index.scoped(scope), self._connection.shared())

    async def alist_sessions(
        self,
        *,
        order: SessionOrder = "recent",
        limit: int = 100,
        after: SessionSummary | str | None = None,
        prefix: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> list[SessionSummary]:
        """Return a page of the sessions, each with its count, times, first and last message.

        Filters apply to messages: with `metadata`, or the `ttl` of the store, a session is listed
        if any of its messages match, and its summary counts these only. Counts and order are exact
        on any number of shards.

        All sessions can be listed page by page. In the order `"id"`, one that exists all the time
        is listed exactly once, whatever is written meanwhile. In the order `"recent"`, a session
        that gets a message meanwhile moves to the front and is not repeated; one that loses its
        last message moves back, and may be repeated. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/collapse-search-results and
        https://www.elastic.co/docs/reference/aggregations/search-aggregations-bucket-composite-aggregation

        Args:
            order: `"recent"` sorts by the time of the last message, newest first, and then by id;
                `"id"` by the code points of the ids.
            limit: How many sessions to return, 1 to 10,000.
            after: The last session of the previous page, or its `cursor`, from a call with the
                same other arguments; None starts with the first session.
            prefix: The prefix of the ids of the sessions.
            metadata: The metadata of the messages. A list matches any of its values; None matches
                messages without the key.

        Returns:
            The sessions; an empty list after the last one, and if the index does not exist. If
            the first or last document of a session cannot be read as a message, `first_message` or
            `last_message` is None, and a line is logged.

        Raises:
            ValueError: `order`, `limit` or `metadata` has an unusable value, or `after` is no
                cursor of this method.
            TypeError: An argument is of the wrong type.

        Example:
            ```python
            page = await store.alist_sessions(limit=50)
            while page:
                for summary in page:
                    print(summary.session_id, summary.message_count, summary.last_at)
                page = await store.alist_sessions(limit=50, after=page[-1].cursor)
            ```
        """
        checked = checked_order(order)
        most = checked_page_limit(limit)
        behind = checked_after(after)
        with self._open("Could not list sessions in Elasticsearch") as index:
            filters = message_filters(ttl=self._options.ttl, prefix=prefix, metadata=metadata)
            return await AsyncSessionListing(index, filters, prefix=prefix).page(
                checked, most, behind
            )

    async def acount_sessions(
        self, *, prefix: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Return the number of sessions; messages that `ttl` hides do not count.

        It visits all messages that match, with two requests for each 10,000 sessions.

        Args:
            prefix: The prefix of the ids of the sessions.
            metadata: The metadata of the messages, as for `alist_sessions()`; a session counts if
                any of its messages match.

        Returns:
            The exact number; 0 if the index does not exist.

        Raises:
            ValueError: `metadata` has an unusable value.
            TypeError: An argument is of the wrong type.

        Example:
            ```python
            assert await store.acount_sessions() == 1
            ```
        """
        with self._open("Could not count in Elasticsearch") as index:
            filters = message_filters(ttl=self._options.ttl, prefix=prefix, metadata=metadata)
            return await AsyncSessionListing(index, filters, prefix=prefix).count_sessions()

    async def acount_messages(
        self, *, session_id: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Return the number of messages, without those that `ttl` hides.

        Args:
            session_id: The session to count in; None counts in all.
            metadata: The metadata of the messages, as for `alist_sessions()`.

        Returns:
            The exact number; 0 if the index does not exist.

        Raises:
            ValueError: An argument has an unusable value.
            TypeError: An argument is of the wrong type.

        Example:
            ```python
            assert await store.acount_messages(session_id="s") == 2
            ```
        """
        ids = None if session_id is None else [session_id]
        with self._open("Could not count in Elasticsearch") as index:
            filters = message_filters(ttl=self._options.ttl, session_ids=ids, metadata=metadata)
            return await AsyncSessionListing(index, filters).count_messages()

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
        after: SearchHit | str | None = None,
        per_session: bool = False,
        operator: SearchOperator = "or",
        fuzzy: bool = False,
        mode: SearchMode = "text",
    ) -> list[SearchHit]:
        """Return the messages that match a text, best matches first.

        Any text is a valid query: the only syntax is quotes around phrases. Of messages with the
        same score, the newer one comes first. Messages older than the `ttl` of the store are not
        found. A document that cannot be read as a message is left out, with a warning in the log.

        By words, messages are ranked with BM25:
        https://www.elastic.co/docs/reference/elasticsearch/index-settings/similarity
        By meaning, they are ranked by the similarity of their vectors to that of the text (kNN):
        https://www.elastic.co/docs/solutions/search/vector/knn

        Messages that langchain-elasticsearch wrote are searched by words in their JSON until
        `abackfill()` completes them. Until then their matches are approximate: names of JSON
        fields match like words, a word after a line break does not match, `types` is applied
        after the best `limit` are found, nothing is highlighted, and nothing is found by meaning.

        With `after`, a search continues page by page, each of as many requests as the first. As
        long as the index does not change, each hit comes exactly once, on any number of shards. No
        point in time is kept between two pages. Where messages are written or removed meanwhile, a
        page goes on after the last hit, wherever that is now; hits that move past it may be left
        out or repeated, and where that hit itself was removed, those whose scores are near to its
        own. By words, pages go to any depth: beyond the first 10,000 hits they go on after the
        score of the last one, which each write to the index may change. By meaning, by both, and
        with `per_session`, the best 10,000 can be paged through; the search for neighbours is
        approximate, and needs a model that gives the same vector for the same text. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results

        Args:
            query: The text. "Words in quotes" match as a phrase. Only the first 200 words within
                4,000 characters are used; each character of Chinese, Japanese, Korean or Thai
                counts as a word. A text without words finds nothing.
            session_id: The only session to search; None searches all.
            types: The types of messages to find, such as `["human", "ai"]`; None finds all.
            since: The time from which messages are found, with its time zone.
            until: The time before which messages are found, with its time zone.
            metadata: The keys and values that messages must have. A list matches any of its
                values; None matches messages without the key.
            limit: The maximum number of messages to return, 1 to 10,000.
            after: The last hit of the previous page, or its `cursor`, from a call with the same
                other arguments but `limit`; None starts with the best hit.
            per_session: Whether to return only the best message of each session.
            operator: `"or"` finds messages with any of the words or phrases, `"and"` those with
                all of them.
            fuzzy: Whether words that differ by one letter (three to five letters) or two (longer
                ones) match too; phrases stay exact. Only the first 50 words are used. See
                https://www.elastic.co/docs/reference/elasticsearch/rest-apis/common-options
            mode: `"text"` finds words, `"semantic"` meaning, with the `embeddings` of the store;
                filters apply to both, `operator` and `fuzzy` to words only. `"hybrid"` combines
                both rankings by reciprocal rank fusion.

        Returns:
            The hits with their scores, and highlights from the first 100,000 characters of a text;
            an empty list if nothing matches, after the last hit, and if the index does not exist.

        Raises:
            ChatHistoryError: The page comes after the best 10,000 hits, and the search is not one
                by words, or has `per_session`.
            ValueError: An argument has an unusable value, `after` is no cursor of this search, or
                `mode` needs `embeddings`, and the store has none.
            TypeError: An argument is of the wrong type.
            ApiError: Elasticsearch refused the request, for example because the vectors in the
                index have other dimensions than those of the model.
            Exception: An error of the embedding model is passed on.

        Example:
            ```python
            for hit in await store.asearch('hello "good morning"', types=["human"], limit=5):
                for highlight in hit.highlights:
                    matches = [highlight.text[start:end] for start, end in highlight.ranges]
                    print(hit.session_id, hit.score, matches)
            ```
        """
        with self._open("Could not search messages in Elasticsearch") as index:
            request = search_request(
                query,
                index=index.name,
                scope=index.scope,
                session_id=session_id,
                types=types,
                since=since,
                until=until,
                ttl=self._options.ttl,
                metadata=metadata,
                limit=limit,
                after=after,
                per_session=per_session,
                operator=operator,
                fuzzy=fuzzy,
                mode=mode,
                has_embeddings=self._embeddings is not None,
            )
            routing = None if session_id is None else index.routing_of(session_id)
            return await AsyncSearcher(index, request, self._embeddings, routing=routing).hits()

    def as_retriever(
        self, *, metadata: Mapping[str, Any] | None = None, **options: Unpack[RetrieverOptions]
    ) -> AsyncElasticsearchChatRetriever:
        """Return a LangChain retriever that finds messages of this store.

        Args:
            metadata: The keys and values that messages must have.
            options: Other options of `asearch()`: `session_id`, `types`, `since`, `until`,
                `limit`, `per_session`, `operator`, `fuzzy`, `mode`; and the `name` and `tags` of a
                LangChain retriever. A query can override each option of the search, as in
                `ainvoke(query, limit=3)`.

        Returns:
            The retriever.

        Raises:
            ValueError: An option has an unusable value, or there is no such option.
            TypeError: An option is of the wrong type.

        Example:
            ```python
            retriever = store.as_retriever(session_id="s", limit=3)
            for document in await retriever.ainvoke("hello"):
                print(document.page_content)
            ```
        """
        return AsyncElasticsearchChatRetriever(store=self, message_metadata=metadata, **options)

    async def adelete_sessions(
        self,
        session_ids: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """Remove the messages of these sessions, or with this metadata, from the index.

        If both are given, a message is removed if it matches both. All messages are removed that
        are stored when the call starts, including those that `ttl` hides; what is written
        meanwhile may stay, and without the maintenance privilege what is not visible yet. See
        https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

        Args:
            session_ids: The sessions; an empty list removes nothing.
            metadata: The metadata of the messages, such as a user whose data must be deleted. A
                list matches any of its values. None is refused as a value: a failed look-up would
                remove all messages without this key.

        Returns:
            How many messages Elasticsearch reported as removed. If a connection was lost and the
            request was retried, more may have been removed.

        Raises:
            ValueError: Neither is given, or an argument has an unusable value.
            TypeError: An argument is of the wrong type, such as one id in place of a list.
            ChatHistoryError: Others kept changing some of the messages; these may be left.

        Example:
            ```python
            removed = await store.adelete_sessions(["session-1", "session-2"])
            removed += await store.adelete_sessions(metadata={"user": "u1"})
            ```
        """
        ids = checked_session_ids(session_ids)
        matching = metadata_filters(metadata, deleting=True)
        if ids is None and not matching:
            raise ValueError(
                "adelete_sessions needs to know what to delete: give session_ids, or metadata "
                "that is not empty"
            )
        if ids is None:
            return await self._delete([matching])
        return await self._delete(
            [*session_filters(portion), *matching] for portion in portions_of(ids)
        )

    async def aset_metadata(self, session_ids: Iterable[str], metadata: Mapping[str, Any]) -> int:
        """Label all messages of some sessions, also those that langchain-elasticsearch wrote.

        So sessions from before a service had users get their user, and can be found, scoped and
        deleted by it. Each message changes where it is, whatever others write meanwhile; what is
        added meanwhile may stay as it is. If the call is interrupted, call it again: messages that
        have the metadata already do not change.

        Args:
            session_ids: The sessions.
            metadata: The keys and values to set, at every depth; other keys stay. A value of None
                removes its key.

        Returns:
            How many messages changed.

        Raises:
            ValueError: `metadata` is empty, more than the index can hold, or changes a key of the
                scope of the store.
            TypeError: An argument is of the wrong type.
            ChatHistoryError: The index keeps no metadata, or some messages could not be changed;
                the error says how many, and why.

        Example:
            ```python
            changed = await store.aset_metadata(["session-1"], {"user": "u1", "draft": None})
            ```
        """
        ids = checked_session_ids(checked_list("session_ids", "session ids", session_ids))
        label = checked_metadata(metadata)
        if not label:
            raise ValueError("metadata must have at least one key to set or to remove")
        with self._open("Could not label messages in Elasticsearch") as index:
            index.scope.check_label(label)
            portions = (session_filters(portion) for portion in portions_of(ids or []))
            return await AsyncLabelling(index, label).run(portions)

    async def aprune(
        self, older_than: timedelta | datetime, *, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Remove old messages from the index; newer ones of the same sessions stay.

        See https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

        Args:
            older_than: The age from which messages are removed, or the time before which they
                were stored, with its time zone.
            metadata: The metadata of the messages, as for `adelete_sessions()`; None or an empty
                mapping removes all that are old enough.

        Returns:
            How many messages Elasticsearch reported as removed. If a connection was lost and the
            request was retried, more may have been removed.

        Raises:
            ValueError: `older_than` is zero or less, or a time without a zone.
            TypeError: An argument is of the wrong type.
            ChatHistoryError: Others kept changing some of the messages; these may be left.

        Example:
            ```python
            from datetime import timedelta

            removed = await store.aprune(timedelta(days=90))
            ```
        """
        return await self._delete(
            [[*age_filters(older_than), *metadata_filters(metadata, deleting=True)]]
        )

    def aexport(
        self,
        *,
        session_ids: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        batch_size: int = PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield all messages as records of plain JSON values, sorted by session and order.

        A record has the keys `id`, `session_id`, `created_at` (ISO 8601 in UTC), `seq` (the place
        in the order, None if langchain-elasticsearch wrote the message), `message` (as
        `langchain_core.messages.message_to_dict` returns it) and `metadata`. If a message cannot
        be read, its record has the stored text as `history` instead of `message`. A year beyond
        9999, from a broken clock, is given as a number of milliseconds.

        All come from one point in time, and only `batch_size` of them are in memory at once; `ttl`
        does not apply. The point in time expires if a batch takes longer than five minutes. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results

        Args:
            session_ids: The sessions to export; None exports all.
            metadata: The keys and values that messages must have. A list matches any of its
                values; None matches messages without the key.
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            A generator of the records; it yields nothing if the index does not exist.

        Raises:
            ValueError: An argument has an unusable value.
            TypeError: An argument is of the wrong type.

        Example:
            ```python
            import json
            import tempfile

            with tempfile.TemporaryFile("w") as file:
                async for record in store.aexport():
                    print(json.dumps(record), file=file)
            ```
        """
        index = self._open_index()
        filters = message_filters(session_ids=session_ids, metadata=metadata)
        size = min(checked_count("batch_size", batch_size), MAX_HITS)
        return exported_records(index, filters, size)

    async def aimport(
        self, records: AsyncAnyIterable[Mapping[str, Any] | str | bytes]
    ) -> ImportResult:
        """Store exported records under their own ids, with their times, order and metadata.

        To continue an import that was interrupted, repeat it with the same records: what is
        stored already stays as it is. Only a few thousand records are in memory at once. Unless
        the store has `refresh=False`, one refresh at the end makes them visible. Without the
        maintenance privilege they are visible after the next refresh of the index.

        Args:
            records: An iterable of records, or of lines of JSON, such as an open file or the
                `aexport()` of another store. Blank lines are skipped. Records of one session and
                time without `seq` keep their order.

        Returns:
            How many messages were stored, and how many were there before; together, all records.
            After a request without an answer, what it held counts as stored, unless the client
            itself sent it again: then it counts as existing.

        Raises:
            ValueError: A record is malformed or incomplete, or the index cannot hold it. The error
                gives its position (from 0), and how many records before it are stored.
            MessagesNotStoredError: Some records are not stored, or it is not known whether they
                are; the error says which of the last few thousand, by their position in
                `records`. All before these are stored.
            TypeError: `records` is a str or a record itself.
            IndexMappingError: The index cannot hold chat history. Nothing is stored.
            ApiError: Elasticsearch refused a request; the last few thousand records are not
                stored.

        Example:
            ```python
            line = (
                '{"id": "m-1", "session_id": "s-1", "created_at": "2026-01-01T00:00:00.000Z", '
                '"message": {"type": "human", "data": {"content": "Hello"}}}'
            )
            result = await store.aimport([line])
            assert (result.stored, result.existing) == (1, 0)
            ```
        """
        with self._open("Could not import messages into Elasticsearch") as index:
            items = checked_records(records)
            loader = AsyncRecordLoader(
                index,
                self._embeddings,
                refresh=bool(self._options.refresh),
                ensure_ascii=bool(self._options.ensure_ascii),
            )
            return await loader.run(items)

    async def abackfill(self, *, batch_size: int = PAGE_SIZE) -> int:
        """Complete the messages that langchain-elasticsearch wrote.

        They get what it does not store: the text for `asearch()`, the type, and a fixed place in
        the order. The order does not change, and messages can be read and written meanwhile. If
        the store has `embeddings`, all messages with text and without a vector get one. If it is
        interrupted, call it again: it continues with what is incomplete. A document that cannot be
        read stays incomplete; one log line counts these.

        Args:
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            How many messages were completed.

        Raises:
            ChatHistoryError: The index lacks fields that this client may not add, or some
                messages could not be changed; the error says how many, and why.
            IndexMappingError: The index cannot hold chat history.
            ValueError: `batch_size` is below 1.

        Example:
            ```python
            completed = await store.abackfill()
            print(f"{completed} messages can be searched now")
            ```
        """
        with self._open("Could not complete messages in Elasticsearch") as index:
            size = min(checked_count("batch_size", batch_size), MAX_HITS)
            return await AsyncBackfill(index, self._embeddings).run(size)

    async def aclose(self) -> None:
        """Close the store, and its client if the store created it. Closing twice is safe.

        Its histories are closed with it.

        Example:
            ```python
            await store.aclose()
            ```
        """
        await self._connection.aclose()

    async def __aenter__(self) -> Self:
        """Return the store itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.aclose()

    def __repr__(self) -> str:
        """Describe the store without its messages or credentials."""
        return f"{type(self).__name__}(index={self.index!r})"

    @classmethod
    def _of(cls, store: Self, index: AsyncChatIndex, connection: AsyncConnection) -> Self:
        """Return a store like another one over another index object and connection."""
        copied = copy.copy(store)
        cls._bind(copied, index, connection)
        return copied

    def _bind(self, index: AsyncChatIndex, connection: AsyncConnection) -> None:
        self._connection = connection
        self._chat_index = index
        self.index = index.name
        self.client = index.client

    def _open_index(self) -> AsyncChatIndex:
        """Return the index for this store's client, or raise `ChatHistoryError` after closing."""
        if self._connection.closed:
            raise ChatHistoryError(
                f"The chat history in index {self.index!r} was closed; create a new object."
            )
        return self._chat_index

    def _open(self, failure: str) -> Logged[AsyncChatIndex]:
        """Give the index to a `with` block, and log an error of Elasticsearch as `failure`."""
        return Logged(failure, self._open_index())

    async def _delete(self, portions: Iterable[Clauses]) -> int:
        deleted = 0
        with self._open("Could not delete sessions in Elasticsearch") as index:
            for filters in portions:
                deleted += await delete_matching(index, {"bool": {"filter": filters}})
        return deleted
