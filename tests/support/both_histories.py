"""The four classes that share an index, two of theirs and two of ours, used alike."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)

PROGRAM = Path(__file__).with_name("upstream_program.py")


class History(Protocol):
    """What reads and writes sessions."""

    def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None: ...

    def read(self, session_id: str) -> list[BaseMessage]: ...

    def clear(self, session_id: str) -> None: ...


@dataclass(frozen=True)
class Ours:
    """One of our classes."""

    kind: str
    arguments: dict[str, Any]

    def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        self._call("add_messages", session_id, messages)

    def read(self, session_id: str, limit: int | None = None) -> list[BaseMessage]:
        found: list[BaseMessage] = self._call("get_messages", session_id, limit=limit)
        return found

    def clear(self, session_id: str) -> None:
        self._call("clear", session_id)

    def iterated(self, session_id: str, batch_size: int) -> list[BaseMessage]:
        """Read through `iter_messages`."""

        async def collect() -> list[BaseMessage]:
            async with AsyncElasticsearchChatMessageHistory(
                session_id=session_id, **self.arguments
            ) as history:
                stored = history.aiter_messages(batch_size=batch_size)
                return [one.message async for one in stored]

        if self.kind == "async":
            return asyncio.run(collect())
        with ElasticsearchChatMessageHistory(session_id=session_id, **self.arguments) as history:
            return [one.message for one in history.iter_messages(batch_size=batch_size)]

    def _call(self, name: str, session_id: str, *given: Any, **options: Any) -> Any:
        async def call() -> Any:
            async with AsyncElasticsearchChatMessageHistory(
                session_id=session_id, **self.arguments
            ) as history:
                return await getattr(history, f"a{name}")(*given, **options)

        if self.kind == "async":
            return asyncio.run(call())
        with ElasticsearchChatMessageHistory(session_id=session_id, **self.arguments) as history:
            return getattr(history, name)(*given, **options)


class UpstreamProgram:
    """The program that runs langchain-elasticsearch."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **request: Any) -> Any:
        """Have it do something and return the result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "The program that runs langchain-elasticsearch has ended."
        answer = json.loads(line)
        assert "error" not in answer, f"langchain-elasticsearch: {answer['error']}"
        return answer["result"]

    def close(self) -> None:
        """End it by the end of its input."""
        self._process.communicate()


@dataclass(frozen=True)
class Upstream:
    """One of the classes of langchain-elasticsearch."""

    kind: str
    arguments: dict[str, Any]
    program: UpstreamProgram

    def add(
        self,
        session_id: str,
        messages: Sequence[BaseMessage],
        clock: dict[str, int] | None = None,
    ) -> None:
        self._ask("add", session_id, messages, clock)

    def read(self, session_id: str) -> list[BaseMessage]:
        return messages_from_dict(self._ask("read", session_id))

    def clear(self, session_id: str) -> None:
        self._ask("clear", session_id)

    def _ask(
        self,
        action: str,
        session_id: str,
        messages: Sequence[BaseMessage] = (),
        clock: dict[str, int] | None = None,
    ) -> Any:
        return self.program.ask(
            kind=self.kind,
            action=action,
            arguments={**self.arguments, "session_id": session_id},
            messages=[message_to_dict(message) for message in messages],
            clock=clock,
        )
