"""The retriever: messages that match a query, as LangChain documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun
from langchain_core.documents import Document
from pydantic import ConfigDict, field_validator, model_validator

from elasticsearch_chat_history._arguments import checked_count
from elasticsearch_chat_history._langchain import AsyncRetrieverInterface, document_of
from elasticsearch_chat_history._queries.filters import (
    checked_session_ids,
    checked_time,
    checked_types,
    metadata_filters,
)
from elasticsearch_chat_history._queries.search_request import SearchMode, SearchOperator
from elasticsearch_chat_history._results import SearchHit

ABOUT_K = "'k' is not an option: give limit, the maximum number of messages to find"

ABOUT_AFTER = "a retriever has no option 'after': to get further hits, use the search of a store"


@runtime_checkable
class AsyncSearchableStore(Protocol):
    """What a retriever needs from a store: a search, and the history of one session."""

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
        """Return the messages that match a text, best matches first."""
        ...

    def session(self, session_id: str) -> object:
        """Return the history of one session. A history itself has no such method."""


class AsyncElasticsearchChatRetriever(AsyncRetrieverInterface):
    """Finds messages for a chain or an agent, as a LangChain retriever.

    `store.as_retriever()` creates one. Its options are those of `store.asearch()`. An option that
    is given with a query takes precedence: `ainvoke(query, limit=3)`.

    The `page_content` of a document is the text of a message, and its `id` the id of the message.
    Its `metadata` can be written as JSON: `session_id`, `message_id`, `type`, `created_at`
    (ISO 8601, in UTC), `score`, and `metadata`, that of the message.

    Attributes:
        store: The `AsyncElasticsearchChatStore` to search. The retriever does not close it.
        session_id: The session to search; None searches all.
        types: The types of messages to find, such as `["human"]`; None finds all.
        since: The time from which messages are found, with a time zone.
        until: The time before which messages are found, with a time zone.
        message_metadata: The keys and values that messages must have. It is the option `metadata`
            of `asearch()`, `as_retriever()` and `ainvoke()`. A retriever's own attribute
            `metadata`, like `tags`, belongs to LangChain, which adds it to traces: it filters
            nothing.
        limit: The maximum number of messages to find.
        per_session: Whether to find only the best message of each session.
        operator: Whether any word of the query must match (`"or"`), or all of them (`"and"`).
        fuzzy: Whether words with typing errors match too.
        mode: How to search, as for `asearch()`.

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

    # A misspelt filter must be an error, not a search without the filter.
    model_config = ConfigDict(extra="forbid")

    store: AsyncSearchableStore
    session_id: str | None = None
    types: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    message_metadata: Mapping[str, Any] | None = None
    limit: int = 10
    per_session: bool = False
    operator: SearchOperator = "or"
    fuzzy: bool = False
    mode: SearchMode = "text"

    @field_validator("store", mode="before")
    @classmethod
    def _check_store(cls, store: object) -> object:
        if isinstance(store, AsyncSearchableStore):
            return store
        raise TypeError(
            f"store must be an AsyncElasticsearchChatStore, but is a {type(store).__name__}"
        )

    @model_validator(mode="before")
    @classmethod
    def _check(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Raise now what a search would raise later, with the same message."""
        if "k" in given:
            raise ValueError(ABOUT_K)
        if given.get("session_id") is not None:
            checked_session_ids([given["session_id"]])
        for name in ("since", "until"):
            checked_time(name, given.get(name))
        metadata_filters(given.get("message_metadata"))
        checked_count("limit", given.get("limit", 1))
        return {**given, "types": checked_types(given.get("types"))}

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002  # LangChain's signature
        **options: Any,
    ) -> list[Document]:
        hits = await self.store.asearch(query, **self._options(options))
        return [document_of(hit) for hit in hits]

    def _options(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a search; those `given` with the query take precedence."""
        if "k" in given:
            raise TypeError(ABOUT_K)
        if "after" in given:
            raise TypeError(ABOUT_AFTER)
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
