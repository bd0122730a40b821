"""How the cost of calls grows with the index: 10,000 messages and more, a tenth as many sessions.

All sizes take turns at each call, round by round, in an index each of one shard: first as they
were filled, then merged to one segment. Elasticsearch by itself merges to segments of 5 GB at
most, so merged is what an index comes to once it is no longer written to. The turns that are
added come into small segments of their own, in both. Every answer is checked. An import adds
20,000 messages in each round to the index itself, at the end.

With `--storage` it measures what a message needs on disk, with each codec and with an index that
is sorted by session, and what that costs, at one size.

Run it with `nox -s benchmark -- growth`, or for some sizes only, as in
`nox -s benchmark -- growth --messages=10000000 --segments=5`. What is kept of other sizes by the
same commit stays.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from calls import Call, StoreCalls, measure
from contenders import server
from elasticsearch import Elasticsearch
from figures import KEPT, Figures, commit, version_of
from filling import Corpus, Plan, bytes_a_message, fill, make_index, merge, whole_days

from elasticsearch_chat_history import ElasticsearchChatStore

NAME = "growth"
AS_FILLED = "What calls cost as the index grows, as filled"
MERGED = "What calls cost as the index grows, merged"
RATES = "What the index needs as it grows"
STORAGE = "What a message needs on disk"
SIZES = (10_000, 100_000, 1_000_000)
STORAGE_SIZE = 1_000_000
IMPORTED = 20_000
EXPORTED = 100_000
MEBIBYTE = 2**20
# Sorted so, the messages of a session are next to each other.
BY_SESSION = {
    "sort.field": ["session_id", "created_at", "seq"],
    "sort.order": ["asc", "asc", "asc"],
}
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "best_compression": {"codec": "best_compression"},
    "sorted by session": BY_SESSION,
    "both": {"codec": "best_compression", **BY_SESSION},
}


@dataclass(frozen=True)
class Filled:
    """An index that was filled.

    Attributes:
        plan: What with.
        store: Its store.
        calls: The calls of the store.
        rate: How many messages a second were stored.
    """

    plan: Plan
    store: ElasticsearchChatStore
    calls: StoreCalls
    rate: float

    @property
    def index(self) -> str:
        """Its name."""
        return self.store.index


@contextmanager
def filled_indices(
    client: Elasticsearch, url: str, plans: Mapping[str, Plan], settings: Mapping[str, Any]
) -> Iterator[dict[str, Filled]]:
    """Give an index for each column, with the settings for that column."""
    filled: dict[str, Filled] = {}
    names = {column: f"benchmark-{uuid.uuid4().hex}" for column in plans}
    try:
        for column, plan in plans.items():
            index = names[column]
            make_index(client, index, number_of_shards=1, **settings.get(column, {}))
            rate = fill(client, [url], index, plan)
            store = ElasticsearchChatStore(index, client=client)
            filled[column] = Filled(plan, store, StoreCalls(store, plan), rate)
            filled[column].calls.check_filled()
            print(f"{column}: {plan.messages:,} messages, {rate:,.0f} a second", flush=True)
        yield filled
    finally:
        for index in names.values():
            client.indices.delete(index=index, ignore_unavailable=True)


def all_calls(of: StoreCalls) -> list[Call]:
    """Return the rows of the tables."""
    return [
        of.add_turn(),
        of.last_messages(),
        of.last_messages_of_longest(),
        of.newest_sessions(),
        of.further_sessions(),
        of.sessions_by_id(),
        of.middle_sessions_by_id(),
        of.sessions_of_user(),
        of.count_sessions(),
        of.count_messages(),
        of.search_words(),
        of.search_phrase(),
        of.search_rare_word(),
        of.search_in_session(),
        of.search_in_longest(),
        of.search_by_user(),
    ]


def calls_of_storage(of: StoreCalls) -> list[Call]:
    """Return the calls that a sorted index or another codec may change."""
    return [
        of.add_turn(),
        of.last_messages(),
        of.last_messages_of_longest(),
        of.newest_sessions(),
        of.search_words(),
        of.search_in_session(),
    ]


def measure_calls(
    figures: Figures, table: str, columns: dict[str, list[Call]], options: argparse.Namespace
) -> None:
    """Add a table of calls."""
    medians = measure(columns, options.rounds, options.runs)
    for (row, column), values in medians.items():
        figures.add(table, row, column, "ms", values)


def export(filled: Filled) -> None:
    """Export up to so many messages."""
    expected = min(EXPORTED, filled.calls.messages)
    with closing(filled.store.export()) as records:
        exported = sum(1 for _ in islice(records, expected))
    if exported != expected:
        raise RuntimeError(f"{exported:,} messages were exported instead of {expected:,}")


def export_rate(filled: Filled) -> float:
    """Return how many messages a second are exported."""
    begin = time.perf_counter()
    export(filled)
    return min(EXPORTED, filled.calls.messages) / (time.perf_counter() - begin)


def export_memory(filled: Filled) -> float:
    """Return the most memory that Python's objects need during an export, in mebibytes."""
    tracemalloc.start()
    try:
        export(filled)
        return tracemalloc.get_traced_memory()[1] / MEBIBYTE
    finally:
        tracemalloc.stop()


def import_rate(filled: Filled, number: int) -> float:
    """Return how many messages a second are imported."""
    plan = filled.plan
    records = list(Plan(IMPORTED, plan.end, plan.corpus, seed=1 + number).records())
    begin = time.perf_counter()
    result = filled.store.import_(records)
    seconds = time.perf_counter() - begin
    if result.stored != IMPORTED:
        raise RuntimeError(f"{result.stored:,} messages were imported instead of {IMPORTED:,}")
    filled.calls.messages += IMPORTED
    return IMPORTED / seconds


