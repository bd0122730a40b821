"""Turns of two messages by many callers at once, each visible to every search when it returns.

All contenders take turns, round by round in an order that changes, so that the ratios hold on a
noisy machine; a first round warms up. At the end all sessions are read, and compared with what was
acknowledged. Run it with `nox -s benchmark -- concurrent_turns`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from inspect import isawaitable

from contenders import (
    OURS,
    PLAIN,
    SHARED,
    TOLD,
    ByHand,
    ByHandAsync,
    Contender,
    Ours,
    OursAsync,
    SharedBulk,
    SharedBulkOfThreads,
    SharedBulkTold,
    new_index,
    server,
)
from elasticsearch import AsyncElasticsearch, Elasticsearch
from figures import Figures, version_of
from measuring import Record, Rows, arguments, finish, parsed
from messages import Kind, kinds
from others import (
    SQLITE,
    UPSTREAM,
    on_elasticsearch,
    on_postgresql,
    on_postgresql_async,
    on_redis,
    on_sqlite,
)

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ElasticsearchChatStore

EXACT = (SHARED, TOLD, OURS, PLAIN)
# Those whose callers wait for each other's disk need so much longer that fewer turns are enough.
SLOW = (PLAIN, UPSTREAM, SQLITE)
SHARE_OF_THE_SLOW = 10
ROUNDS_FOR_THE_SLOW = 3  # they take part in the first of so many
ROUNDS = 15  # of a second or two, so that all see the same noise of the machine
MOST_CALLERS_OF_ALL = 64  # with more, only those that share their requests are compared
CALLERS = (64, 512)
# With their units. The last is the processor time of a turn in the process of the callers.
ROWS = {"turns/s": "turns/s", "p50": "ms", "p99": "ms", "client": "µs"}


class Crowd:
    """One contender with many callers, each with a session of its own."""

    def __init__(self, contender: Contender, kind: Kind, callers: int, table: str) -> None:
        self.name = contender.name
        self.record = Record(contender.name, exact=contender.name in EXACT)
        self._contender = contender
        self._kind = kind
        self.callers = callers
        self.table = table

    async def by_tasks(self, turns: int) -> list[float]:
        """Return the seconds of each turn of all callers, which are tasks."""
        latencies: list[float] = []

        async def caller(number: int) -> None:
            session = f"{self.table}, {number}"
            identity = self.record.session_id(session)
            for _ in range(turns):
                turn = self._kind.turn(number + len(self.record.sessions[session]))
                begin = time.perf_counter()
                await self._contender.add(identity, turn)
                latencies.append(time.perf_counter() - begin)
                self.record.note(session, turn)

        await asyncio.gather(*map(caller, range(self.callers)))
        return latencies

    def by_threads(self, pool: ThreadPoolExecutor, turns: int) -> list[float]:
        """Return the seconds of each turn of all callers, which are threads."""
        latencies: list[float] = []

        def caller(number: int) -> None:
            session = f"{self.table}, {number}"
            identity = self.record.session_id(session)
            for _ in range(turns):
                turn = self._kind.turn(number + len(self.record.sessions[session]))
                begin = time.perf_counter()
                self._contender.add(identity, turn)
                latencies.append(time.perf_counter() - begin)
                self.record.note(session, turn)

        list(pool.map(caller, range(self.callers)))
        return latencies

    async def count(self) -> tuple[int, int]:
        """Read all; return how many messages were acknowledged, and how many are there."""
        sessions = self.record.sessions
        identities = map(self.record.session_id, sessions)
        answers = [self._contender.read(identity) for identity in identities]
        if any(map(isawaitable, answers)):
            answers = await asyncio.gather(*answers)
        for session, found in zip(sessions, answers, strict=True):
            self.record.compare(session, found)
        return sum(map(len, sessions.values())), sum(map(len, answers))


@dataclass(frozen=True)
class Comparison:
    """What is compared on one server, and where the figures go."""

    url: str
    kind: Kind
    figures: Figures
    options: argparse.Namespace

    async def tasks(self, callers: int) -> None:
        """Measure with tasks."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                AsyncElasticsearch(self.url, request_timeout=60)
            )
            store = AsyncElasticsearchChatStore(self.index(stack), es_url=self.url)
            contenders: list[Contender] = [
                SharedBulk(SHARED, client, self.index(stack)),
                OursAsync(OURS, await stack.enter_async_context(store)),
            ]
            if not self.options.quick:
                contenders.insert(1, SharedBulkTold(TOLD, client, self.index(stack)))
                if callers <= MOST_CALLERS_OF_ALL:
                    contenders.append(ByHandAsync(PLAIN, client, self.index(stack)))
                    contenders += stack.enter_context(on_elasticsearch(self.url, client))
                    contenders += await stack.enter_async_context(on_postgresql_async(callers))
            await self.compare(f"{callers} tasks", contenders, callers, Crowd.by_tasks)

    async def threads(self, callers: int) -> None:
        """Measure with threads."""
        with ExitStack() as stack:
            client = stack.enter_context(Elasticsearch(self.url, request_timeout=60))
            pool = stack.enter_context(ThreadPoolExecutor(callers))
            store = ElasticsearchChatStore(self.index(stack), es_url=self.url)
            contenders: list[Contender] = [
                SharedBulkOfThreads(SHARED, client, self.index(stack)),
                Ours(OURS, stack.enter_context(store)),
            ]
            if not self.options.quick:
                contenders.append(ByHand(PLAIN, client, self.index(stack)))
                contenders += stack.enter_context(on_elasticsearch(self.url, client))
                contenders += stack.enter_context(on_sqlite(callers))
                contenders += stack.enter_context(on_postgresql(callers))
                contenders += stack.enter_context(on_redis())

            async def run(crowd: Crowd, turns: int) -> list[float]:
                return await asyncio.to_thread(crowd.by_threads, pool, turns)

            await self.compare(f"{callers} threads", contenders, callers, run)

    async def compare(
        self,
        table: str,
        contenders: Sequence[Contender],
        callers: int,
        run: Callable[[Crowd, int], Awaitable[list[float]]],
    ) -> None:
        """Measure all round by round, and count what they have stored."""
        values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        crowds = [Crowd(contender, self.kind, callers, table) for contender in contenders]
        order = random.Random(table)  # noqa: S311  # the order is no secret
        fast = [crowd for crowd in crowds if crowd.name not in SLOW]
        for number in range(self.options.rounds + 1):
            those = crowds if not number or number % ROUNDS_FOR_THE_SLOW == 1 else fast
            for crowd in order.sample(those, len(those)):
                begin, used = time.perf_counter(), time.process_time()
                latencies = await run(crowd, self.turns_of_each(crowd))
                taken, used = time.perf_counter() - begin, time.process_time() - used
                cuts = statistics.quantiles(latencies, n=100)
                if number:
                    values["turns/s", crowd.name].append(len(latencies) / taken)
                    values["p50", crowd.name].append(cuts[49] * 1000)
                    values["p99", crowd.name].append(cuts[98] * 1000)
                    values["client", crowd.name].append(used / len(latencies) * 1e6)
        for row, unit in ROWS.items():
            for crowd in crowds:
                self.figures.add(table, row, crowd.name, unit, values[row, crowd.name])
        print(f"\n{table}: messages acknowledged, and found at the end\n", flush=True)
        for crowd in crowds:
            acknowledged, found = await crowd.count()
            print(f"{crowd.name}: {acknowledged:,}, {found:,}", flush=True)

    def index(self, stack: ExitStack | AsyncExitStack) -> str:
        """Make an index, until the stack is closed."""
        return stack.enter_context(new_index(self.url))

    def turns_of_each(self, crowd: Crowd) -> int:
        """Return how many turns each caller adds in a round: fewer where there are more."""
        turns: int = max(10, self.options.turns * MOST_CALLERS_OF_ALL // crowd.callers)
        return max(2, turns // SHARE_OF_THE_SLOW) if crowd.name in SLOW else turns


async def measure(options: argparse.Namespace, chosen: Rows | None) -> Figures:
    """Return the figures of the tables with the chosen rows; None chooses all."""
    tables = None if chosen is None else {table for table, _ in chosen}
    url = server()
    figures = Figures("concurrent_turns", version_of(url), {OURS: SHARED, TOLD: SHARED})
    comparison = Comparison(url, kinds()[0], figures, options)
    for callers in options.callers or CALLERS:
        if tables is None or f"{callers} tasks" in tables:
            await comparison.tasks(callers)
        if callers <= MOST_CALLERS_OF_ALL and (tables is None or f"{callers} threads" in tables):
            await comparison.threads(callers)
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for tasks and one for threads for each number of callers."""
    parser = arguments(__doc__)
    parser.add_argument("--callers", type=int, action="append", help="by default 64 and 512")
    parser.add_argument("--turns", type=int, default=30, help="of each of 64 callers in a round")
    options = parsed(parser, argv, rounds=ROUNDS, quick_rounds=3)
    return finish(options, lambda chosen: asyncio.run(measure(options, chosen)))


if __name__ == "__main__":
    sys.exit(main())
