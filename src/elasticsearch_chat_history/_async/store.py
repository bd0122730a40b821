"""The store: one index, its client, and what its histories have in common."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history._arguments import Refresh, checked_index, either
from elasticsearch_chat_history._async.index import AsyncChatIndex
from elasticsearch_chat_history._connection import (
    checked_client,
    connection_arguments,
    with_user_agent,
)
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._options import DEFAULT_MAX_RETRIES, SessionOptions


class AsyncElasticsearchChatStore:
    """One index or alias, the client that talks to it, and the options of its histories."""

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
    ) -> None:
        self.owns_client = False
        self._closed = False
        self.name = checked_index(index)
        escaped = either("ensure_ascii", ensure_ascii, "esnsure_ascii", esnsure_ascii)
        self.options = SessionOptions(
            ensure_ascii=escaped is None or bool(escaped),
            history_size=history_size,
            ttl=ttl,
            metadata=metadata,
            refresh=refresh,
            routing=bool(routing),
            max_retries=max_retries,
        )
        self.client = self._client(
            either("client", client, "es_connection", es_connection),
            es_url=es_url,
            es_cloud_id=es_cloud_id,
            es_user=es_user,
            es_api_key=es_api_key,
            es_password=es_password,
        )
        self._index = AsyncChatIndex(
            self.client,
            self.name,
            routing=self.options.routing,
            max_retries=self.options.max_retries,
        )

    @property
    def index(self) -> AsyncChatIndex:
        """The index as this store's client sees it.

        Raises:
            ChatHistoryError: The store was closed.
        """
        if self._closed:
            raise ChatHistoryError(
                f"The chat history in index {self.name!r} was closed; make a new object to go on."
            )
        return self._index

    async def aclose(self) -> None:
        """Close the client, if this store made it."""
        was_closed, self._closed = self._closed, True
        if self.owns_client and not was_closed:
            await self.client.close()

    def __del__(self) -> None:
        """Warn as Python does for files and sockets that nobody closed."""
        if getattr(self, "owns_client", False) and not self._closed:
            warnings.warn(
                f"Unclosed Elasticsearch client of the chat history in index {self.name!r}",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def _client(self, given: AsyncElasticsearch | None, **address: str | None) -> Any:
        if given is not None:
            # Named as the user knows it: the store itself, or the history that made it.
            checked_client(given, AsyncElasticsearch)
            return with_user_agent(given)
        client = AsyncElasticsearch(**connection_arguments(**address))
        self.owns_client = True
        return client
