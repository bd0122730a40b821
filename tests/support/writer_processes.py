"""What one of several processes does in the tests of many writers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Any

from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)

START_SECONDS = 120.0

_start: Barrier


@dataclass(frozen=True)
class Work:
    """What a process is to write.

    Attributes:
        client: The arguments of its client.
        index: The index, which does not exist.
        sessions: The session of each of its writers, which run at once.
        process: Its number.
        turns: How many times each writer adds two messages.
    """

    client: dict[str, Any]
    index: str
    sessions: Sequence[str]
    process: int
    turns: int

    def turn(self, writer: int, number: int) -> list[HumanMessage]:
        """Return the two messages of one turn."""
        name = f"w{self.process}-{writer}"
        return [HumanMessage(f"{name} {2 * number}"), HumanMessage(f"{name} {2 * number + 1}")]


def set_start(start: Barrier) -> None:
    """Make `start` the line from which the processes leave together."""
    global _start  # noqa: PLW0603  # a barrier reaches a process only when that begins
    _start = start


def write_in_threads(work: Work) -> None:
    """Write with a thread for each writer."""
    ready = threading.Barrier(len(work.sessions) + 1)
    with Elasticsearch(**work.client) as client:

        def write(writer: int, session_id: str) -> None:
            history = ElasticsearchChatMessageHistory(work.index, session_id, client=client)
            ready.wait(START_SECONDS)
            for number in range(work.turns):
                history.add_messages(work.turn(writer, number))

        with ThreadPoolExecutor(len(work.sessions)) as pool:
            written = [pool.submit(write, *writer) for writer in enumerate(work.sessions)]
            _start.wait(START_SECONDS)
            ready.wait(START_SECONDS)
            for each in written:
                each.result()


def write_in_tasks(work: Work) -> None:
    """Write with a task for each writer."""

    async def write(client: AsyncElasticsearch, writer: int, session_id: str) -> None:
        history = AsyncElasticsearchChatMessageHistory(work.index, session_id, client=client)
        for number in range(work.turns):
            await history.aadd_messages(work.turn(writer, number))

    async def write_all() -> None:
        async with AsyncElasticsearch(**work.client) as client:
            _start.wait(START_SECONDS)
            await asyncio.gather(*(write(client, *writer) for writer in enumerate(work.sessions)))

    asyncio.run(write_all())
