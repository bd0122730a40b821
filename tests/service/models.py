"""Models whose answers a test holds back, or lets fail."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from chat_service.model import CorpusModel, current_time

BEGIN, END = "Well,", " yes."


class HeldModel(CorpusModel):
    """A model that says the beginning of its answer, and waits until it is released."""

    _released: threading.Event = PrivateAttr(default_factory=threading.Event)
    _asked: list[list[str]] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[list[str]]:
        """The conversations that it was asked to answer, each as its texts."""
        return self._asked

    def release(self) -> None:
        """Let all answers go on."""
        self._released.set()

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._asked.append([message.text for message in messages if message.type != "system"])
        yield ChatGenerationChunk(message=AIMessageChunk(content=BEGIN))
        while not self._released.is_set():  # noqa: ASYNC110  # of another thread
            await asyncio.sleep(0.01)
        yield ChatGenerationChunk(message=AIMessageChunk(content=END))


class CallingModel(HeldModel):
    """A model that calls a tool, and is held back before it answers; or calls it for ever."""

    always: bool = False

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        if messages[-1].type == "tool" and not self.always:
            async for chunk in super()._astream(messages):
                yield chunk
            return
        call = tool_call_chunk(name=current_time.name, args="{}", id=uuid.uuid4().hex, index=0)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


class FailingModel(CorpusModel):
    """A model that fails in the middle of its answer, the first time that it is asked."""

    _failed: bool = PrivateAttr(default=False)

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        del messages
        yield ChatGenerationChunk(message=AIMessageChunk(content=BEGIN))
        if not self._failed:
            self._failed = True
            raise ConnectionError("the provider has gone")
        yield ChatGenerationChunk(message=AIMessageChunk(content=END))
