"""What shards and routing cost: 1, 4 and 12 shards on three nodes, without replicas.

The nodes share the cores of this machine, so it does not show the throughput of three machines. It
shows to how many shards a call goes, and what each of them adds to its time: with routing, the
calls for one session go to one shard. Each shard is merged to one segment before.

A replica repeats the writes of its primary shard, and a write waits for it; so turns cost that
much more on the nodes, and one way through the network. A read goes to one copy of each shard,
whatever their number: replicas add machines that can answer, not requests.

It starts its own three nodes. Run it with `nox -s benchmark -- shards`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
import uuid
from dataclasses import dataclass
from itertools import cycle
from typing import Any, NamedTuple

from calls import Call, StoreCalls, measure
from contenders import TURN
from elasticsearch import AsyncElasticsearch, Elasticsearch
from figures import Figures
from filling import Corpus, Plan, fill, make_index, merge, whole_days
from langchain_core.messages import BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ElasticsearchChatStore
from local_elasticsearch import DEFAULT_VERSION, LocalElasticsearch

NAME = "shards"
CALLS = "What calls cost with more shards"
TURNS = "Turns of 16 tasks with more shards"
REQUESTS = "To how many shards a call goes"
NODES = 3
SHARDS = (1, 4, 12)
TASKS = 16
LONG_SESSIONS = 20
# The shards of a turn depend on the ids of its messages, unless there is routing.
COUNTED_CALLS = 20
LONG: list[BaseMessage] = [HumanMessage(f"message number {number}") for number in range(100)]
# What a shard is asked, as its statistics name it: a query, or its part of a bulk request.
WORK = (("search", "query_total"), ("bulk", "total_operations"))


class Layout(NamedTuple):
    """How an index is divided."""

    shards: int
    routing: bool

    def __str__(self) -> str:
        """Name the column of a table."""
        shards = "1 shard" if self.shards == 1 else f"{self.shards} shards"
        return f"{shards}, routing" if self.routing else shards


LAYOUTS = [Layout(shards, routing) for shards in SHARDS for routing in (False, True)]


@dataclass(frozen=True)
class Divided:
    """An index that was filled.

    Attributes:
        layout: How it is divided.
        store: Its store.
        calls: The calls of the store.
        long_sessions: The ids of sessions of 100 messages.
    """

    layout: Layout
    store: ElasticsearchChatStore
    calls: StoreCalls
    long_sessions: list[str]

    def read_session(self) -> Call:
        """Read a session of 100 messages."""
        chosen = cycle(self.long_sessions)
        return Call(
            "read a session of 100",
            lambda session_id: self.store.session(session_id).get_messages(),
            lambda _, answer: answer == LONG,
            lambda: next(chosen),
        )

    def all_calls(self) -> list[Call]:
        """Return the rows of the table."""
        return [
            self.calls.add_turn(),
            self.calls.last_messages(),
            self.read_session(),
            self.calls.newest_sessions(),
            self.calls.sessions_by_id(),
            self.calls.count_messages(),
            self.calls.search_words(),
            self.calls.search_in_session(),
        ]


def divided_index(client: Elasticsearch, hosts: list[str], layout: Layout, plan: Plan) -> Divided:
    """Return an index that is filled and merged."""
    index = f"benchmark-{uuid.uuid4().hex}"
    make_index(client, index, routing=layout.routing, number_of_shards=layout.shards)
    rate = fill(client, hosts, index, plan, routing=layout.routing)
    store = ElasticsearchChatStore(index, client=client, routing=layout.routing)
    divided = Divided(layout, store, StoreCalls(store, plan), [])
    divided.calls.check_filled()
    for _ in range(LONG_SESSIONS):
        divided.long_sessions.append(uuid.uuid4().hex)
        store.session(divided.long_sessions[-1]).add_messages(LONG)
    divided.calls.sessions += LONG_SESSIONS
    divided.calls.messages += LONG_SESSIONS * len(LONG)
    merge(client, index)
    print(f"{layout}: {plan.messages:,} messages, {rate:,.0f} a second", flush=True)
    return divided


async def add_turns(hosts: list[str], divided: Divided, turns: int) -> tuple[float, float]:
    """Return turns a second of 16 tasks, and the median of a turn in milliseconds."""
    latencies: list[float] = []
    async with AsyncElasticsearch(hosts, request_timeout=60) as client:
        store = AsyncElasticsearchChatStore(
            divided.store.index, client=client, routing=divided.layout.routing
        )
        histories = [store.session(uuid.uuid4().hex) for _ in range(TASKS)]

        async def task(history: Any) -> None:
            for _ in range(turns):
                begin = time.perf_counter()
                await history.aadd_messages(TURN)
                latencies.append(time.perf_counter() - begin)

        # The first turns make connections.
        await asyncio.gather(*(history.aadd_messages(TURN) for history in histories))
        begin = time.perf_counter()
        await asyncio.gather(*map(task, histories))
        seconds = time.perf_counter() - begin
    divided.calls.sessions += TASKS
    divided.calls.messages += TASKS * (turns + 1) * len(TURN)
    return len(latencies) / seconds, statistics.median(latencies) * 1000


def measure_turns(
    figures: Figures, hosts: list[str], columns: dict[str, Divided], options: argparse.Namespace
) -> None:
    """Add what many tasks reach; the layouts take turns, and the first round does not count."""
    found: dict[str, list[tuple[float, float]]] = {column: [] for column in columns}
    for _ in range(options.rounds + 1):
        for column, divided in columns.items():
            found[column].append(asyncio.run(add_turns(hosts, divided, options.turns)))
    for column, values in found.items():
        rates, medians = zip(*values[1:], strict=True)
        figures.add(TURNS, "turns", column, "turns/s", list(rates))
        figures.add(TURNS, "median of a turn", column, "ms", list(medians))


def work_of(client: Elasticsearch, index: str) -> int:
    """Return how many requests the shards of an index have answered."""
    stats = client.indices.stats(index=index, metric=[metric for metric, _ in WORK])
    return sum(int(stats["_all"]["total"][metric][name]) for metric, name in WORK)


def count_requests(figures: Figures, client: Elasticsearch, columns: dict[str, Divided]) -> None:
    """Add to how many shards a call goes, on average; one that is asked twice counts twice."""
    for column, divided in columns.items():
        for call in divided.all_calls():
            # What is remembered of an index spares requests.
            call.seconds()
            requests = 0
            for _ in range(COUNTED_CALLS):
                chosen = call.choose()
                before = work_of(client, divided.store.index)
                answer = call.run(chosen)
                requests += work_of(client, divided.store.index) - before
                call.check(chosen, answer)
            figures.add(REQUESTS, call.name, column, "requests", [requests / COUNTED_CALLS])


def main(argv: list[str] | None = None) -> int:
    """Print a table for each, and keep them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=whole_days, default=100_000, help="in each index")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=20, help="of each call and round")
    parser.add_argument("--turns", type=int, default=20, help="of each task and round")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/figures/shards.json")
    options = parser.parse_args(argv)
    plan = Plan(options.messages, time.time_ns() // 1000, Corpus.read())
    figures = Figures(NAME, DEFAULT_VERSION)
    with (
        LocalElasticsearch(nodes=NODES, heap="1g", quick_start=False) as cluster,
        Elasticsearch(cluster.urls, request_timeout=120) as client,
    ):
        columns = {
            str(layout): divided_index(client, cluster.urls, layout, plan) for layout in LAYOUTS
        }
        count_requests(figures, client, columns)
        calls = {column: divided.all_calls() for column, divided in columns.items()}
        medians = measure(calls, options.rounds, options.runs)
        for (row, column), values in medians.items():
            figures.add(CALLS, row, column, "ms", values)
        measure_turns(figures, cluster.urls, columns, options)
    figures.print()
    if options.keep:
        print(figures.keep(vars(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
