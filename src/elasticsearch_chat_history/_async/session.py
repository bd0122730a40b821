"""A session's ground: its store, its options, and how it opens and closes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history._arguments import Refresh, checked_session_id
from elasticsearch_chat_history._async.closing import AsyncClosable
from elasticsearch_chat_history._async.index import AsyncChatIndex
from elasticsearch_chat_history._async.reader import AsyncSessionReader
from elasticsearch_chat_history._async.store import AsyncStoreBase
from elasticsearch_chat_history._async.writer import AsyncWriter
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._options import DEFAULT_MAX_RETRIES, SessionOptions
from elasticsearch_chat_history._queries.selection import STORED_MESSAGE_FIELDS

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncSessionBase(AsyncClosable):
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
        store = AsyncStoreBase(
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
        self._bind(store, checked, store._options, owns_store=True)

    @classmethod
    def _of_store(cls, store: AsyncStoreBase, session_id: object, options: SessionOptions) -> Self:
        """Return a history that shares the client of `store`, and does not close it."""
        history = cls.__new__(cls)
        history._bind(store, checked_session_id(session_id), options, owns_store=False)
        return history

    def _bind(
        self, store: AsyncStoreBase, session_id: str, options: SessionOptions, *, owns_store: bool
    ) -> None:
        self._store = store
        self._owns_store = owns_store
        self._options = options
        self._embeddings = store._embeddings
        self._closed = False
        self.index = store.index
        self.session_id = session_id
        self.ensure_ascii = bool(options.ensure_ascii)
        self.client = store.client
        index = store._open_index().with_max_retries(options.max_retries)
        self._chat_index = index
        self._writer = AsyncWriter(index, options.refresh)
        self._reader = AsyncSessionReader(index, session_id, options.ttl)

    async def aclose(self) -> None:
        """Close the history, and its client if the history made it. Closing twice does nothing.

        Example:
            ```python
            await history.aclose()
            ```
        """
        self._closed = True
        if self._owns_store:
            await self._store.aclose()

    def __repr__(self) -> str:
        """Describe the history without its messages or credentials."""
        return f"{type(self).__name__}(index={self.index!r}, session_id={self.session_id!r})"

    def _open_index(self) -> AsyncChatIndex:
        if self._closed:
            raise ChatHistoryError(f"{self!r} was closed; make a new one to go on.")
        self._store._open_index()
        return self._chat_index

    def _reader_of_stored(self) -> AsyncSessionReader:
        """Return a reader of all that a `StoredMessage` tells."""
        return AsyncSessionReader(
            self._chat_index, self.session_id, self._options.ttl, fields=STORED_MESSAGE_FIELDS
        )