def measure_rates(figures: Figures, indices: dict[str, Filled], rounds: int) -> None:
    """Add how fast messages are exported and imported."""
    for column, filled in indices.items():
        figures.add(RATES, "peak memory of an export", column, "MiB", [export_memory(filled)])
    exports: dict[str, list[float]] = {column: [] for column in indices}
    imports: dict[str, list[float]] = {column: [] for column in indices}
    # The export made its peak above, which was its warm-up; the first import does not count.
    for _ in range(rounds):
        for column, filled in indices.items():
            exports[column].append(export_rate(filled))
    for number in range(rounds + 1):
        for column, filled in indices.items():
            rate = import_rate(filled, number)
            if number:
                imports[column].append(rate)
    for column in indices:
        figures.add(RATES, "export", column, "messages/s", exports[column])
        figures.add(RATES, "import", column, "messages/s", imports[column])


def measure_growth(
    client: Elasticsearch, url: str, figures: Figures, options: argparse.Namespace
) -> None:
    """Measure all calls at all sizes."""
    corpus, end = Corpus.read(), now()
    plans = {label(size): Plan(size, end, corpus) for size in options.messages or SIZES}
    with filled_indices(client, url, plans, {}) as indices:
        add_sizes(client, figures, RATES, indices, "as filled")
        columns = {column: all_calls(filled.calls) for column, filled in indices.items()}
        measure_calls(figures, AS_FILLED, columns, options)
        if options.segments:
            for filled in indices.values():
                merge(client, filled.index, options.segments)
            add_sizes(client, figures, RATES, indices, "merged")
            measure_calls(figures, MERGED, columns, options)
        measure_rates(figures, indices, options.rounds)


def measure_storage(
    client: Elasticsearch, url: str, figures: Figures, options: argparse.Namespace
) -> None:
    """Measure what a message needs in each variant of the index, and what calls cost there."""
    (size,) = options.messages or (STORAGE_SIZE,)
    plan = Plan(size, now(), Corpus.read())
    with filled_indices(client, url, dict.fromkeys(VARIANTS, plan), VARIANTS) as indices:
        add_sizes(client, figures, STORAGE, indices, "as filled")
        for filled in indices.values():
            merge(client, filled.index)
        add_sizes(client, figures, STORAGE, indices, "merged")
        columns = {column: calls_of_storage(filled.calls) for column, filled in indices.items()}
        measure_calls(figures, STORAGE, columns, options)


def add_sizes(
    client: Elasticsearch, figures: Figures, table: str, indices: dict[str, Filled], when: str
) -> None:
    """Add the bytes a message and the segments, and the first time also the rate of filling."""
    for column, filled in indices.items():
        if when == "as filled":
            figures.add(table, "bulk requests by hand", column, "messages/s", [filled.rate])
        size = bytes_a_message(client, filled.index)
        figures.add(table, f"a message on disk, {when}", column, "bytes", [size])
        stats = client.indices.stats(index=filled.index, metric="segments")
        count = stats["_all"]["primaries"]["segments"]["count"]
        figures.add(table, f"the index, {when}", column, "segments", [count])


def add_kept(figures: Figures) -> None:
    """Take over what is kept of other sizes, if it is of the same code and server."""
    path = KEPT / f"{NAME}.json"
    code = commit()
    if not path.exists() or code.endswith("+"):
        return
    if json.loads(path.read_text(encoding="utf-8"))["commit"] != code:
        return
    kept = Figures.kept(NAME)
    if kept.server != figures.server:
        return
    measured = {(figure.table, figure.column) for figure in figures.figures}
    others = [one for one in kept.figures if (one.table, one.column) not in measured]
    figures.figures = sorted([*others, *figures.figures], key=lambda one: size_in(one.column))


def now() -> int:
    """Return the time in microseconds."""
    return time.time_ns() // 1000


def label(size: int) -> str:
    """Return a size as 10⁵, or as 250,000 where it is no power of ten."""
    digits = str(size)
    if digits.strip("0") != "1":
        return f"{size:,}"
    return "10" + str(len(digits) - 1).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def size_in(column: str) -> int:
    """Return the size that a label tells; 0 for another column."""
    sizes: dict[str, int] = {label(10**power): 10**power for power in range(1, 10)}
    digits = column.replace(",", "")
    return sizes.get(column, int(digits) if digits.isdecimal() else 0)


def main(argv: list[str] | None = None) -> int:
    """Print a table for each, and keep them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--messages",
        type=whole_days,
        action="append",
        help="the sizes, by default 10000, 100000 and 1000000; one with --storage",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=20, help="of each call and round")
    parser.add_argument("--segments", type=int, default=1, help="to merge to; 0 merges none")
    parser.add_argument("--storage", action="store_true", help="measure codecs and sorting")
    parser.add_argument("--keep", action="store_true", help="write benchmarks/figures/growth.json")
    options = parser.parse_args(argv)
    if options.storage and len(options.messages or ()) > 1:
        parser.error("--storage takes one size")
    url = server()
    with Elasticsearch(url, request_timeout=120) as client:
        figures = Figures(NAME, version_of(url))
        (measure_storage if options.storage else measure_growth)(client, url, figures, options)
    figures.print()
    if options.keep:
        add_kept(figures)
        print(figures.keep(vars(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
