"""What a model says to one question, with the tools that it calls, and how it is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    message_chunk_to_message,
)
from langchain_core.runnables import Runnable

from chat_service.events import Event, Token, ToolCalled
from chat_service.model import TOOLS
from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory, StoredMessage

# How many of the last messages the model sees.
WINDOW = 50
# Retries: what was said waits for Elasticsearch for half a minute.
PATIENCE = 10
# A model that does nothing but call tools is ended.
MOST_ROUNDS = 8


class Turn(Protocol):
    """The answer to one question, whose parts may be there when it fails."""

    def run(self) -> AsyncIterator[Event]:
        """Let the model answer the conversation as it is stored, and yield what it does."""
        ...

    async def store(self, asked: StoredMessage, partial: str | None) -> list[StoredMessage]:
        """Store what is not stored yet, and return all messages of the answer.

        Args:
            asked: The question.
            partial: Why the answer is not complete, to be stored with its last message.
        """
        ...


NewTurn = Callable[[str, str, AsyncElasticsearchChatMessageHistory], Turn]
"""Makes the turn of a user, for a request with a key, in a conversation."""


class ModelTurn:
    """A turn of a model that is called here; it is stored when it has ended.

    Args:
        model: The model, which knows its tools.
        key: The client's name of the request.
        history: The conversation.
    """

    def __init__(
        self,
        model: Runnable[LanguageModelInput, AIMessage],
        key: str,
        history: AsyncElasticsearchChatMessageHistory,
    ) -> None:
        self._model = model
        self._key = key
        self._history = history
        self._complete: list[BaseMessage] = []
        self._begun: AIMessageChunk | None = None

    async def run(self) -> AsyncIterator[Event]:
        """Call the model, and the tools that it asks for, until it has answered."""
        messages = await self._history.aget_messages(limit=WINDOW)
        for _ in range(MOST_ROUNDS):
            async for chunk in self._model.astream([*messages, *self._complete]):
                if isinstance(chunk, AIMessageChunk):
                    self._begun = chunk if self._begun is None else self._begun + chunk
                if chunk.text:
                    yield Token(text=chunk.text)
            if self._begun is None:
                return
            message = message_chunk_to_message(self._begun)
            calls = message.tool_calls if isinstance(message, AIMessage) else []
            for call in calls:
                yield ToolCalled(name=call["name"])
            # Kept together, as model providers reject a call without its result.
            results = [
                await TOOLS[call["name"]].ainvoke({**call, "type": "tool_call"}) for call in calls
            ]
            self._complete += [message, *results]
            self._begun = None
            if not calls:
                return
        raise RuntimeError(f"the model has called tools {MOST_ROUNDS} times and not answered")

    async def store(self, asked: StoredMessage, partial: str | None) -> list[StoredMessage]:
        """Store all messages of the answer together."""
        del asked
        said = list(self._complete)
        begun = self._begun.text if self._begun is not None else ""
        if partial is not None and (begun or said):
            said.append(partial_answer(begun, partial))
        return await store_answer(self._history, self._key, said)


async def store_answer(
    history: AsyncElasticsearchChatMessageHistory, key: str, messages: Sequence[BaseMessage]
) -> list[StoredMessage]:
    """Store messages as the answer to a request, once, and return them as they are stored."""
    result = await history.astore_messages(
        messages, idempotency_key=f"{key}/answer", metadata={"request": key}
    )
    return list(result.stored)


def partial_answer(text: str, reason: str) -> AIMessage:
    """Return the beginning of an answer, marked with why there is no more."""
    return AIMessage(text, response_metadata={"partial": reason})


def is_complete(answer: list[StoredMessage]) -> bool:
    """Tell whether an answer has come to its end, or was marked as partial."""
    last = answer[-1].message if answer else None
    return isinstance(last, AIMessage) and not last.tool_calls


def model_turns(model: BaseChatModel) -> NewTurn:
    """Return what makes the turns of a model."""
    with_tools = model.bind_tools(list(TOOLS.values()))
    return lambda _user, key, history: ModelTurn(with_tools, key, history)
