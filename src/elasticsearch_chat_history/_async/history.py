"""The history of one session: a thin view on the store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from elasticsearch import AsyncElasticsearch
from langchain_core.messages import BaseMessage

from elasticsearch_chat_history._arguments import (
    Refresh,
    checked_count,
    checked_idempotency_key,
    checked_limit,
    checked_messages,
    checked_session_id,
)
from elasticsearch_chat_history._async.deleter import delete_matching
from elasticsearch_chat_history._async.index import AsyncChatIndex
from elasticsearch_chat_history._async.reader import AsyncSessionReader
from elasticsearch_chat_history._async.store import AsyncElasticsearchChatStore
from elasticsearch_chat_history._async.writer import AsyncWriter
from elasticsearch_chat_history._clock import CLOCK
from elasticsearch_chat_history._documents import documents_of, message_of, stored_message_of
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._options import DEFAULT_MAX_RETRIES
from elasticsearch_chat_history._queries import (
    MAX_HITS,
    PAGE_SIZE,
    STORED_MESSAGE_FIELDS,
    routing_of,
    session_query,
)
from elasticsearch_chat_history._reporting import logged
from elasticsearch_chat_history._results import StoredMessage
from elasticsearch_chat_history._window import without_leading_orphans

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncChatSession:
    """Chat message history of one session, kept in Elasticsearch.

    Making the object talks to nobody, and reading never changes anything: the index is made, or
    an existing one checked and completed, before the first write. Objects are cheap, and those
    over one client share their bulk requests; make one for each session or request.

    Args:
        index: The index or alias that holds the messages.
        session_id: The key of the session, up to 32,766 bytes of UTF-8.
        client: An `AsyncElasticsearch` client. It is used as it is, and not closed. Where it is
            given, the arguments that begin with `es_` are not looked at.
        es_connection: The older name of `client`.
        es_url: The address to connect to, with scheme, host and port.
        es_cloud_id: The Cloud ID to connect to, in place of `es_url`.
        es_user: The user to connect as, together with `es_password`.
        es_api_key: The API key to connect with; it goes before a user's password.
        es_password: The password of `es_user`.
        ensure_ascii: Whether `history` is stored with all other characters than ASCII escaped
            (the default), or as they are.
        esnsure_ascii: The older name of `ensure_ascii`.
        history_size: How many of the last messages are read; None reads all.
        ttl: The age from which on messages are no longer returned.
        metadata: What to store with each message, such as a tenant or user id; JSON values under
            str keys.
        refresh: When a write returns: once it is visible to every search (`True`), at once
            (`False`), or with the next refresh of the index (`"wait_for"`). It is stored in each
            case. See https://www.elastic.co/docs/reference/elasticsearch/rest-apis/refresh-parameter
        routing: Whether all messages of a session are kept on one shard. All writers and readers
            of an index must agree on it.
        max_retries: How often a request is tried again when the connection fails or the server
            is overloaded or away (429, 502, 503, 504). The default takes about 30 seconds in all;
            a server that this client has never reached is given up within a few seconds.

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
        super().__init__()
        checked = checked_session_id(session_id)
        store = AsyncElasticsearchChatStore(
            index,
            client=client,
            es_connection=es_connection,
            es_url=es_url,
            es_cloud_id=es_cloud_id,
            es_user=es_user,
            es_api_key=es_api_key,
            es_password=es_password,
            ensure_ascii=ensure_ascii,
            esnsure_ascii=esnsure_ascii,
            history_size=history_size,
            ttl=ttl,
            metadata=metadata,
            refresh=refresh,
            routing=routing,
            max_retries=max_retries,
        )
        self._store = store
        self._options = store.options
        self._closed = False
        self._writer = AsyncWriter(store.index, store.options.refresh)
        self._reader = AsyncSessionReader(store.index, checked, store.options.ttl)
        self.index = store.name
        self.session_id = checked
        self.ensure_ascii = store.options.ensure_ascii
        self.client = store.client

    async def create_if_missing(self) -> None:
        """Make the index, or check an existing one and add the fields that it lacks.

        Writing does this by itself. Each process looks at an index once, with one request.

        Raises:
            IndexMappingError: A field has a type with which sessions cannot be told apart or
                ordered, such as a `session_id` that is analysed text.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await history.create_if_missing()
            ```
        """
        with logged("Could not create the index in Elasticsearch"):
            await self._open_index().prepare()

    async def aget_messages(self, *, limit: int | None = None) -> list[BaseMessage]:
        """Return the messages of the session, oldest first.

        A session of up to 1,000 messages takes one request; a longer one is read from a point in
        time, so that concurrent writers can't make messages appear twice or not at all. See
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results

        Args:
            limit: How many of the last messages to return, at least 1; None means
                `history_size`. Tool results at the start of a limited list whose call lies
                before it are left out, as model providers reject such a list.

        Returns:
            The messages; an empty list where the session or the index does not exist.

        Raises:
            UnreadableMessageError: A document does not hold a message.
            ValueError: `limit` is below 1.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            last_turn = await history.aget_messages(limit=2)
            ```
        """
        self._open_index()
        limit = checked_limit("limit", limit) or self._options.history_size
        with logged("Could not retrieve messages from Elasticsearch"):
            hits = await (self._reader.all() if limit is None else self._reader.last(limit))
        messages = [message_of(hit, self.session_id) for hit in hits]
        return messages if limit is None else without_leading_orphans(messages)

    def aiter_messages(
        self, *, batch_size: int = PAGE_SIZE
    ) -> AsyncGenerator[StoredMessage, None]:
        """Yield the messages of the session one by one, oldest first.

        All come from one consistent snapshot, a point in time, and only `batch_size` of them are
        in memory at once. `history_size` does not apply. Take no longer than five minutes for
        each batch: then Elasticsearch forgets the snapshot.

        Args:
            batch_size: How many messages to read with one request, 1 to 10,000.

        Returns:
            A generator of the messages with their ids, times and metadata.

        Raises:
            UnreadableMessageError: A document does not hold a message.
            ValueError: `batch_size` is below 1.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            async for stored in history.aiter_messages():
                print(stored.created_at, stored.message.content)
            ```
        """
        self._open_index()
        return self._stored_messages(min(checked_count("batch_size", batch_size), MAX_HITS))

    async def aadd_message(self, message: BaseMessage) -> None:
        """Store one message.

        Args:
            message: The message.

        Raises:
            MessagesNotStoredError: The message is not stored, or its answer was lost.
            TypeError: It is not a message, or holds something that JSON has no form for.
            ApiError: Elasticsearch refused; the message is not stored.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await history.aadd_message(HumanMessage("What is a shard?"))
            ```
        """
        await self.aadd_messages([message])

    async def aadd_messages(
        self, messages: Sequence[BaseMessage], *, idempotency_key: str | None = None
    ) -> None:
        """Store messages, in their order, after all that this process has read or written.

        They go out in one bulk request, together with those of concurrent callers; lists of more
        than 2,000 messages or 4 MB take several. When it returns, all are stored, and with
        `refresh=True` visible. Each has its id before the first attempt, so that no retry stores
        it twice. See https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

        Args:
            messages: The messages; an empty list sends nothing.
            idempotency_key: A name of this call, such as the id of a job or request. The same
                call with the same key again, from any process, changes nothing.

        Raises:
            MessagesNotStoredError: Some messages are not stored, or it is not known whether they
                are; it tells which, and why.
            TypeError: Something in the list is not a message, or holds what JSON has no form
                for. Nothing is stored.
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
        self._open_index()
        listed = checked_messages(messages)
        key = checked_idempotency_key(idempotency_key)
        if not listed:
            return
        documents = documents_of(
            listed,
            self.session_id,
            CLOCK.tick((self.index, self.session_id), len(listed)),
            ensure_ascii=self.ensure_ascii,
            metadata=self._options.metadata,
            idempotency_key=key,
        )
        with logged("Could not add message to Elasticsearch"):
            await self._writer.store(documents)

    async def aclear(self) -> None:
        """Remove all messages of the session, also those that `ttl` or `history_size` hide.

        Raises:
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await history.aclear()
            ```
        """
        index = self._open_index()
        with logged("Could not clear session memory in Elasticsearch"):
            await delete_matching(
                index,
                session_query(self.session_id),
                routing=routing_of(self.session_id) if index.routing else None,
            )

    async def aclose(self) -> None:
        """Close the history, and its client if the history made it. Closing twice does nothing.

        Example:
            ```python
            await history.aclose()
            ```
        """
        self._closed = True
        await self._store.aclose()

    async def __aenter__(self) -> Self:
        """Return the history."""
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

    async def _stored_messages(self, size: int) -> AsyncGenerator[StoredMessage, None]:
        with logged("Could not retrieve messages from Elasticsearch"):
            async with aclosing(self._reader.pages(size, fields=STORED_MESSAGE_FIELDS)) as pages:
                async for hits in pages:
                    for hit in hits:
                        yield stored_message_of(hit)

    def _open_index(self) -> AsyncChatIndex:
        if self._closed:
            raise ChatHistoryError(f"{self!r} was closed; make a new one to go on.")
        return self._store.index
