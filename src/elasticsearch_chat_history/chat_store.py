"""The public stores, which make the public histories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elasticsearch_chat_history._async.search import AsyncMessageSearch
from elasticsearch_chat_history._async.sessions import AsyncSessionDirectory
from elasticsearch_chat_history._async.store import AsyncStoreBase
from elasticsearch_chat_history._async.transfer import AsyncMessageTransfer
from elasticsearch_chat_history._sync.search import MessageSearch
from elasticsearch_chat_history._sync.sessions import SessionDirectory
from elasticsearch_chat_history._sync.store import StoreBase
from elasticsearch_chat_history._sync.transfer import MessageTransfer
from elasticsearch_chat_history.chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)
from elasticsearch_chat_history.chat_retriever import (
    AsyncElasticsearchChatRetriever,
    ElasticsearchChatRetriever,
)


class ElasticsearchChatStore(SessionDirectory, MessageSearch, MessageTransfer):  # noqa: D101
    __doc__ = StoreBase.__doc__

    def session(self, session_id: str, **options: Any) -> ElasticsearchChatMessageHistory:
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
            history.add_messages([HumanMessage("Hello")])
            ```
        """
        return ElasticsearchChatMessageHistory._of_store(
            self, session_id, self._options.overridden(**options)
        )

    def as_retriever(
        self, *, metadata: Mapping[str, Any] | None = None, **options: Any
    ) -> ElasticsearchChatRetriever:
        """Return a LangChain retriever that finds messages of this store.

        Args:
            metadata: The keys and values that messages must have.
            options: Other options of `search()` to search with: `session_id`, `types`, `since`,
                `until`, `limit`, `per_session`, `operator`, `fuzzy`, `mode`. Each can be given
                again with a query, as in `invoke(query, limit=3)`.

        Returns:
            The retriever. Its `ainvoke()` runs in a thread.

        Raises:
            ValueError: An option has an unusable value, or there is no such option.
            TypeError: An option is of the wrong type.

        Example:
            ```python
            retriever = store.as_retriever(session_id="s", limit=3)
            for document in retriever.invoke("hello"):
                print(document.page_content)
            ```
        """
        return ElasticsearchChatRetriever(store=self, message_metadata=metadata, **options)


class AsyncElasticsearchChatStore(  # noqa: D101
    AsyncSessionDirectory, AsyncMessageSearch, AsyncMessageTransfer
):
    __doc__ = AsyncStoreBase.__doc__

    def session(self, session_id: str, **options: Any) -> AsyncElasticsearchChatMessageHistory:
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
        return AsyncElasticsearchChatMessageHistory._of_store(
            self, session_id, self._options.overridden(**options)
        )

    def as_retriever(
        self, *, metadata: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncElasticsearchChatRetriever:
        """Return a LangChain retriever that finds messages of this store.

        Args:
            metadata: The keys and values that messages must have.
            options: Other options of `asearch()` to search with: `session_id`, `types`, `since`,
                `until`, `limit`, `per_session`, `operator`, `fuzzy`, `mode`. Each can be given
                again with a query, as in `ainvoke(query, limit=3)`.

        Returns:
            The retriever. Its `invoke()` raises `NotImplementedError`.

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
