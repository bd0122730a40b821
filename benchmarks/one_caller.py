"""One caller alone, with three kinds of messages and all ways of storing them.

The ways take turns, call by call and in an order that changes with each call. A round does all
that is measured once more; the median of a round is one value, and a first round that is shorter
warms up. Each answer is compared with what was written.
Run it with `nox -s benchmark -- one_caller`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import cycle, islice
from typing import Any, NamedTuple

from contenders import (
    BY_HAND,
    BY_HAND_ASYNC,
    OURS_ASYNC,
    OURS_SYNC,
    ByHand,
    ByHandAsync,
    Contender,
    Ours,
    OursAsync,
    new_index,
    plain_document,
    server,
)
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import bulk
from figures import Figures, version_of
from measuring import Rows, Way, arguments, finish, parsed
from messages import Kind, kinds
from others import UPSTREAM, on_elasticsearch, on_postgresql, on_redis, on_sqlite

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ElasticsearchChatStore
from elasticsearch_chat_history._documents.document import time_ordered_id

LIMITS = {OURS_SYNC: BY_HAND, OURS_ASYNC: BY_HAND_ASYNC}
LAST = 20
LONG_SESSIONS = "Long sessions"
ROUNDS = 5
WARM_UP = 5  # times fewer calls than in a round
FEWER = 4  # times fewer calls with many messages, which take longer

Call = Callable[[Way, Kind, str, int], Awaitable[float]]


class Row(NamedTuple):
    """One thing to measure: how often in a round, and what returns its milliseconds."""

    name: str
    runs: int
    call: Call


async def add_turn(way: Way, kind: Kind, place: str, run: int) -> float:
    """Add a turn to a session that has some."""
    return await way.add(f"{place}, turns", kind.turn(run))


async def chat(way: Way, kind: Kind, place: str, run: int) -> float:
    """Read the last messages and add a turn, as a chat does for each question."""
    session = f"{place}, chat"
    if not run:
        await way.add(session, kind.messages(LAST))
    reading = await way.read_last(session, LAST)
    return reading + await way.add(session, kind.turn(LAST + run))


async def add_many(way: Way, kind: Kind, place: str, run: int) -> float:
    """Store a long session in one call."""
    return await way.add(f"{place}, many, {run}", kind.messages(kind.many))


async def read_short(way: Way, kind: Kind, _place: str, _run: int) -> float:
    """Read a session of a few messages."""
    return await way.read(f"{kind.name}, short")


async def read_last(way: Way, kind: Kind, _place: str, _run: int) -> float:
    """Read the last messages of a long session."""
    return await way.read_last(f"{kind.name}, long", LAST)


async def read_many(way: Way, kind: Kind, _place: str, _run: int) -> float:
    """Read a long session."""
    return await way.read(f"{kind.name}, long")


def name_of_many(kind: Kind) -> str:
    """Return the name of the row in which a long session is stored."""
    return f"add {kind.many:,} messages in one call"


def rows(kind: Kind, runs: int, chosen: Rows | None) -> list[Row]:
    """Return what is measured with a kind of messages; None chooses all."""
    fewer = max(3, runs // FEWER)
    every = [
        Row("add a turn", runs, add_turn),
        Row(f"last {LAST} and a turn", runs, chat),
        Row(name_of_many(kind), fewer, add_many),
        Row(f"read {LAST}", runs, read_short),
        Row(f"last {LAST} of {kind.many:,}", runs, read_last),
        Row(f"read {kind.many:,}", fewer, read_many),
    ]
    return [row for row in every if chosen is None or (kind.name, row.name) in chosen]


async def prepare(ways: Sequence[Way], kind: Kind) -> dict[str, float]:
    """Store the sessions that are read; return for each way how long the long one took."""
    taken = {}
    for way in ways:
        await way.add(f"{kind.name}, short", kind.messages(LAST))
        taken[way.name] = await way.add(f"{kind.name}, long", kind.messages(kind.many))
    return taken


async def compare(
    ways: Sequence[Way],
    compared: Sequence[Kind],
    options: argparse.Namespace,
    chosen: Rows | None,
) -> dict[tuple[str, str, str], list[float]]:
    """Return by kind, row and way the medians of all rounds."""
    values: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for kind in compared:
        taken = await prepare(ways, kind)
        if UPSTREAM in taken:
            # It takes many seconds each time, so this once is enough.
            values[kind.name, name_of_many(kind), UPSTREAM].append(taken[UPSTREAM])
    for number in range(options.rounds + 1):
        for kind in compared:
            for row in rows(kind, options.runs, chosen):
                medians = await one_round(ways, kind, row, number)
                for name, median in medians.items() if number else ():
                    values[kind.name, row.name, name].append(median)
        for way in ways:
            await way.check()
    return values


async def one_round(ways: Sequence[Way], kind: Kind, row: Row, number: int) -> dict[str, float]:
    """Return the median of each way; round 0 warms up."""
    runs = row.runs if number else max(1, row.runs // WARM_UP)
    order = random.Random(number)  # noqa: S311  # the order is no secret
    those = [way for way in ways if row.call is not add_many or way.name != UPSTREAM]
    taken: defaultdict[str, list[float]] = defaultdict(list)
    for run in range(runs):
        for way in order.sample(those, len(those)):
            taken[way.name].append(await row.call(way, kind, f"{kind.name}, {number}", run))
    return {name: statistics.median(each) for name, each in taken.items()}


async def compare_lengths(
    client: Elasticsearch, index: str, kind: Kind, figures: Figures, options: argparse.Namespace
) -> None:
    """Measure the last messages of a short session and of a very long one."""
    ours = Ours(OURS_SYNC, ElasticsearchChatStore(index, client=client))
    way = Way(ours, exact=True)
    lengths = (100, options.length)
    for length in lengths:
        session = f"session of {length:,}"
        store(client, index, kind, way.record.session_id(session), length)
        whole_turns = kind.messages(len(kind.turns) * len(kind.turns[0]))
        begin = (length - LAST) % len(whole_turns)
        way.record.note(session, [*islice(cycle(whole_turns), begin, begin + LAST)])
    client.indices.refresh(index=index)
    values: defaultdict[int, list[float]] = defaultdict(list)
    for _ in range(options.rounds + 1):
        taken: defaultdict[int, list[float]] = defaultdict(list)
        for _ in range(options.runs):
            for length in lengths:
                taken[length].append(await way.read_last(f"session of {length:,}", LAST))
        for length in lengths:
            values[length].append(statistics.median(taken[length]))
    for length in lengths:
        row = f"last {LAST} of {length:,}"
        figures.add(LONG_SESSIONS, row, OURS_SYNC, "ms", values[length][1:])


def store(client: Elasticsearch, index: str, kind: Kind, session_id: str, length: int) -> None:
    """Store a session of this length, a message each millisecond until now."""
    begin = time.time_ns() // 1000 - length * 1000

    def actions() -> Iterator[dict[str, Any]]:
        # The same texts again and again: as JSON once.
        turns = kind.messages(len(kind.turns) * len(kind.turns[0]))
        documents = [plain_document(session_id, message, 0) for message in turns]
        for number, document in enumerate(islice(cycle(documents), length)):
            seq = begin + number * 1000
            place = {"seq": seq, "created_at": seq // 1000}
            action = {"_op_type": "create", "_index": index, "_id": time_ordered_id(seq)}
            yield {**action, **document, **place}

    bulk(client, actions(), chunk_size=5000)


async def measure(options: argparse.Namespace, chosen: Rows | None) -> Figures:
    """Return the figures of the rows that are chosen; None chooses all."""
    compared = [kind for kind in kinds() if rows(kind, options.runs, chosen)]
    async with AsyncExitStack() as stack:
        url = server()

        def another() -> str:
            return stack.enter_context(new_index(url))

        figures = Figures("one_caller", version_of(url), LIMITS)
        client = stack.enter_context(Elasticsearch(url, request_timeout=60))
        async_client = await stack.enter_async_context(AsyncElasticsearch(url, request_timeout=60))
        async_store = AsyncElasticsearchChatStore(another(), es_url=url)
        ours: list[Contender] = [
            ByHand(BY_HAND, client, another()),
            Ours(OURS_SYNC, stack.enter_context(ElasticsearchChatStore(another(), es_url=url))),
            ByHandAsync(BY_HAND_ASYNC, async_client, another()),
            OursAsync(OURS_ASYNC, await stack.enter_async_context(async_store)),
        ]
        ways = [Way(contender, exact=True) for contender in ours]
        if not options.quick:
            for opened in (
                on_elasticsearch(url, client),
                on_sqlite(),
                on_postgresql(),
                on_redis(),
            ):
                others = stack.enter_context(opened)
                ways += [Way(contender, exact=False) for contender in others]
        values = await compare(ways, compared, options, chosen)
        for kind in compared:
            for row in rows(kind, options.runs, chosen):
                for way in ways:
                    key = (kind.name, row.name, way.name)
                    figures.add(*key, "ms", values[key])
        if not options.quick:
            await compare_lengths(client, another(), compared[0], figures, options)
    return figures


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for each kind of messages, and one for long sessions."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--runs", type=int, help="calls of each way in a round, by default 25, or 10 with --quick"
    )
    parser.add_argument("--length", type=int, default=1_000_000, help="of the long session")
    options = parsed(parser, argv, rounds=ROUNDS, quick_rounds=3)
    options.runs = options.runs or (10 if options.quick else 25)
    return finish(options, lambda chosen: asyncio.run(measure(options, chosen)))


if __name__ == "__main__":
    sys.exit(main())
