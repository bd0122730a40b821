"""The model that answers: one that knows a corpus, or a real one that `CHAT_MODEL` names."""

from __future__ import annotations

import asyncio
import json
import os
import re
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, tool

NO_ANSWER = "The corpus has no answer to that. Ask what a computer is, or what time it is."
ABOUT_THE_PAST = re.compile(
    r"\bwhat did (?:i|we|you) (?:say|ask|tell you) about (.+?)[?.!]*$", re.IGNORECASE
)
ABOUT_TIME = re.compile(r"\bwhat(?:'s| is)? (?:the )?time\b|\btime is it\b", re.IGNORECASE)
WORD = re.compile(r"\w+")
PIECE = re.compile(r"\s*\S+\s*$|\s*\S+")


@tool
def current_time() -> str:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc).strftime("%H:%M UTC")


TOOLS: dict[str, BaseTool] = {current_time.name: current_time}
SEARCH = "search_conversations"  # one of the tools of an agent


def chat_model() -> BaseChatModel:
    """Return the model that `CHAT_MODEL` names, such as `openai:gpt-5`, or the one of the corpus.

    `CHAT_PAUSE` is the pause of the latter between two words, in seconds.

    Raises:
        RuntimeError: `CHAT_MODEL` is set, and langchain is not installed.
    """
    name = os.environ.get("CHAT_MODEL")
    if not name:
        return CorpusModel(pause=float(os.environ.get("CHAT_PAUSE") or 0.03))
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  # for real models only
    except ImportError as error:
        raise RuntimeError(
            "CHAT_MODEL names a model of LangChain: install langchain and the package of the "
            "provider, such as `pip install langchain langchain-openai`, or unset CHAT_MODEL"
        ) from error
    model: BaseChatModel = init_chat_model(name)
    return model


class CorpusModel(BaseChatModel):
    """A model that needs no network: it answers as the package chatterbot-corpus does.

    Attributes:
        pause: Seconds between two words of an answer.
    """

    pause: float = 0.03

    @property
    def _llm_type(self) -> str:
        return "corpus"

    def bind_tools(self, tools: Sequence[Any], **_options: Any) -> Runnable[Any, AIMessage]:
        """Return the model with the names of the tools that it may call."""
        return self.bind(tools=[one.name for one in tools])

    def _generate(
        self, messages: list[BaseMessage], *_: Any, tools: Sequence[str] = (), **__: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=answer_to(messages, tools))])

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, tools: Sequence[str] = (), **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        answer = answer_to(messages, tools)
        calls = [
            tool_call_chunk(
                name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index
            )
            for index, call in enumerate(answer.tool_calls)
        ]
        if calls:
            chunk = AIMessageChunk(content="", tool_call_chunks=calls)
            yield ChatGenerationChunk(message=chunk)
        for piece in PIECE.findall(answer.text):
            await asyncio.sleep(self.pause)
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))


def answer_to(messages: Sequence[BaseMessage], tools: Sequence[str] = ()) -> AIMessage:
    """Return the answer to the last message, which may be a call of one of these tools."""
    last = messages[-1]
    if last.type == "human":
        past = ABOUT_THE_PAST.search(last.text)
        if past and SEARCH in tools:
            return calling(SEARCH, query=past[1])
        if ABOUT_TIME.search(last.text) and current_time.name in tools:
            return calling(current_time.name)
    return AIMessage(reply_to(messages))


def calling(name: str, **arguments: str) -> AIMessage:
    """Return a message that calls a tool."""
    call = {"name": name, "args": arguments, "id": uuid.uuid4().hex, "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


def reply_to(messages: Sequence[BaseMessage]) -> str:
    """Return the corpus' answer to the last message, or what a tool has found."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return f"I have found this:\n{last.text}" if last.name == SEARCH else f"It is {last.text}."
    known, by_word = corpus()
    words = words_of(last.text)
    exact = known.get(" ".join(words))
    if exact is not None:
        return exact
    # A word counts the more the fewer questions have it.
    scores: Counter[str] = Counter()
    for word in set(words):
        for question in by_word.get(word, ()):
            scores[question] += 1000 // len(by_word[word])
    for question, _ in scores.most_common(1):
        return known[question]
    return NO_ANSWER


@cache
def corpus() -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the answer to each question of the corpus, and the questions that have a word."""
    known: dict[str, str] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted((Path(str(files("chatterbot_corpus"))) / "data").rglob("*.yml")):
        for texts in yaml.load(path.read_text(encoding="utf-8"), loader)["conversations"]:  # noqa: S506  # a safe one
            if isinstance(texts, list) and len(texts) > 1:
                known.setdefault(" ".join(words_of(str(texts[0]))), str(texts[1]))
    by_word: dict[str, list[str]] = {}
    for question in known:
        for word in set(question.split()):
            by_word.setdefault(word, []).append(question)
    return known, by_word


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return WORD.findall(text.casefold())
