"""Turns of two messages by many callers at once, with `refresh=True`.

All ways take turns against one server, round by round, so that the ratios hold on a noisy machine.
Run it with `nox -s benchmark -- concurrent_turns`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import langchain_elasticsearch
from contenders import OURS, SHARED, TURN, server_and_index, ways_to_add
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)

Turn = Callable[[int], Any]
SHARING = (SHARED, OURS)
# Those that share no request need so much longer that fewer turns are enough, and few callers.
SHARE_OF_OTHERS = 10
MOST_CALLERS_OF_OTHERS = 64


@dataclass
class Measured:
    """What one way reached, over all rounds."""

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


async def run_tasks(turn: Turn, callers: int, turns: int) -> list[float]:
    """Return the seconds of each turn of so many tasks."""
    latencies: list[float] = []

    async def caller(number: int) -> None:
        for _ in range(turns):
            begin = time.perf_counter()
            await turn(number)
            latencies.append(time.perf_counter() - begin)

    await asyncio.gather(*(caller(number) for number in range(callers)))
    return latencies


def run_threads(turn: Turn, callers: int, turns: int) -> list[float]:
    """Return the seconds of each turn of so many threads."""
    latencies: list[float] = []

    def caller(number: int) -> None:
        for _ in range(turns):
            begin = time.perf_counter()
            turn(number)
            latencies.append(time.perf_counter() - begin)

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(caller, range(callers)))
    return latencies


def compare(
    ways: dict[str, Any], run: Callable[[Turn, int], list[float]], turns: int, rounds: int
) -> dict[str, Measured]:
    """Run all ways round by round; the first round warms up and does not count."""
    measured = {name: Measured() for name in ways}
    for round_number in range(rounds + 1):
        for name, add in ways.items():
            share = turns if name in SHARING else max(2, turns // SHARE_OF_OTHERS)
            begin = time.perf_counter()
            latencies = run(partial(add, messages=TURN), share)
            if round_number:
                measured[name].add(time.perf_counter() - begin, latencies)
    return measured


def report(title: str, measured: dict[str, Measured]) -> None:
    """Print a table."""
    ours = measured[OURS]
    print(f"\n{title}\n")
    print("| way | turns/s | p50 ms | p99 ms | turns/s of this package | its p99 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, each in measured.items():
        print(
            f"| {name} | {each.rate:,.0f} | {each.percentile(50):,.1f} | "
            f"{each.percentile(99):,.1f} | {ours.rate / each.rate:.2f} times | "
            f"{ours.percentile(99) / each.percentile(99):.3f} of it |",
            flush=True,
        )


def compared(ways: dict[str, Any], callers: int) -> dict[str, Any]:
    """Return the ways that can be compared with so many callers."""
    if callers <= MOST_CALLERS_OF_OTHERS:
        return ways
    return {name: ways[name] for name in SHARING}


def compare_tasks(url: str, index: str, callers: int, turns: int, rounds: int) -> None:
    """Measure with tasks."""
    loop = asyncio.new_event_loop()
    client = AsyncElasticsearch(url, request_timeout=60)
    try:
        ways = ways_to_add(
            index,
            client,
            AsyncElasticsearchChatMessageHistory,
            langchain_elasticsearch.AsyncElasticsearchChatMessageHistory,
            callers,
        )
        measured = compare(
            compared(ways, callers),
            lambda turn, share: loop.run_until_complete(run_tasks(turn, callers, share)),
            turns,
            rounds,
        )
    finally:
        loop.run_until_complete(client.close())
        loop.close()
    report(f"{callers} tasks", measured)


def compare_threads(url: str, index: str, callers: int, turns: int, rounds: int) -> None:
    """Measure with threads."""
    with Elasticsearch(url, request_timeout=60) as client:
        ways = ways_to_add(
            index,
            client,
            ElasticsearchChatMessageHistory,
            langchain_elasticsearch.ElasticsearchChatMessageHistory,
            callers,
        )
        measured = compare(
            compared(ways, callers),
            lambda turn, share: run_threads(turn, callers, share),
            turns,
            rounds,
        )
    report(f"{callers} threads", measured)


def main() -> None:
    """Print a table for tasks and one for threads for each number of callers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, action="append", help="by default 64 and 512")
    parser.add_argument("--turns", type=int, default=60, help="of each caller and round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with server_and_index() as (url, index):
        for callers in options.callers or (64, 512):
            # As many turns in all, whatever the number of callers.
            turns = max(5, options.turns * MOST_CALLERS_OF_OTHERS // callers)
            compare_tasks(url, index, callers, turns, options.rounds)
            if callers <= MOST_CALLERS_OF_OTHERS:
                compare_threads(url, index, callers, turns, options.rounds)


if __name__ == "__main__":
    main()
