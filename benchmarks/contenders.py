"""The ways of storing a turn that are compared: ours, a plain bulk request, and upstream."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from elasticsearch import Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history._documents.document import documents_of
from elasticsearch_chat_history._documents.fields import PROPERTIES, IndexLayout

OURS, PLAIN, UPSTREAM = "this package", "a bulk request a caller", "langchain-elasticsearch"
TURN: list[BaseMessage] = [
    HumanMessage("What is the difference between a primary shard and a replica?"),
    AIMessage("A primary shard takes the writes; a replica is a copy of it on another node."),
]


@contextmanager
def server_and_index() -> Iterator[tuple[str, str]]:
    """Give the address of a server and the name of an index with our mapping."""
    index = f"benchmark-{uuid.uuid4().hex}"
    url = os.environ.get("ES_URL") or "http://localhost:9200"
    with Elasticsearch(url) as client:
        client.indices.create(index=index, mappings={"properties": PROPERTIES})
        try:
            yield url, index
        finally:
            client.indices.delete(index=index)


def plain_operations(session_id: str, messages: list[BaseMessage]) -> list[dict[str, Any]]:
    """Return the bulk operations that store the same documents without this package."""
    now = time.time_ns() // 1000
    return [
        part
        for document in documents_of(messages, session_id, range(now, now + len(messages)))
        for part in ({"create": {"_id": document.id}}, document.source(IndexLayout(complete=True)))
    ]


def ways_to_add(
    index: str, client: Any, ours: type, upstream: type, callers: int = 1
) -> dict[str, Callable[[int, list[BaseMessage]], Any]]:
    """Return for each way what adds messages for caller number n; awaitable for async clients."""
    our_histories = [ours(index, f"ours-{number}", client=client) for number in range(callers)]
    theirs = [upstream(index, f"theirs-{number}", client=client) for number in range(callers)]
    add = "aadd_messages" if ours.__name__.startswith("Async") else "add_messages"
    return {
        OURS: lambda number, messages: getattr(our_histories[number], add)(messages),
        PLAIN: lambda number, messages: client.bulk(
            index=index, operations=plain_operations(f"plain-{number}", messages), refresh=True
        ),
        UPSTREAM: lambda number, messages: getattr(theirs[number], add)(messages),
    }
