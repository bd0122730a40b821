"""The ways of storing a turn that are compared: ours, bulk requests by hand, and upstream."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history._documents.document import documents_of
from elasticsearch_chat_history._documents.fields import PROPERTIES, IndexLayout

OURS, PLAIN, UPSTREAM = "this package", "a bulk request a caller", "langchain-elasticsearch"
SHARED = "the least that shares a bulk request"
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


class SharedBulk:
    """The least that shares a bulk request by hand: a list, a flag, and a future for each caller.

    It is the limit for tasks: it checks no argument, retries nothing, and loses all if it fails.
    """

    def __init__(self, client: AsyncElasticsearch, index: str) -> None:
        self._client = client
        self._index = index
        self._waiting: list[tuple[list[dict[str, Any]], asyncio.Future[None]]] = []
        self._busy = False

    async def add(self, session_id: str, messages: list[BaseMessage]) -> None:
        """Store a turn."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((plain_operations(session_id, messages), done))
        if not self._busy:
            self._busy = True
            while self._waiting:
                batch, self._waiting = self._waiting, []
                lines = [line for operations, _ in batch for line in operations]
                answer = await self._client.bulk(
                    index=self._index, operations=lines, refresh=True, filter_path="errors"
                )
                check(answer)
                for _, waiter in batch:
                    waiter.set_result(None)
            self._busy = False
        await done


class SharedBulkOfThreads:
    """The same for threads: a lock, a list, and an event for each caller."""

    def __init__(self, client: Elasticsearch, index: str) -> None:
        self._client = client
        self._index = index
        self._waiting: list[tuple[list[dict[str, Any]], threading.Event]] = []
        self._busy = False
        self._lock = threading.Lock()

    def add(self, session_id: str, messages: list[BaseMessage]) -> None:
        """Store a turn."""
        done = threading.Event()
        operations = plain_operations(session_id, messages)
        with self._lock:
            self._waiting.append((operations, done))
            leads, self._busy = not self._busy, True
        while leads:
            with self._lock:
                batch, self._waiting = self._waiting, []
                leads = self._busy = bool(batch)
            if batch:
                lines = [line for each, _ in batch for line in each]
                answer = self._client.bulk(
                    index=self._index, operations=lines, refresh=True, filter_path="errors"
                )
                check(answer)
                for _, waiter in batch:
                    waiter.set()
        done.wait()


def check(answer: Any) -> None:
    """End the benchmark if a bulk request has stored less than it was given."""
    if answer["errors"]:
        raise RuntimeError("a bulk request has failed in part")


def ways_to_add(
    index: str, client: Any, ours: type, upstream: type, callers: int = 1
) -> dict[str, Callable[[int, list[BaseMessage]], Any]]:
    """Return for each way what adds messages for caller number n; awaitable for async clients."""
    our_histories = [ours(index, f"ours-{number}", client=client) for number in range(callers)]
    theirs = [upstream(index, f"theirs-{number}", client=client) for number in range(callers)]
    is_async = isinstance(client, AsyncElasticsearch)
    add = "aadd_messages" if is_async else "add_messages"
    shared: Any = (SharedBulk if is_async else SharedBulkOfThreads)(client, index)
    return {
        SHARED: lambda number, messages: shared.add(f"shared-{number}", messages),
        OURS: lambda number, messages: getattr(our_histories[number], add)(messages),
        PLAIN: lambda number, messages: client.bulk(
            index=index, operations=plain_operations(f"plain-{number}", messages), refresh=True
        ),
        UPSTREAM: lambda number, messages: getattr(theirs[number], add)(messages),
    }
