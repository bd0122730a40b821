"""Turns of two messages by many callers at once: ours, a bulk request a caller, and upstream.

`nox -s benchmark -- turns` runs it. All ways take their turns against the same server, round by
round, so that the ratios hold on a noisy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from local_elasticsearch import find_or_start

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)
from elasticsearch_chat_history._documents import documents_of
from elasticsearch_chat_history._mapping import PROPERTIES

TURN: list[BaseMessage] = [
    HumanMessage("What is the difference between a primary shard and a replica?"),
    AIMessage("A primary shard takes the writes; a replica is a copy of it on another node."),
]


@dataclass
class Measured:
    """What one way of writing reached, over all rounds."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def add(self, seconds: float, latencies: list[float]) -> None:
        """Add a round."""
        self.rates.append(len(latencies) / seconds)
        self.latencies += latencies

    @property
    def rate(self) -> float:
        """Turns a second, the median of the rounds."""
        return statistics.median(self.rates)

    def percentile(self, percent: int) -> float:
        """Milliseconds that `percent` of the turns stay below."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1000


def plain_operations(session_id: str) -> list[dict[str, Any]]:
    """Return the bulk operations that store a turn: the same documents, no library."""
    seqs = range(time.time_ns() // 1000, time.time_ns() // 1000 + len(TURN))
    return [
        part
        for document in documents_of(TURN, session_id, range(seqs[0], seqs[0] + len(TURN)))
        for part in ({"create": {"_id": document.id}}, document.source(complete=True))
    ]


async def run_tasks(turn: Callable[[int], Awaitable[Any]], callers: int, turns: int) -> Any:
    """Time `turns` turns of each of `callers` tasks."""
    latencies: list[float] = []

    async def caller(number: int) -> None:
        for _ in range(turns):
            begin = time.perf_counter()
            await turn(number)
            latencies.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    return time.perf_counter() - begin, latencies


def run_threads(turn: Callable[[int], Any], callers: int, turns: int) -> Any:
    """Time `turns` turns of each of `callers` threads."""
    latencies: list[float] = []

    def caller(number: int) -> None:
        for _ in range(turns):
            begin = time.perf_counter()
            turn(number)
            latencies.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(caller, range(callers)))
    return time.perf_counter() - begin, latencies


async def compare_tasks(url: str, options: argparse.Namespace) -> dict[str, Measured]:
    """Measure all ways with tasks."""
    index = f"benchmark-{uuid.uuid4().hex}"
    measured = {name: Measured() for name in ("ours", "a bulk a caller", "upstream")}
    async with AsyncElasticsearch(url) as client:
        upstream_class = upstream("AsyncElasticsearchChatMessageHistory")
        await client.indices.create(index=index, mappings={"properties": PROPERTIES})
        ours = [
            AsyncElasticsearchChatMessageHistory(index, f"o{n}", client=client)
            for n in range(options.callers)
        ]
        theirs = [upstream_class(index, f"u{n}", client=client) for n in range(options.callers)]
        ways: dict[str, Callable[[int], Awaitable[Any]]] = {
            "ours": lambda n: ours[n].aadd_messages(TURN),
            "a bulk a caller": lambda n: client.bulk(
                index=index, operations=plain_operations(f"p{n}"), refresh=True
            ),
            "upstream": lambda n: theirs[n].aadd_messages(TURN),
        }
        try:
            for round_number in range(options.rounds + 1):
                for name, turn in ways.items():
                    turns = options.turns if name == "ours" else max(1, options.turns // 20)
                    result = await run_tasks(turn, options.callers, turns)
                    if round_number:
                        measured[name].add(*result)
        finally:
            await client.indices.delete(index=index)
    return measured


def compare_threads(url: str, options: argparse.Namespace) -> dict[str, Measured]:
    """Measure all ways with threads."""
    index = f"benchmark-{uuid.uuid4().hex}"
    measured = {name: Measured() for name in ("ours", "a bulk a caller", "upstream")}
    with Elasticsearch(url) as client:
        upstream_class = upstream("ElasticsearchChatMessageHistory")
        client.indices.create(index=index, mappings={"properties": PROPERTIES})
        ours = [
            ElasticsearchChatMessageHistory(index, f"o{n}", client=client)
            for n in range(options.callers)
        ]
        theirs = [upstream_class(index, f"u{n}", client=client) for n in range(options.callers)]
        ways: dict[str, Callable[[int], Any]] = {
            "ours": lambda n: ours[n].add_messages(TURN),
            "a bulk a caller": lambda n: client.bulk(
                index=index, operations=plain_operations(f"p{n}"), refresh=True
            ),
            "upstream": lambda n: theirs[n].add_messages(TURN),
        }
        try:
            for round_number in range(options.rounds + 1):
                for name, turn in ways.items():
                    turns = options.turns if name == "ours" else max(1, options.turns // 20)
                    result = run_threads(turn, options.callers, turns)
                    if round_number:
                        measured[name].add(*result)
        finally:
            client.indices.delete(index=index)
    return measured


def upstream(name: str) -> Any:
    """Return a class of langchain-elasticsearch."""
    return getattr(__import__("langchain_elasticsearch"), name)


def report(title: str, measured: dict[str, Measured]) -> None:
    """Print a table."""
    ours = measured["ours"]
    print(f"\n{title}\n")
    print("| way | turns/s | p50 ms | p99 ms | ours is faster by | our p99 is |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, each in measured.items():
        print(
            f"| {name} | {each.rate:,.0f} | {each.percentile(50):,.1f} | "
            f"{each.percentile(99):,.1f} | {ours.rate / each.rate:.1f} times | "
            f"1/{each.percentile(99) / ours.percentile(99):.1f} |"
        )


def main() -> None:
    """Run the comparison and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--turns", type=int, default=60, help="of each caller and round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with find_or_start() as server:
        tasks = asyncio.run(compare_tasks(server.url, options))
        report(f"{options.callers} tasks, refresh=True", tasks)
        threads = compare_threads(server.url, options)
        report(f"{options.callers} threads, refresh=True", threads)


if __name__ == "__main__":
    main()
