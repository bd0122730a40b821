"""Turns that several processes add to one index at once, with each refresh policy.

A service has several workers. Each shares its requests among its own tasks only, and forces its
own refreshes. All runs take turns, round by round, each with an index of its own, whose messages
are counted at the end. Run it with `nox -s benchmark -- several_processes`.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from contenders import TURN, server_and_index
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ElasticsearchChatStore

TASKS = 16  # of each process
PROCESSES = (1, 4, 16)
START_SECONDS = 120


class Policy(NamedTuple):
    """When a call returns, and how often the index refreshes by itself."""

    refresh: bool | Literal["wait_for"]
    interval: str | None = None

    def __str__(self) -> str:
        """Name it as the arguments do."""
        interval = f", refresh_interval={self.interval!r}" if self.interval else ""
        return f"refresh={self.refresh!r}{interval}"


POLICIES = (
    Policy(refresh=True),
    *(Policy("wait_for", interval) for interval in ("50ms", "100ms", "200ms", "500ms", "1s")),
    Policy(refresh=False),
)


@dataclass
class Work:
    """What one process has to do, and how it is told to begin."""

    url: str
    index: str
    policy: Policy
    seconds: float
    ready: Any
    begin: Any
    results: Any


def worker(work: Work) -> None:
    """Add turns for some seconds, and tell how long each took."""
    work.results.put(asyncio.run(add_turns(work)))


async def add_turns(work: Work) -> list[float]:
    """Return the seconds of each turn, after one that does not count."""
    latencies: list[float] = []
    async with AsyncElasticsearch(work.url, request_timeout=60) as client:
        store = AsyncElasticsearchChatStore(work.index, client=client, refresh=work.policy.refresh)
        histories = [store.session(uuid.uuid4().hex) for _ in range(TASKS)]
        await asyncio.gather(*(history.aadd_messages(TURN) for history in histories))
        work.ready.release()
        await asyncio.to_thread(work.begin.wait)
        end = time.perf_counter() + work.seconds

        async def task(history: Any) -> None:
            while (begin := time.perf_counter()) < end:
                await history.aadd_messages(TURN)
                latencies.append(time.perf_counter() - begin)

        await asyncio.gather(*(task(history) for history in histories))
    return latencies


def run(policy: Policy, processes: int, seconds: float) -> list[float]:
    """Return the seconds of all turns of so many processes."""
    context = multiprocessing.get_context("spawn")
    with server_and_index() as (url, index), Elasticsearch(url) as client:
        if policy.interval is not None:
            client.indices.put_settings(
                index=index, settings={"refresh_interval": policy.interval}
            )
        ready, begin, results = context.Semaphore(0), context.Event(), context.Queue()
        work = Work(url, index, policy, seconds, ready, begin, results)
        workers = [context.Process(target=worker, args=(work,)) for _ in range(processes)]
        for each in workers:
            each.start()
        for _ in workers:
            if not ready.acquire(timeout=START_SECONDS):
                raise TimeoutError("a process did not start")
        begin.set()
        latencies = [latency for _ in workers for latency in results.get()]
        for each in workers:
            each.join()
        client.indices.refresh(index=index)
        stored = ElasticsearchChatStore(index, client=client).count_messages()
        expected = len(TURN) * (len(latencies) + processes * TASKS)
        if stored != expected:
            raise RuntimeError(f"{stored} messages are stored instead of {expected}")
    return latencies


def main() -> None:
    """Print a table with a row for each policy and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, action="append", help="by default 1, 4 and 16")
    options = parser.parse_args()
    cells = [
        (policy, processes) for policy in POLICIES for processes in options.processes or PROCESSES
    ]
    rates: dict[tuple[Policy, int], list[float]] = defaultdict(list)
    latencies: dict[tuple[Policy, int], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for cell in cells:
            seconds_of_turns = run(*cell, options.seconds)
            rates[cell].append(len(seconds_of_turns) / options.seconds)
            latencies[cell] += seconds_of_turns
    print(f"\nTurns of {TASKS} tasks a process\n")
    print("| policy | processes | turns/s | lowest and highest round | p50 ms | p99 ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for policy, processes in cells:
        rate = rates[policy, processes]
        parts = statistics.quantiles(latencies[policy, processes], n=100)
        print(
            f"| `{policy}` | {processes} | {statistics.median(rate):,.0f} | "
            f"{min(rate):,.0f} to {max(rate):,.0f} | {parts[49] * 1000:,.1f} | "
            f"{parts[98] * 1000:,.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
