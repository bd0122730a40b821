"""The public histories: where the twins must differ, as LangChain's interface is synchronous."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history._async.history import AsyncChatSession
from elasticsearch_chat_history._async.session import AsyncSessionBase
from elasticsearch_chat_history._sync.history import ChatSession
from elasticsearch_chat_history._sync.session import SessionBase


class ElasticsearchChatMessageHistory(ChatSession, BaseChatMessageHistory):  # noqa: D101
    __doc__ = SessionBase.__doc__

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain: an attribute
        """The messages of the session, oldest first, as `get_messages()` returns them.

        Raises:
            UnreadableMessageError: A document does not hold a message.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            for message in history.messages:
                print(message.type, message.content)
            ```
        """
        return self.get_messages()


class AsyncElasticsearchChatMessageHistory(AsyncChatSession, BaseChatMessageHistory):  # noqa: D101
    __doc__ = AsyncSessionBase.__doc__

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # LangChain: an attribute
        """Not for this class: await `aget_messages()`."""
        self._refuse("messages", "aget_messages()")

    def add_message(self, message: BaseMessage) -> None:  # noqa: ARG002
        """Not for this class: await `aadd_message()`."""
        self._refuse("add_message()", "aadd_message()")

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:  # noqa: ARG002
        """Not for this class: await `aadd_messages()`."""
        self._refuse("add_messages()", "aadd_messages()")

    def add_user_message(self, message: HumanMessage | str) -> None:  # noqa: ARG002
        """Not for this class: await `aadd_message(HumanMessage(...))`."""
        self._refuse("add_user_message()", "aadd_message(HumanMessage(...))")

    def add_ai_message(self, message: AIMessage | str) -> None:  # noqa: ARG002
        """Not for this class: await `aadd_message(AIMessage(...))`."""
        self._refuse("add_ai_message()", "aadd_message(AIMessage(...))")

    def clear(self) -> None:
        """Not for this class: await `aclear()`."""
        self._refuse("clear()", "aclear()")

    def __str__(self) -> str:
        """Describe the history; LangChain's own would have to read the messages."""
        return repr(self)

    def _refuse(self, called: str, instead: str) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__} is asynchronous: instead of {called} use `await "
            f"history.{instead}`, or take ElasticsearchChatMessageHistory."
        )
