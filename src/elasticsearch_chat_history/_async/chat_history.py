"""The history of one session: each method checks its arguments and calls what does the work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from elasticsearch import AsyncElasticsearch
from langchain_core.messages import BaseMessage

from elasticsearch_chat_history._arguments import (
    Refresh,
    checked_count,
    checked_index,
    checked_limit,
    checked_message_ids,
    checked_messages,
    checked_new_session_id,
    checked_text,
    either,
)
from elasticsearch_chat_history._async.index.client import AsyncConnection
from elasticsearch_chat_history._async.index.index import AsyncChatIndex
from elasticsearch_chat_history._async.index.preparing import prepare_now
from elasticsearch_chat_history._async.index.searching import AsyncSearcher
from elasticsearch_chat_history._async.session import adding, editing, forking, reading
from elasticsearch_chat_history._async.session.session import AsyncSession
from elasticsearch_chat_history._documents.fields import IndexDefinition
from elasticsearch_chat_history._documents.keys import checked_keys
from elasticsearch_chat_history._documents.metadata import checked_metadata
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._langchain import AsyncHistoryInterface
from elasticsearch_chat_history._options import DEFAULT_MAX_RETRIES, SessionOptions
from elasticsearch_chat_history._queries.filters import checked_types, with_chunks
from elasticsearch_chat_history._queries.search_request import (
    SearchMode,
    SearchOperator,
    search_request,
)
from elasticsearch_chat_history._queries.selection import MAX_HITS, PAGE_SIZE
from elasticsearch_chat_history._reporting import Logged
from elasticsearch_chat_history._results import SearchHit, StoredMessage, StoreResult

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncElasticsearchChatMessageHistory(AsyncHistoryInterface):
    """Chat message history of one session, kept in Elasticsearch.

    Creating the object sends no request, and reading never changes anything. Before the first
    write the index is created, or an existing one is checked and completed. Objects are cheap, and
    all that use one client share bulk requests: create one for each session or request.

    Methods that send requests also raise the errors of the Elasticsearch client: `ApiError` where
    Elasticsearch refuses a request, `TransportError` where it cannot be reached. See
    https://www.elastic.co/docs/reference/elasticsearch/clients/python

    Args:
        index: The index or alias that holds the messages.
        session_id: The key of the session, up to 32,766 bytes of UTF-8.
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
        history_size: How many of the last messages are read; None reads all.
        ttl: The age from which messages are no longer returned.
        metadata: A label to store with each message, such as a user id; JSON values under str
            keys. It hides no messages of others: `scoped()` of a store does.
        refresh: When a write returns: once it is visible to every search (`True`), at once
            (`False`), or with the next refresh of the index (`"wait_for"`). It is stored in any
            case. See https://www.elastic.co/docs/reference/elasticsearch/rest-apis/refresh-parameter
        routing: Whether all messages of a session are stored on one shard. All writers and readers
            of an index must use the same value.
        max_retries: How often a request is retried when the connection fails or the server is
            overloaded or unavailable (429, 502, 503, 504). The default allows about 30 seconds in
            all. If this client has never reached the server, it gives up after a few seconds.

    Raises:
        ValueError: An argument has an unusable value, or two of them contradict each other.
        TypeError: An argument is of the wrong type, such as a client of the other kind.

    Example:
        ```python
        from langchain_core.messages import AIMessage, HumanMessage
        from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory

        async with AsyncElasticsearchChatMessageHistory(
            "chats", "session-1", es_url="http://localhost:9200"
        ) as history:
            await history.aadd_messages([HumanMessage("Hello"), AIMessage("Hi!")])
            messages = await history.aget_messages()
        ```
    """

    def __init__(
        self,
        index: str,
        session_id: str,
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
    ) -> None:
        checked = checked_new_session_id(session_id)
        options = SessionOptions(
            ensure_ascii=either("ensure_ascii", ensure_ascii, "esnsure_ascii", esnsure_ascii),
            history_size=history_size,
            ttl=ttl,
            metadata=metadata,
            refresh=refresh,
            max_retries=max_retries,
        )
        name = checked_index(index)
        connection = AsyncConnection(
            name,
            either("client", client, "es_connection", es_connection),
            es_url=es_url,
            es_cloud_id=es_cloud_id,
            es_user=es_user,
            es_api_key=es_api_key,
            es_password=es_password,
        )
        definition = IndexDefinition(routing=bool(routing))
        chat_index = AsyncChatIndex(
            connection.client, name, definition, max_retries=options.max_retries
        )
        session = AsyncSession(chat_index, checked, options)
        self._bind(session, connection, owns_connection=True)

    async def create_if_missing(self) -> None:
        """Create the index, or check an existing one and add the fields that it lacks.

        A write does this by itself, once in each process. A call of this method always looks, with
        two requests.

        Raises:
            IndexMappingError: With a type or parameter of the mapping, messages would be lost,
                mixed up or out of order, such as with a `session_id` of the type `text`.

        Example:
            ```python
            await history.create_if_missing()
            ```
        """
        with self._open("Could not create the index in Elasticsearch") as session:
            await prepare_now(session.index)

    async def aget_messages(self, *, limit: int | None = None) -> list[BaseMessage]:
        """Return the messages of the session, oldest first.

        A session of up to 1,000 messages takes one request; a longer one is read from a point in
        time, so that no message appears twice or is missed while others write. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results

        Args:
            limit: How many of the last messages to return, at least 1; None means
                `history_size`. Tool and function results at the start of a list that `limit` or
                `ttl` has cut are left out, because model providers reject results without their
                call.

        Returns:
            The messages; an empty list if the session or the index does not exist.

        Raises:
            UnreadableMessageError: A document cannot be read as a message.
            ValueError: `limit` is below 1.

        Example:
            ```python
            last_turn = await history.aget_messages(limit=2)
            ```
        """
        with self._open("Could not retrieve messages from Elasticsearch") as session:
            shown = checked_limit("limit", limit) or session.options.history_size
            return await reading.messages(session, shown)

    def aiter_messages(
        self, *, batch_size: int = PAGE_SIZE
    ) -> AsyncGenerator[StoredMessage, None]:
        """Yield the messages of the session one by one, oldest first.

        All come from one point in time, and only `batch_size` of them are in memory at once.
        `history_size` does not apply. The point in time expires if a batch takes longer than five
        minutes.

        Args:
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            A generator of the messages with their ids, times and metadata.

        Raises:
            UnreadableMessageError: A document cannot be read as a message.
            ValueError: `batch_size` is below 1.

        Example:
            ```python
            async for stored in history.aiter_messages():
                print(stored.created_at, stored.message.content)
            ```
        """
        session = self._open_session()
        size = min(checked_count("batch_size", batch_size), MAX_HITS)
        return reading.stored_messages(session, size)

    async def aget_stored_messages(
        self,
        *,
        limit: int | None = None,
        before: str | None = None,
        types: Sequence[str] | None = None,
    ) -> list[StoredMessage]:
        """Return messages with their ids, times and metadata, oldest first.

        It is made for a page that scrolls up: unlike `aget_messages()`, it returns exactly `limit`
        messages as long as there are so many, also if the first is the result of a tool. A page
        with up to 20,000 messages of these types before its end takes one request, whatever comes
        after it; with more, usually one or two more, to find the time from which to search. It
        takes another for a `before` whose id this package did not make, and for more messages
        where a document does not have its type in a field.

        Args:
            limit: How many messages to return, at least 1; None returns the last `history_size` of
                the history, or all.
            before: The `id` of the `StoredMessage` before which the page ends, such as that of the
                first message of the page before; None ends with the last message. The `id` of a
                LangChain message is another one.
            types: The types of messages to return, such as `["human", "ai"]`; None returns all.

        Returns:
            The messages; those older than `ttl` are left out.

        Raises:
            UnreadableMessageError: A document cannot be read as a message.
            ValueError: `limit` is below 1, a type is unknown, or no message of the session has the
                id `before`.

        Example:
            ```python
            page = await history.aget_stored_messages(limit=50, types=["human", "ai"])
            if page:
                earlier = await history.aget_stored_messages(limit=50, before=page[0].id)
            ```
        """
        with self._open("Could not retrieve messages from Elasticsearch") as session:
            shown = checked_limit("limit", limit) or session.options.history_size
            if before is not None:
                checked_text("before", before)
            kinds = with_chunks(checked_types(types))
            return await reading.stored_page(session, shown, before, kinds)

    async def asearch(
        self,
        query: str,
        *,
        types: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int = 10,
        after: SearchHit | str | None = None,
        operator: SearchOperator = "or",
        fuzzy: bool = False,
        mode: SearchMode = "text",
    ) -> list[SearchHit]:
        """Return the messages of the session that match a text, best matches first.

        This works like `asearch()` of a store, which has more details, in this session only.
        Messages older than the `ttl` of the history are not found; `history_size` does not apply.

        Args:
            query: The text. "Words in quotes" match as a phrase. A text without words finds
                nothing.
            types: The types of messages to find, such as `["human", "ai"]`; None finds all.
            since: The time from which messages are found, with its time zone.
            until: The time before which messages are found, with its time zone.
            metadata: The keys and values that messages must have. A list matches any of its
                values; None matches messages without the key.
            limit: The maximum number of messages to return, 1 to 10,000.
            after: The last hit of the previous page, or its `cursor`, from a call with the same
                other arguments but `limit`; None starts with the best hit.
            operator: `"or"` finds messages with any of the words or phrases, `"and"` those with
                all of them.
            fuzzy: Whether words that differ by one or two letters match too; phrases stay exact.
            mode: `"text"` finds words, `"semantic"` meaning, `"hybrid"` both. The latter two need
                a history of a store with `embeddings`.

        Returns:
            The hits with their scores and highlights; an empty list if nothing matches, after the
            last hit, and if the index does not exist.

        Raises:
            ChatHistoryError: The page comes after the best 10,000 hits, and the search is not one
                by words.
            ValueError: An argument has an unusable value, `after` is no cursor of this search, or
                `mode` needs `embeddings`, and the history has none.
            TypeError: An argument is of the wrong type.
            Exception: An error of the embedding model is passed on.

        Example:
            ```python
            page = await history.asearch("hello", limit=3)
            while page:
                for hit in page:
                    print(hit.score, hit.stored.message.content)
                page = await history.asearch("hello", limit=3, after=page[-1])
            ```
        """
        with self._open("Could not search messages in Elasticsearch") as session:
            request = search_request(
                query,
                index=session.index.name,
                scope=session.index.scope,
                session_id=session.id,
                types=types,
                since=since,
                until=until,
                ttl=session.options.ttl,
                metadata=metadata,
                limit=limit,
                after=after,
                operator=operator,
                fuzzy=fuzzy,
                mode=mode,
                has_embeddings=session.embeddings is not None,
            )
            searcher = AsyncSearcher(
                session.index, request, session.embeddings, routing=session.routing
            )
            return await searcher.hits()

    async def aadd_message(self, message: BaseMessage) -> None:
        """Store one message.

        Args:
            message: The message.

        Raises:
            MessagesNotStoredError: The message is not stored, or the response was lost.
            TypeError: It is not a message, or has a value that cannot be written as JSON.
            ApiError: Elasticsearch refused the request. The message is not stored.

        Example:
            ```python
            await history.aadd_message(HumanMessage("What is a shard?"))
            ```
        """
        await self.aadd_messages([message])

    async def aadd_messages(
        self,
        messages: Sequence[BaseMessage],
        *,
        idempotency_key: str | None = None,
        message_keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Store messages in their order, after all that this process has read or written.

        They are sent in one bulk request, together with those of concurrent callers. Lists of more
        than 2,000 messages or 4 MB take several requests. When the method returns, all messages
        are stored, and with `refresh=True` visible. Each message gets its id before the first
        attempt, so that no retry stores it twice. See
        https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

        A history of a store with `embeddings` first asks the model for a vector of each text. If
        the model fails, or the index refuses the vector, the message is stored without it.

        Args:
            messages: The messages; an empty list sends nothing.
            idempotency_key: A name of this call, such as the id of a job or request. If the same
                call is made again with the same key, from any process, only what is missing is
                stored, in the place that the first call would have given it.
            message_keys: A name for each message, such as its id in an agent's state. A message is
                stored once under its name in a session, by whatever call and process; one that is
                there stays as it is. The messages of the call come in its order.
            metadata: What to store with these messages in addition to the `metadata` of the
                history. For a key in both, this value takes precedence.

        Raises:
            MessagesNotStoredError: Some messages are not stored, or it is not known whether they
                are; the error says which, and why.
            TypeError: Something in the list is not a message, or has a value that cannot be
                written as JSON. Nothing is stored.
            ValueError: `metadata`, `idempotency_key` or `message_keys` has an unusable value, such
                as two equal keys. Nothing is stored.
            IndexMappingError: The index cannot hold chat history. Nothing is stored.
            ApiError: Elasticsearch refused the request as a whole. Nothing is stored.
            TransportError: Elasticsearch could not be reached. Nothing is stored.

        Example:
            ```python
            await history.aadd_messages(
                [HumanMessage("What is a shard?"), AIMessage("A part of an index.")],
                idempotency_key="request-42",
            )
            ```
        """
        with self._open("Could not add message to Elasticsearch") as session:
            listed = checked_messages(messages)
            keys = checked_keys(idempotency_key, message_keys, len(listed))
            special = checked_metadata(metadata)
            if listed:
                checked_new_session_id(session.id)
                await adding.add(session, listed, keys=keys, metadata=special)

    async def astore_messages(
        self,
        messages: Sequence[BaseMessage],
        *,
        idempotency_key: str | None = None,
        message_keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> StoreResult:
        """Add messages as `aadd_messages()` does, and return them as they are stored.

        It takes one more request only if some messages were there before.

        Args:
            messages: The messages; an empty list sends nothing.
            idempotency_key: A name of this call, as for `aadd_messages()`.
            message_keys: A name for each message, as for `aadd_messages()`.
            metadata: What to store with these messages in addition to the `metadata` of the
                history.

        Returns:
            The stored messages, and which of them an earlier call with the same keys had stored. A
            service that finds its request there need not ask the model again.

        Raises:
            ChatHistoryError: As for `aadd_messages()`, like all other errors.

        Example:
            ```python
            result = await history.astore_messages(
                [HumanMessage("What is a shard?")], idempotency_key="request-43"
            )
            print(result.stored[0].id, result.stored[0].created_at)
            ```
        """
        with self._open("Could not add message to Elasticsearch") as session:
            listed = checked_messages(messages)
            keys = checked_keys(idempotency_key, message_keys, len(listed))
            special = checked_metadata(metadata)
            if not listed:
                return StoreResult(())
            checked_new_session_id(session.id)
            return await adding.store(session, listed, keys=keys, metadata=special)

    async def apop_messages(self, n: int = 1) -> list[StoredMessage]:
        """Remove the last messages of the session, for example to retry a turn.

        Concurrent callers never get the same message, unless a response of Elasticsearch is lost
        while one of them removes it.

        Args:
            n: How many messages to remove, at least 1.

        Returns:
            The removed messages, oldest first; fewer than `n` if the session has no more.

        Raises:
            UnreadableMessageError: One of them cannot be read as a message. Nothing is removed.
            ValueError: `n` is below 1.
            ChatHistoryError: Elasticsearch refused to remove some of them.

        Example:
            ```python
            (answer,) = await history.apop_messages()
            assert answer.message.content == "Hi!"
            ```
        """
        with self._open("Could not remove messages from Elasticsearch") as session:
            return await editing.pop(session, checked_count("n", n))

    async def adelete_messages(self, ids: Iterable[str]) -> list[StoredMessage]:
        """Remove messages of the session by their ids.

        Args:
            ids: Ids of messages, as in `StoredMessage.id` and
                `UnreadableMessageError.document_id`. Ids of other sessions are ignored.

        Returns:
            The removed messages, oldest first. Documents that cannot be read as messages are
            removed too, and not returned.

        Raises:
            TypeError: `ids` is not a list of str.
            ChatHistoryError: Elasticsearch refused to remove some of them.

        Example:
            ```python
            async for stored in history.aiter_messages():
                if stored.message.content == "Hello":
                    await history.adelete_messages([stored.id])
            ```
        """
        with self._open("Could not remove messages from Elasticsearch") as session:
            return await editing.delete(session, checked_message_ids(ids))

    async def atruncate_after(self, message_id: str) -> list[StoredMessage]:
        """Remove all messages that come after one, such as to edit a question or answer it again.

        Concurrent callers never get the same message, as with `apop_messages()`. What is written
        while the call runs may stay.

        Args:
            message_id: The `id` of a `StoredMessage` of the session, which stays. The `id` of a
                LangChain message is another one.

        Returns:
            The messages that this call removed, oldest first.

        Raises:
            ValueError: No message of the session has this id.
            ChatHistoryError: Some could not be removed; the error says how many, and why.

        Example:
            ```python
            question = await history.astore_messages([HumanMessage("What is a shard?")])
            await history.aadd_messages([AIMessage("No idea.")])
            await history.atruncate_after(question.stored[0].id)
            await history.aadd_messages([AIMessage("A part of an index.")])
            ```
        """
        with self._open("Could not remove messages from Elasticsearch") as session:
            checked_text("message_id", message_id)
            return await editing.truncate_after(session, message_id)

    async def aset_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Replace the content of the session.

        The new messages are stored first, and then the old ones are removed. Readers always find
        all of the old or all of the new messages, and for a short time some of the others too.
        After a crash in between both are there; the next `aset_messages` removes the old ones. If
        others replace or add messages at the same time, what comes later in the order of the
        session stays.

        Args:
            messages: The messages; an empty list clears the session.

        Raises:
            MessagesNotStoredError: Some of the new messages could not be stored. All old ones are
                still there, and the new ones are removed again as far as possible.
            ChatHistoryError: The right to delete is missing, and nothing is changed; or the old
                messages could not be removed, and are there beside the new ones.
            TypeError: Something in the list is not a message, or has a value that cannot be
                written as JSON. Nothing is changed.

        Example:
            ```python
            await history.aset_messages([SystemMessage("The user said hello.")])
            ```
        """
        listed = checked_messages(messages)
        if not listed:
            await self.aclear()
            return
        with self._open("Could not replace messages in Elasticsearch") as session:
            checked_new_session_id(session.id)
            await editing.replace(session, listed)

    async def afork(
        self, new_session_id: str, *, until: str | None = None, overwrite: bool = False
    ) -> Self:
        """Copy the session, or its beginning, to another id.

        The copies keep their order, times and metadata, and get new ids. They are read and written
        in pages, so that a long session does not have to fit in memory. If copying fails, the
        copies are removed again as far as possible.

        Args:
            new_session_id: The id of the new session.
            until: The id of the last message to copy, as in `StoredMessage.id`; None copies all.
                Messages that `ttl` hides are not copied.
            overwrite: Whether to replace a session of that id: its messages are removed when the
                copies are stored.

        Returns:
            The history of the new session, with the options and the client of this one. If this
            history created the client, closing this history closes it.

        Raises:
            SessionExistsError: The new session has messages, and `overwrite` is not set.
            UnreadableMessageError: A document cannot be read as a message.
            MessagesNotStoredError: Some copies could not be stored.
            ChatHistoryError: With `overwrite`, the right to delete is missing, and nothing is
                changed; or the old messages could not be removed, and are there beside the copies.
            ValueError: `until` is not in the session, or both sessions are the same.

        Example:
            ```python
            first = [stored async for stored in history.aiter_messages()][0]
            fork = await history.afork("session-1b", until=first.id)
            await fork.aadd_messages([AIMessage("Good morning!")])
            ```
        """
        with self._open("Could not fork the session in Elasticsearch") as session:
            new = session.other(checked_new_session_id(new_session_id))
            if new.id == session.id:
                raise ValueError(f"new_session_id is the id of this session: {new.id!r:.100}")
            if until is not None:
                checked_text("until", until)
            await forking.fork(session, new, until=until, overwrite=overwrite)
        return self._of(new, self._connection)

    async def aclear(self) -> None:
        """Remove all messages of the session, including those that `ttl` or `history_size` hide.

        Example:
            ```python
            await history.aclear()
            ```
        """
        with self._open("Could not clear session memory in Elasticsearch") as session:
            await editing.clear(session)

    async def aclose(self) -> None:
        """Close the history, and its client if the history created it. Closing twice is safe.

        Example:
            ```python
            await history.aclose()
            ```
        """
        self._closed = True
        if self._owns_connection:
            await self._connection.aclose()

    async def __aenter__(self) -> Self:
        """Return the history itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the history."""
        await self.aclose()

    def __repr__(self) -> str:
        """Describe the history without its messages or credentials."""
        return f"{type(self).__name__}(index={self.index!r}, session_id={self.session_id!r})"

    @classmethod
    def _of(cls, session: AsyncSession, connection: AsyncConnection) -> Self:
        """Return a history that shares a connection and does not close it."""
        history = cls.__new__(cls)
        cls._bind(history, session, connection, owns_connection=False)
        return history

    def _bind(
        self, session: AsyncSession, connection: AsyncConnection, *, owns_connection: bool
    ) -> None:
        self._session = session
        self._connection = connection
        self._owns_connection = owns_connection
        self._closed = False
        self.index = session.index.name
        self.session_id = session.id
        self.ensure_ascii = bool(session.options.ensure_ascii)
        self.client = connection.client

    def _open_session(self) -> AsyncSession:
        """Return the session, or raise `ChatHistoryError` after closing."""
        if self._closed or self._connection.closed:
            raise ChatHistoryError(f"{self!r} was closed; create a new one.")
        return self._session

    def _open(self, failure: str) -> Logged[AsyncSession]:
        """Give the session to a `with` block, and log an error of Elasticsearch as `failure`."""
        return Logged(failure, self._open_session())


def history_of(
    session: AsyncSession, connection: AsyncConnection
) -> AsyncElasticsearchChatMessageHistory:
    """Return the history of a session of a store, which shares the store's connection."""
    return AsyncElasticsearchChatMessageHistory._of(session, connection)  # noqa: SLF001  # its own
