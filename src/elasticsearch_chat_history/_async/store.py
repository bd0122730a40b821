"""The store's ground: one index, its client, and the options that its histories share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from elasticsearch import AsyncElasticsearch
from langchain_core.embeddings import Embeddings

from elasticsearch_chat_history._arguments import (
    Refresh,
    checked_embeddings,
    checked_index,
    either,
)
from elasticsearch_chat_history._async.closing import AsyncClosable
from elasticsearch_chat_history._async.index import AsyncChatIndex
from elasticsearch_chat_history._documents.fields import IndexDefinition
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._options import DEFAULT_MAX_RETRIES, SessionOptions
from elasticsearch_chat_history._reporting import logged
from elasticsearch_chat_history._requests.connection import (
    checked_client,
    connection_arguments,
    with_user_agent,
)


class AsyncStoreBase(AsyncClosable):
    """All sessions of one index: list, search, forget, copy and complete them.

    Making the object talks to nobody. Its histories share its client and their bulk requests;
    `session()` makes one.

    Args:
        index: The index or alias that holds the messages.
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
        self._owns_client = False
        self._closed = False
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
        self.client = self._client(
            either("client", client, "es_connection", es_connection),
            es_url=es_url,
            es_cloud_id=es_cloud_id,
            es_user=es_user,
            es_api_key=es_api_key,
            es_password=es_password,
        )
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
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await store.create_if_missing()
            ```
        """
        with logged("Could not create the index in Elasticsearch"):
            await self._open_index().prepare()

    async def aclose(self) -> None:
        """Close the store, and its client if the store made it. Closing twice does nothing.

        Its histories are closed with it.

        Example:
            ```python
            await store.aclose()
            ```
        """
        was_closed, self._closed = self._closed, True
        if self._owns_client and not was_closed:
            await self.client.close()

    def __repr__(self) -> str:
        """Describe the store without its messages or credentials."""
        return f"{type(self).__name__}(index={self.index!r})"

    def __del__(self) -> None:
        """Warn as Python does for files and sockets that nobody closed."""
        if getattr(self, "_owns_client", False) and not self._closed:
            warnings.warn(
                f"Unclosed Elasticsearch client of the chat history in index {self.index!r}",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def _open_index(self) -> AsyncChatIndex:
        """Return the index as this store's client sees it; a `ChatHistoryError` after closing."""
        if self._closed:
            raise ChatHistoryError(
                f"The chat history in index {self.index!r} was closed; make a new object to go on."
            )
        return self._chat_index

    def _client(self, given: AsyncElasticsearch | None, **address: str | None) -> Any:
        if given is not None:
            checked_client(given, AsyncElasticsearch)
            return with_user_agent(given)
        client = AsyncElasticsearch(**connection_arguments(**address))
        self._owns_client = True
        return client
