"""One caller alone: a turn, a thousand messages, reading them, and the end of a long session.

Run it with `nox -s benchmark -- one_caller`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import langchain_elasticsearch
from contenders import OURS, PLAIN, TURN, UPSTREAM, server_and_index, ways_to_add
from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk
from langchain_core.messages import BaseMessage, HumanMessage

from elasticsearch_chat_history import ElasticsearchChatMessageHistory
from elasticsearch_chat_history._documents.document import documents_of
from elasticsearch_chat_history._documents.fields import IndexLayout
from elasticsearch_chat_history._queries.selection import session_query, total_order

THOUSAND: list[BaseMessage] = [HumanMessage(f"message number {n}") for n in range(1000)]


def alternate(ways: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Return for each way its median in milliseconds; the ways take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(runs):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(each) * 1000 for name, each in seconds.items()}


def report(title: str, medians: dict[str, float]) -> None:
    """Print a table."""
    first = next(iter(medians.values()))
    print(f"\n{title}\n\n| way | median ms | to the first |\n| --- | --- | --- |")
    for name, median in medians.items():
        print(f"| {name} | {median:,.2f} | {median / first:.3f} |", flush=True)


def compare_adding(client: Elasticsearch, index: str, runs: int) -> None:
    """Measure a turn and a thousand messages."""
    ways = ways_to_add(
        index,
        client,
        ElasticsearchChatMessageHistory,
        langchain_elasticsearch.ElasticsearchChatMessageHistory,
    )
    order = (PLAIN, OURS, UPSTREAM)
    turn = {name: partial(ways[name], 0, TURN) for name in order}
    report("Add one turn of two messages", alternate(turn, runs))
    thousand = {name: partial(ways[name], 0, THOUSAND) for name in order}
    report("Add 1,000 messages", alternate(thousand, max(2, runs // 100)))


def compare_reading(client: Elasticsearch, index: str, runs: int) -> None:
    """Measure reading a thousand messages."""
    upstream = langchain_elasticsearch.ElasticsearchChatMessageHistory
    ours = ElasticsearchChatMessageHistory(index, "read", client=client)
    ours.add_messages(THOUSAND)
    read = len(upstream(index, "read", client=client).messages)
    print(f"\nlangchain-elasticsearch reads {read} of {len(ours.messages)} messages.")
    search: dict[str, Any] = {
        "index": index,
        "query": session_query("read"),
        "sort": total_order(),
        "size": 1000,
        "source": {"includes": ["history"]},
    }
    ways: dict[str, Callable[[], Any]] = {
        "a plain search, not decoded": lambda: client.search(**search),
        OURS: ours.get_messages,
        UPSTREAM: lambda: upstream(index, "read", client=client).messages,
    }
    report("Read 1,000 messages", alternate(ways, max(2, runs // 10)))


def compare_windows(client: Elasticsearch, index: str, runs: int, length: int) -> None:
    """Measure the last 20 messages of sessions of all lengths."""
    ways: dict[str, Callable[[], Any]] = {}
    begin = time.time_ns() // 1000 - length * 1000
    for messages in (100, length):
        session_id = f"session of {messages:,}"
        actions = (
            {
                "_op_type": "create",
                "_index": index,
                "_id": document.id,
                **document.source(IndexLayout(complete=True)),
            }
            for start in range(0, messages, 1000)
            for document in documents_of(
                THOUSAND[: min(1000, messages)],
                session_id,
                range(begin + start * 1000, begin + (start + min(1000, messages)) * 1000, 1000),
            )
        )
        bulk(client, actions, chunk_size=5000)
        history = ElasticsearchChatMessageHistory(
            index, session_id, client=client, history_size=20
        )
        ways[session_id] = history.get_messages
    client.indices.refresh(index=index)
    report("Read the last 20 messages", alternate(ways, runs))


def main() -> None:
    """Print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--length", type=int, default=1_000_000, help="of the long session")
    options = parser.parse_args()
    with server_and_index() as (url, index), Elasticsearch(url, request_timeout=60) as client:
        compare_adding(client, index, options.runs)
        compare_reading(client, index, options.runs)
        compare_windows(client, index, options.runs, options.length)


if __name__ == "__main__":
    main()
