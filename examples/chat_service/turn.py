"""What a model says to one question, with the tools that it calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    message_chunk_to_message,
)

from chat_service.events import Event, Token, ToolCalled
from chat_service.model import TOOLS

# A model that does nothing but call tools is ended.
MOST_ROUNDS = 8


class Turn:
    """The messages of a model to one question; some of them may be there when it fails."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model.bind_tools(list(TOOLS.values()))
        self._complete: list[BaseMessage] = []
        self._begun: AIMessageChunk | None = None

    async def run(self, messages: Sequence[BaseMessage]) -> AsyncIterator[Event]:
        """Let the model answer, and yield what it does.

        Args:
            messages: The conversation up to the question.
        """
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

    def said(self, partial: str | None = None) -> list[BaseMessage]:
        """Return the messages so far.

        Args:
            partial: Why the answer is not complete, to be stored with its last message.
        """
        begun = self._begun.text if self._begun is not None else ""
        if partial is None or not (begun or self._complete):
            return self._complete
        return [*self._complete, AIMessage(begun, response_metadata={"partial": partial})]
