"""The public retrievers: messages that match a query, as documents of LangChain's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor
from pydantic import ConfigDict, field_validator, model_validator

from elasticsearch_chat_history._arguments import checked_count, encodable
from elasticsearch_chat_history._async.search import AsyncMessageSearch
from elasticsearch_chat_history._documents.metadata import metadata_filters
from elasticsearch_chat_history._queries.filters import (
    checked_session_ids,
    checked_time,
    checked_types,
)
from elasticsearch_chat_history._results import SearchHit
from elasticsearch_chat_history._sync.search import MessageSearch


class _ChatRetriever(BaseRetriever):
    """The search options of both retrievers."""

    # A filter with a mistake in its name must not be a search without the filter.
    model_config = ConfigDict(extra="forbid")

    session_id: str | None = None
    types: list[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    message_metadata: Mapping[str, Any] | None = None
    limit: int = 10
    per_session: bool = False
    operator: Literal["or", "and"] = "or"
    fuzzy: bool = False
    mode: str = "text"

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Refuse at once what a search would refuse later, with the same words."""
        if given.get("session_id") is not None:
            checked_session_ids([given["session_id"]])
        for name in ("since", "until"):
            checked_time(name, given.get(name))
        metadata_filters(given.get("message_metadata"))
        checked_count("limit", given.get("limit", 1))
        return {**given, "types": checked_types(given.get("types"))}

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a search, of which those `given` with the query go first."""
        own = {
            "session_id": self.session_id,
            "types": self.types,
            "since": self.since,
            "until": self.until,
            "metadata": self.message_metadata,
            "limit": self.limit,
            "per_session": self.per_session,
            "operator": self.operator,
            "fuzzy": self.fuzzy,
            "mode": self.mode,
        }
        return {**own, **given}


class ElasticsearchChatRetriever(_ChatRetriever):
    """Finds messages for a chain or an agent, as a LangChain retriever.

    `store.as_retriever()` makes one. Each option is that of `store.search()`, and can be given
    with a query as well, where it goes before that of the object: `invoke(query, limit=3)`.

    A document has the text of a message as its `page_content` and the id of the message as its
    `id`. Its `metadata` can be written as JSON: `session_id`, `message_id`, `type`, `created_at`
    (ISO 8601, in UTC), `score`, and `metadata`, which is that of the message.

    Attributes:
        store: The `ElasticsearchChatStore` to search. Closing it is up to whoever made it.
        session_id: The session to search; None searches all.
        types: The types of messages to find, such as `["human"]`; None finds all.
        since: The time from which on messages are found, with a time zone.
        until: The time before which messages are found, with a time zone.
        message_metadata: The keys and values that messages must have. It is the option `metadata`
            of `search()`, `as_retriever()` and `invoke()`. A retriever's own attribute `metadata`,
            like `tags`, belongs to LangChain, which adds it to traces: it filters nothing.
        limit: How many messages to find at most.
        per_session: Whether to find only the best message of each session.
        operator: Whether one word of the query is enough (`"or"`), or all must be there (`"and"`).
        fuzzy: Whether words with a typing mistake are found too.
        mode: How to search, as `search()` takes it.

    Raises:
        ValueError: An option has an unusable value, or there is no such option.
        TypeError: An option is of the wrong type, or `store` is not a synchronous store.

    Example:
        ```python
        from elasticsearch_chat_history import ElasticsearchChatRetriever

        retriever = ElasticsearchChatRetriever(store=store, types=["human"], limit=3)
        for document in retriever.invoke("hello"):
            print(document.metadata["session_id"], document.page_content)
        ```
    """

    store: MessageSearch

    @field_validator("store", mode="before")
    @classmethod
    def _check_store(cls, store: object) -> object:
        return _checked_store(store, MessageSearch, "ElasticsearchChatStore")

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002  # LangChain's signature
        **options: Any,
    ) -> list[Document]:
        return [_document_of(hit) for hit in self.store.search(query, **self._options(options))]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        # LangChain's own would not pass the options on.
        search = partial(self._get_relevant_documents, run_manager=run_manager.get_sync())
        return await run_in_executor(None, search, query, **options)


class AsyncElasticsearchChatRetriever(_ChatRetriever):
    """Finds messages for a chain or an agent, as a LangChain retriever that is awaited.

    `store.as_retriever()` makes one. Each option is that of `store.asearch()`, and can be given
    with a query as well, where it goes before that of the object: `ainvoke(query, limit=3)`.
    The synchronous `invoke()` raises `NotImplementedError`.

    A document has the text of a message as its `page_content` and the id of the message as its
    `id`. Its `metadata` can be written as JSON: `session_id`, `message_id`, `type`, `created_at`
    (ISO 8601, in UTC), `score`, and `metadata`, which is that of the message.

    Attributes:
        store: The `AsyncElasticsearchChatStore` to search. Closing it is up to whoever made it.
        session_id: The session to search; None searches all.
        types: The types of messages to find, such as `["human"]`; None finds all.
        since: The time from which on messages are found, with a time zone.
        until: The time before which messages are found, with a time zone.
        message_metadata: The keys and values that messages must have. It is the option `metadata`
            of `asearch()`, `as_retriever()` and `ainvoke()`. A retriever's own attribute
            `metadata`, like `tags`, belongs to LangChain, which adds it to traces: it filters
            nothing.
        limit: How many messages to find at most.
        per_session: Whether to find only the best message of each session.
        operator: Whether one word of the query is enough (`"or"`), or all must be there (`"and"`).
        fuzzy: Whether words with a typing mistake are found too.
        mode: How to search, as `asearch()` takes it.

    Raises:
        ValueError: An option has an unusable value, or there is no such option.
        TypeError: An option is of the wrong type, or `store` is not an asynchronous store.

    Example:
        ```python
        from elasticsearch_chat_history import AsyncElasticsearchChatRetriever

        retriever = AsyncElasticsearchChatRetriever(store=store, types=["human"], limit=3)
        for document in await retriever.ainvoke("hello"):
            print(document.metadata["session_id"], document.page_content)
        ```
    """

    store: AsyncMessageSearch

    @field_validator("store", mode="before")
    @classmethod
    def _check_store(cls, store: object) -> object:
        return _checked_store(store, AsyncMessageSearch, "AsyncElasticsearchChatStore")

    def _get_relevant_documents(
        self,
        query: str,  # LangChain's signature
        *,
        run_manager: CallbackManagerForRetrieverRun,  # LangChain's signature
        **options: Any,  # what `ainvoke()` takes is refused here with its name
    ) -> list[Document]:
        raise NotImplementedError(
            f"{type(self).__name__} is asynchronous: instead of invoke() use `await "
            "retriever.ainvoke()`, or take the retriever of an ElasticsearchChatStore."
        )

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002  # LangChain's signature
        **options: Any,
    ) -> list[Document]:
        hits = await self.store.asearch(query, **self._options(options))
        return [_document_of(hit) for hit in hits]


def _checked_store(store: object, kind: type, name: str) -> object:
    if isinstance(store, kind):
        return store
    raise TypeError(f"store must be an {name}, but is a {type(store).__name__}")


def _document_of(hit: SearchHit) -> Document:
    stored = hit.stored
    return Document(
        id=stored.id,
        # Pydantic takes no lone surrogates.
        page_content=encodable(str(stored.message.text)),
        metadata={
            "session_id": stored.session_id,
            # Once more, as not all that handles documents keeps their ids.
            "message_id": stored.id,
            "type": stored.message.type,
            "created_at": stored.created_at.isoformat(),
            "score": hit.score,
            "metadata": dict(stored.metadata),
        },
    )
