"""Turns that several processes add to one index at once, with each refresh policy.

A service has several workers. Each shares its requests among its own tasks only. All runs take
turns, round by round, each with an index of its own, whose messages are counted at the end. Run it
with `nox -s benchmark -- several_processes`.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Literal, NamedTuple

from contenders import TURN, server, server_and_index
from elasticsearch import AsyncElasticsearch, Elasticsearch
from figures import Figures, version_of

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
        interval = f", every {self.interval}" if self.interval else ""
        return f"`refresh={self.refresh!r}`{interval}"


POLICIES = (
    Policy(refresh=True),
    *(Policy("wait_for", interval) for interval in ("50ms", "100ms", "200ms", "500ms", "1s")),
    Policy(refresh=False),
)


class Job(NamedTuple):
    """What one process has to do."""

    url: str
    index_name: str
    policy: Policy
    seconds: float


def work(parent: Connection) -> None:
    """Do what the parent sends until that is nothing."""
    while (job := parent.recv()) is not None:
        parent.send(asyncio.run(add_turns(job, parent)))


async def add_turns(job: Job, parent: Connection) -> list[float]:
    """Return the seconds of each turn, after one that does not count."""
    latencies: list[float] = []
    async with AsyncElasticsearch(job.url, request_timeout=60) as client:
        store = AsyncElasticsearchChatStore(
            job.index_name, client=client, refresh=job.policy.refresh
        )
        histories = [store.session(uuid.uuid4().hex) for _ in range(TASKS)]
        await asyncio.gather(*(history.aadd_messages(TURN) for history in histories))
        parent.send("ready")
        await asyncio.to_thread(parent.recv)
        end = time.perf_counter() + job.seconds

        async def task(number: int) -> None:
            while (begin := time.perf_counter()) < end:
                await histories[number].aadd_messages(TURN)
                latencies.append(time.perf_counter() - begin)

        await asyncio.gather(*(task(number) for number in range(TASKS)))
    return latencies


@contextmanager
def workers(number: int) -> Iterator[list[Connection]]:
    """Start so many processes; gives the ends of their pipes."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(number)]
    processes = [context.Process(target=work, args=(theirs,), daemon=True) for _, theirs in pipes]
    for process in processes:
        process.start()
    yield [ours for ours, _ in pipes]
    for ours, _ in pipes:
        ours.send(None)
    for process in processes:
        process.join()


def answer_of(process: Connection) -> Any:
    """Return what a process sends."""
    if not process.poll(START_SECONDS):
        raise TimeoutError("a process does not answer")
    return process.recv()


def run(policy: Policy, processes: Sequence[Connection], seconds: float) -> list[float]:
    """Return the seconds of all turns of these processes."""
    with server_and_index() as (url, index), Elasticsearch(url) as client:
        if policy.interval is not None:
            client.indices.put_settings(
                index=index, settings={"refresh_interval": policy.interval}
            )
        for process in processes:
            process.send(Job(url, index, policy, seconds))
        for process in processes:
            answer_of(process)
        for process in processes:
            process.send("begin")
        latencies: list[float] = []
        for process in processes:
            latencies += answer_of(process)
        client.indices.refresh(index=index)
        stored = ElasticsearchChatStore(index, client=client).count_messages()
        expected = len(TURN) * (len(latencies) + len(processes) * TASKS)
        if stored != expected:
            raise RuntimeError(f"{stored} messages are stored instead of {expected}")
    return latencies


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table with a row for each policy and a column for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, action="append", help="by default 1, 4 and 16")
    parser.add_argument("--keep", action="store_true", help="write the figures for the docs")
    options = parser.parse_args(argv)
    numbers = options.processes or PROCESSES
    rates: dict[tuple[Policy, int], list[float]] = defaultdict(list)
    medians: dict[tuple[Policy, int], list[float]] = defaultdict(list)
    slowest: dict[tuple[Policy, int], list[float]] = defaultdict(list)
    with workers(max(numbers)) as processes:
        for _ in range(options.rounds):
            for policy in POLICIES:
                for number in numbers:
                    latencies = run(policy, processes[:number], options.seconds)
                    parts = statistics.quantiles(latencies, n=100)
                    cell = policy, number
                    rates[cell].append(len(latencies) / options.seconds)
                    medians[cell].append(parts[49] * 1000)
                    slowest[cell].append(parts[98] * 1000)
                    print(f"{policy}, {number}: {rates[cell][-1]:,.0f} turns/s", flush=True)
    figures = Figures("several_processes", version_of(server()))
    for policy in POLICIES:
        for number in numbers:
            column = f"{number} process" if number == 1 else f"{number} processes"
            for table, unit, values in (
                (f"Turns of {TASKS} tasks a process", "turns/s", rates),
                ("Half of the turns take less than", "ms", medians),
                ("Of a hundred turns, 99 take less than", "ms", slowest),
            ):
                figures.add(table, str(policy), column, unit, values[policy, number])
    figures.print()
    if options.keep:
        figures.keep(vars(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
