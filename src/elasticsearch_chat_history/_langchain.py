"""LangChain's interfaces, and what the twins do differently because of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, get_buffer_string
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.config import run_in_executor

from elasticsearch_chat_history._arguments import encodable
from elasticsearch_chat_history._results import SearchHit

if TYPE_CHECKING:
    from langchain_core.chat_history import BaseChatMessageHistory as _Interface
else:
    # LangChain will remove the class, and shows as deprecated what inherits from it: the histories
    # have its methods, and are registered below.
    _Interface = object


class HistoryInterface(_Interface):
    """LangChain's interface of a history, for the synchronous class."""

    def add_user_message(self, message: HumanMessage | str) -> None:
        """Store one message of the user.

        Args:
            message: The message, or its text.

        Raises:
            Exception: What `add_messages()` raises.

        Example:
            ```python
            history.add_user_message("What is a shard?")
            ```
        """
        self.add_messages([HumanMessage(message) if isinstance(message, str) else message])

    def add_ai_message(self, message: AIMessage | str) -> None:
        """Store one message of the model.

        Args:
            message: The message, or its text.

        Raises:
            Exception: What `add_messages()` raises.

        Example:
            ```python
            history.add_ai_message("A part of an index.")
            ```
        """
        self.add_messages([AIMessage(message) if isinstance(message, str) else message])

    def get_messages(self, *, limit: int | None = None) -> list[BaseMessage]:
        """Return the messages of the session, oldest first."""
        raise NotImplementedError

    async def aget_messages(self, *, limit: int | None = None) -> list[BaseMessage]:
        """Return what `get_messages()` returns, which runs in a thread.

        Args:
            limit: How many of the last messages to return, at least 1; None returns all, or the
                last `history_size` of the history.

        Returns:
            The messages.

        Raises:
            Exception: What `get_messages()` raises.

        Example:
            ```python
            import asyncio

            messages = asyncio.run(history.aget_messages(limit=20))
            ```
        """
        return await run_in_executor(None, partial(self.get_messages, limit=limit))

    async def aadd_messages(
        self,
        messages: Sequence[BaseMessage],
        *,
        idempotency_key: str | None = None,
        message_keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Add messages as `add_messages()` does, which runs in a thread.

        Args:
            messages: The messages; an empty list sends nothing.
            idempotency_key: A name of this call, under which it is stored once.
            message_keys: A name for each message, under which it is stored once.
            metadata: What to store with these messages in addition to that of the history.

        Raises:
            Exception: What `add_messages()` raises.

        Example:
            ```python
            import asyncio

            asyncio.run(history.aadd_messages([HumanMessage("Hi")], idempotency_key="job-7"))
            ```
        """
        options: dict[str, Any] = {
            "idempotency_key": idempotency_key,
            "message_keys": message_keys,
            "metadata": metadata,
        }
        await run_in_executor(None, partial(self.add_messages, messages, **options))

    async def aclear(self) -> None:
        """Remove all messages of the session as `clear()` does, which runs in a thread.

        Raises:
            Exception: What `clear()` raises.

        Example:
            ```python
            import asyncio

            asyncio.run(history.aclear())
            ```
        """
        await run_in_executor(None, self.clear)

    def __str__(self) -> str:
        """Return the conversation as text."""
        return get_buffer_string(self.messages)

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain: an attribute
        """The messages of the session, oldest first, as `get_messages()` returns them.

        Raises:
            UnreadableMessageError: A document does not hold a message.

        Example:
            ```python
            for message in history.messages:
                print(message.type, message.content)
            ```
        """
        return self.get_messages()


class AsyncHistoryInterface(_Interface):
    """LangChain's interface of a history, for the class whose methods must be awaited."""

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain: an attribute
        """Not for this class: await `aget_messages()`."""
        self._refuse("messages", "aget_messages()")

    def add_message(self, message: BaseMessage) -> None:  # noqa: ARG002  # LangChain's signature
        """Not for this class: await `aadd_message()`."""
        self._refuse("add_message()", "aadd_message()")

    def add_messages(
        self,
        messages: Sequence[BaseMessage],  # noqa: ARG002  # LangChain's signature
    ) -> None:
        """Not for this class: await `aadd_messages()`."""
        self._refuse("add_messages()", "aadd_messages()")

    def add_user_message(
        self,
        message: HumanMessage | str,  # noqa: ARG002  # LangChain's signature
    ) -> None:
        """Not for this class: await `aadd_message(HumanMessage(...))`."""
        self._refuse("add_user_message()", "aadd_message(HumanMessage(...))")

    def add_ai_message(
        self,
        message: AIMessage | str,  # noqa: ARG002  # LangChain's signature
    ) -> None:
        """Not for this class: await `aadd_message(AIMessage(...))`."""
        self._refuse("add_ai_message()", "aadd_message(AIMessage(...))")

    def clear(self) -> None:
        """Not for this class: await `aclear()`."""
        self._refuse("clear()", "aclear()")

    def __str__(self) -> str:
        """Describe the history; the inherited method would have to read the messages."""
        return repr(self)

    def _refuse(self, called: str, instead: str) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__} is asynchronous: instead of {called} use `await "
            f"history.{instead}`, or use ElasticsearchChatMessageHistory."
        )


with suppress(ImportError):
    from langchain_core.chat_history import BaseChatMessageHistory

    for interface in (HistoryInterface, AsyncHistoryInterface):
        BaseChatMessageHistory.register(interface)


class RetrieverInterface(BaseRetriever):
    """LangChain's interface of a retriever, synchronous: its `ainvoke()` runs in a thread."""

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        # The inherited method would not pass the options on.
        search = partial(self._get_relevant_documents, run_manager=run_manager.get_sync())
        return await run_in_executor(None, search, query, **options)


class AsyncRetrieverInterface(BaseRetriever):
    """LangChain's interface of a retriever, asynchronous: its `invoke()` raises an error."""

    def _get_relevant_documents(
        self,
        query: str,  # LangChain's signature
        *,
        run_manager: CallbackManagerForRetrieverRun,  # LangChain's signature
        **options: Any,  # accepted, to raise the error below
    ) -> list[Document]:
        raise NotImplementedError(
            f"{type(self).__name__} is asynchronous: instead of invoke() use `await "
            "retriever.ainvoke()`, or use the retriever of an ElasticsearchChatStore."
        )


def document_of(hit: SearchHit) -> Document:
    """Return a search hit as a LangChain document."""
    stored = hit.stored
    return Document(
        id=stored.id,
        # Pydantic refuses lone surrogates.
        page_content=encodable(str(stored.message.text)),
        metadata={
            "session_id": stored.session_id,
            # Once more, because some vector stores and loaders drop ids.
            "message_id": stored.id,
            "type": stored.message.type,
            "created_at": stored.created_at.isoformat(),
            "score": hit.score,
            "metadata": dict(stored.metadata),
        },
    )
