"""A model that says what a test tells it, and tools that agents call."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware, SummarizationMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, tool
from pydantic import Field

Said = tuple[str, str]
"""The type of a message and its text."""


class ScriptedModel(BaseChatModel):
    """Answers each call with the next of its answers, as a new message; an error is raised.

    Attributes:
        answers: What it answers.
        prompts: The messages that each call was made with.
    """

    answers: list[Any]
    prompts: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **_: Any) -> Any:  # noqa: ARG002  # LangChain's
        """Take tools, as models do that can call them."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self.prompts.append(list(messages))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        message = AIMessage(answer) if isinstance(answer, str) else answer.model_copy(deep=True)
        return ChatResult(generations=[ChatGeneration(message=message)])


class BrokenError(Exception):
    """What a tool or model of a test raises."""


def scripted(*answers: object) -> ScriptedModel:
    """Return a model that answers so: a text, a message, or an error that it raises."""
    return ScriptedModel(answers=list(answers))


def calling(*names: str, first: int = 1) -> AIMessage:
    """Return an answer that calls tools by name, with ids that count on from `first`."""
    calls = [
        {"name": name, "args": {}, "id": f"call-{number}", "type": "tool_call"}
        for number, name in enumerate(names, start=first)
    ]
    return AIMessage("", tool_calls=calls)


@tool
def weather() -> str:
    """Tell the weather."""
    return "sunny"


@tool
def clock() -> str:
    """Tell the time."""
    return "noon"


@tool
def broken() -> str:
    """Fail."""
    raise BrokenError


TOOLS: list[BaseTool] = [weather, clock, broken]

# What a turn with one call of a tool stores, without its question.
STEP: list[Said] = [("ai", ""), ("tool", "sunny")]


def asked(*texts: str, ids: Iterable[str] | None = None) -> Any:
    """Return the input of a run: questions, with ids if they are given."""
    if ids is None:
        return {"messages": [HumanMessage(text) for text in texts]}
    return {"messages": [HumanMessage(text, id=one) for text, one in zip(texts, ids, strict=True)]}


def thread(name: str, **values: Any) -> Any:
    """Return the config of a run in a thread."""
    return {"configurable": {"thread_id": name}, **values}


def summarizing() -> AgentMiddleware[Any, Any, Any]:
    """Return a middleware that puts a summary in the place of all messages but one or two."""
    model = scripted(*["In short."] * 9)
    # Its arguments were others before langchain 1.1.
    options: dict[str, Any] = {"max_tokens_before_summary": 1, "messages_to_keep": 1}
    if "trigger" in inspect.signature(SummarizationMiddleware).parameters:
        options = {"trigger": ("messages", 3), "keep": ("messages", 1)}
    return SummarizationMiddleware(model, **options)


def said(messages: Iterable[BaseMessage]) -> list[Said]:
    """Return the types and texts of messages."""
    return [(message.type, str(message.text)) for message in messages]
