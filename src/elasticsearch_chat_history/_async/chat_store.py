"""The store of all sessions of an index, whole: each method checks and hands the work on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from elasticsearch_chat_history._async.index.preparing import prepare
from elasticsearch_chat_history._async.index.searching import AsyncSearcher
from elasticsearch_chat_history._async.session.session import AsyncSession
from elasticsearch_chat_history._async.store.backfilling import AsyncBackfill
from elasticsearch_chat_history._async.store.listing import AsyncSessionListing
from elasticsearch_chat_history._async.store.transfer import AsyncRecordLoader, exported_records
from elasticsearch_chat_history._documents.fields import IndexDefinition
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
from elasticsearch_chat_history._reporting import logged
from elasticsearch_chat_history._results import SearchHit, SessionSummary

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncElasticsearchChatStore:
    """All sessions of one index: list, search, forget, copy and complete them.

    Making the object talks to nobody. Its histories share its client and their bulk requests;
    `session()` makes one.

    Methods that send requests also raise the errors of the Elasticsearch client: `ApiError` where
    Elasticsearch refuses a request, `TransportError` where it cannot be reached. See
    https://www.elastic.co/docs/reference/elasticsearch/clients/python

    Args:
        index: The index or alias that holds the messages.
        client: An `AsyncElasticsearch` client. It is used as it is, and not closed. Where it is
            given, the arguments that begin with `es_` are not looked at.
        es_connection: The older name of `client`.
        es_url: The address to connect to, with scheme, host and port.
        es_cloud_id: The Cloud ID to connect to, in place of `es_url`.
        es_user: The user to connect as, together with `es_password`.
        es_api_key: The API key to connect with; it takes precedence over a user's password.
        es_password: The password of `es_user`.
        ensure_ascii: Whether `history` is stored with all other characters than ASCII escaped
            (the default), or as they are.
        esnsure_ascii: The older name of `ensure_ascii`.
        history_size: How many of the last messages a history reads; None reads all.
        ttl: The age from which on messages are no longer returned, listed or found.
        metadata: What to store with each message, such as a tenant; JSON values under str keys.
        refresh: When a write returns: once it is visible to every search (`True`), at once
            (`False`), or with the next refresh of the index (`"wait_for"`). It is stored in each
            case. See https://www.elastic.co/docs/reference/elasticsearch/rest-apis/refresh-parameter
        routing: Whether all messages of a session are kept on one shard, so that reading a session
            asks one shard instead of all. It pays with many shards and short sessions; sessions
            that differ much in size fill the shards unevenly. All writers and readers of an index
            must agree on it: in an index that we make, a writer without it is refused. See
            https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-routing-field
        max_retries: How often a request is tried again when the connection fails or the server
            is overloaded or away (429, 502, 503, 504). The default takes about 30 seconds in all;
            a server that this client has never reached is given up within a few seconds.
        embeddings: A LangChain embedding model. With it a vector is stored with each message that
            has a text, and `asearch()` can search by meaning. Messages are stored without one
            when the model fails; `abackfill()` adds it later. All users of an index should use
            the same model.
        number_of_shards: Of an index that we make, like the four below, which an existing index
            keeps as they are. None leaves each to Elasticsearch and its index templates.
        number_of_replicas: How many copies of each shard there are; Serverless refuses this and
            `number_of_shards`.
        refresh_interval: How often the index is refreshed by itself, such as `"30s"`.
        codec: How stored fields are compressed, such as `"best_compression"`.
        analyzer: How the text of messages is cut into words for searching, such as `"english"` or
            `"cjk"`. See https://www.elastic.co/docs/reference/text-analysis/analyzer-reference

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
        self.index = checked_index(index)
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
        self._connection = AsyncConnection(
            self.index,
            either("client", client, "es_connection", es_connection),
            es_url=es_url,
            es_cloud_id=es_cloud_id,
            es_user=es_user,
            es_api_key=es_api_key,
            es_password=es_password,
        )
        self.client = self._connection.client
        self._chat_index = AsyncChatIndex(
            self.client, self.index, definition, max_retries=max_retries
        )

    async def create_if_missing(self) -> None:
        """Make the index, or check an existing one and add the fields that it lacks.

        Writing does this by itself. Each process looks at an index once, with one request.

        Raises:
            IndexMappingError: A field has a type with which sessions cannot be told apart or
                ordered, such as a `session_id` that is analysed text.
            ApiError: Elasticsearch refused, for example an unknown analyzer or codec.

        Example:
            ```python
            await store.create_if_missing()
            ```
        """
        with self._open("Could not create the index in Elasticsearch") as index:
            await prepare(index)

    def session(
        self, session_id: str, **options: Unpack[SessionOverrides]
    ) -> AsyncElasticsearchChatMessageHistory:
        """Return the history of one session, which shares this store's client.

        The function itself is what `RunnableWithMessageHistory` takes.

        Args:
            session_id: The key of the session, up to 32,766 bytes of UTF-8.
            options: Those of the store to replace for this history: `ensure_ascii`,
                `history_size`, `ttl`, `refresh`, `max_retries`; and `metadata` to add to that of
                the store.

        Returns:
            The history. Closing it leaves the client open.

        Raises:
            ValueError: An option or the id has an unusable value.
            TypeError: It is of the wrong type, or there is no such option.
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

    async def alist_sessions(
        self,
        *,
        order: SessionOrder = "recent",
        limit: int = 100,
        after: SessionSummary | None = None,
        prefix: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> list[SessionSummary]:
        """Return a page of the sessions, each with its count, times and last message.

        Filters are on messages: with `metadata`, or the `ttl` of the store, a session is listed if
        any of its messages match, and its summary tells of these only. Counts and order are exact
        on any number of shards.

        By id, all sessions can be listed page by page, and one that is there all the time comes
        exactly once, whoever writes meanwhile. By their last messages, the 10,000 most recent can
        be listed. One that gets a message meanwhile moves to the front and is not repeated; one
        that loses its last message moves back, and may come again. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/collapse-search-results and
        https://www.elastic.co/docs/reference/aggregations/search-aggregations-bucket-composite-aggregation

        Args:
            order: `"recent"` has the session with the newest last message first, and those of one
                millisecond by id; `"id"` goes by the code points of the ids.
            limit: How many sessions to return, 1 to 10,000.
            after: The last session of the page before, from a call with the same other arguments;
                None begins at the first.
            prefix: What the ids of the sessions begin with.
            metadata: What the messages were stored with. A list means any of its values, None
                that there is no such key.

        Returns:
            The sessions; an empty list behind the last one, and where the index does not exist.

        Raises:
            ChatHistoryError: The page lies behind the 10,000 most recent sessions.
            UnreadableMessageError: The last document of a session does not hold a message.
            ValueError: `order`, `limit` or `metadata` has an unusable value.
            TypeError: An argument is of the wrong type.

        Example:
            ```python
            page = await store.alist_sessions(limit=50)
            while page:
                for summary in page:
                    print(summary.session_id, summary.message_count, summary.last_at)
                page = await store.alist_sessions(limit=50, after=page[-1])
            ```
        """
        checked = checked_order(order)
        most = checked_page_limit(limit)
        behind = checked_after(after)
        with self._open("Could not list sessions in Elasticsearch") as index:
            filters = message_filters(ttl=self._options.ttl, prefix=prefix, metadata=metadata)
            return await AsyncSessionListing(index, filters).page(checked, most, behind)

    async def acount_sessions(
        self, *, prefix: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Return how many sessions have messages, without those that `ttl` hides.

        They are counted one by one, 10,000 with each request.

        Args:
            prefix: What the ids of the sessions begin with.
            metadata: What the messages were stored with, as for `alist_sessions()`; a session
                counts if any of its messages match.

        Returns:
            Their exact number; 0 where the index does not exist.

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
            return await AsyncSessionListing(index, filters).count_sessions()

    async def acount_messages(
        self, *, session_id: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Return how many messages there are, without those that `ttl` hides.

        Args:
            session_id: The session to count in; None counts in all.
            metadata: What the messages were stored with, as for `alist_sessions()`.

        Returns:
            Their exact number; 0 where the index does not exist.

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
        with self._open("Could not search messages in Elasticsearch") as index:
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
            return await AsyncSearcher(index, request, self._embeddings, routing=routing).hits()

    def as_retriever(
        self, *, metadata: Mapping[str, Any] | None = None, **options: Unpack[RetrieverOptions]
    ) -> AsyncElasticsearchChatRetriever:
        """Return a LangChain retriever that finds messages of this store.

        Args:
            metadata: The keys and values that messages must have.
            options: Other options of `asearch()` to search with: `session_id`, `types`, `since`,
                `until`, `limit`, `per_session`, `operator`, `fuzzy`, `mode`. Each can be given
                again with a query, as in `ainvoke(query, limit=3)`.

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

        Where both are given, a message goes that matches both. All go that are stored when the
        call begins, also those that `ttl` hides; what is written meanwhile may stay. See
        https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

        Args:
            session_ids: The sessions; an empty list removes nothing.
            metadata: What the messages were stored with, such as a user who wants to be forgotten.
                A list means any of its values, None that there is no such key.

        Returns:
            How many messages Elasticsearch said it removed. Where a connection was lost and the
            request sent again, it may be fewer than went.

        Raises:
            ValueError: Nothing says what to remove, or an argument has an unusable value.
            TypeError: An argument is of the wrong type, such as one id in place of a list.
            ChatHistoryError: Others changed some of the messages all the time; these may be left.

        Example:
            ```python
            removed = await store.adelete_sessions(["session-1", "session-2"])
            removed += await store.adelete_sessions(metadata={"user": "u1"})
            ```
        """
        ids = checked_session_ids(session_ids)
        matching = metadata_filters(metadata)
        if ids is None and not matching:
            raise ValueError(
                "adelete_sessions must be told what to delete: name session_ids, or metadata that "
                "is not empty"
            )
        if ids is None:
            return await self._delete([matching])
        return await self._delete(
            [*session_filters(portion), *matching] for portion in portions_of(ids)
        )

    async def aprune(
        self, older_than: timedelta | datetime, *, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Remove old messages from the index; newer ones of the same sessions stay.

        See https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

        Args:
            older_than: Messages go that were stored longer ago than this, or before this time,
                which needs a time zone.
            metadata: What the messages that go were stored with; None or an empty mapping lets
                all go that are old enough.

        Returns:
            How many messages Elasticsearch said it removed. Where a connection was lost and the
            request sent again, it may be fewer than went.

        Raises:
            ValueError: `older_than` is zero or less, or a time without a zone.
            TypeError: An argument is of the wrong type.
            ChatHistoryError: Others changed some of the messages all the time; these may be left.

        Example:
            ```python
            from datetime import timedelta

            removed = await store.aprune(timedelta(days=90))
            ```
        """
        return await self._delete([[*age_filters(older_than), *metadata_filters(metadata)]])

    def aexport(
        self,
        *,
        session_ids: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        batch_size: int = PAGE_SIZE,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yield all messages as records of plain JSON values, sorted by session and order.

        A record has the keys `id`, `session_id`, `created_at` (ISO 8601 in UTC), `seq` (the place
        in the order, None where langchain-elasticsearch wrote the message), `message` (as
        `langchain_core.messages.message_to_dict` gives it) and `metadata`. A message that cannot
        be read does not end a backup: its record has the stored text as `history` in place of
        `message`. A year beyond 9999, from a broken clock, is given as a number of milliseconds.

        All come from one consistent snapshot, a point in time, and only `batch_size` of them are
        in memory at once; `ttl` does not apply. Take no longer than five minutes for each batch:
        then Elasticsearch forgets the snapshot. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results

        Args:
            session_ids: The sessions to export; None exports all.
            metadata: What the messages must have: for each key the value, or a list of which one
                is enough.
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            A generator of the records; it yields nothing where the index does not exist.

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

    async def aimport(self, records: AsyncAnyIterable[Mapping[str, Any] | str | bytes]) -> int:
        """Store exported records under their own ids, with their times, order and metadata.

        An import that was interrupted is simply repeated with the same records: what is stored
        already is left as it is. Only some thousand records are in memory at once. Unless the
        store has `refresh=False`, one refresh at the end makes them visible; it takes the
        maintenance privilege, without which they are visible with the next one.

        Args:
            records: An iterable of records, or of lines of JSON, such as an open file or the
                `aexport()` of another store. Blank lines are skipped. Records of one session and
                time that have no `seq` keep their order.

        Returns:
            How many records are stored.

        Raises:
            ValueError: A record is not one, lacks something, or holds more than the index can.
                Its position (from 0) is told, and how many before it are stored.
            MessagesNotStoredError: Some records are not stored, or it is not known whether they
                are; it tells which of the last few thousand, by their position in `records`.
                Those before are stored.
            TypeError: `records` is a text or a record itself.
            IndexMappingError: The index cannot hold chat history. Nothing is stored.
            ApiError: Elasticsearch refused; the last few thousand records are not stored.

        Example:
            ```python
            line = (
                '{"id": "m-1", "session_id": "s-1", "created_at": "2026-01-01T00:00:00.000Z", '
                '"message": {"type": "human", "data": {"content": "Hello"}}}'
            )
            assert await store.aimport([line]) == 1
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

        They get what it does not store: the text for `asearch()`, their type, and a fixed place
        in the order. Their order does not change, and messages may be read and written meanwhile.
        Where the store has `embeddings`, all messages that have a text and no vector get one.
        When it is interrupted, call it again: what is complete is not looked at any more. A
        document that cannot be read stays incomplete; one line of the log counts these.

        Args:
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            How many messages were completed.

        Raises:
            ChatHistoryError: The index lacks fields that this client must not add, or some
                messages could not be changed; it says how many, and why.
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
        """Close the store, and its client if the store made it. Closing twice does nothing.

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

    def _open_index(self) -> AsyncChatIndex:
        """Return the index as this store's client sees it; a `ChatHistoryError` after closing."""
        if self._connection.closed:
            raise ChatHistoryError(
                f"The chat history in index {self.index!r} was closed; make a new object to go on."
            )
        return self._chat_index

    @contextmanager
    def _open(self, failure: str) -> Iterator[AsyncChatIndex]:
        """Give the index to a block, and log an error of Elasticsearch's as `failure`."""
        index = self._open_index()
        with logged(failure):
            yield index

    async def _delete(self, portions: Iterable[Clauses]) -> int:
        deleted = 0
        with self._open("Could not delete sessions in Elasticsearch") as index:
            for filters in portions:
                deleted += await delete_matching(index, {"bool": {"filter": filters}})
        return deleted
