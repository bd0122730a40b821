"""The ways of storing messages that are compared, behind one interface: by hand, and this package.

By hand: requests of elasticsearch-py with the same documents, the same mapping and the same
searches as this package sends, without anything that guards them. It is the limit of what a class
over the same requests can reach. Many callers by hand share bulk requests, or send one each.
Other packages are in `others.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    message_to_dict,
    messages_from_dict,
)

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ElasticsearchChatStore,
)
from elasticsearch_chat_history._documents.document import time_ordered_id
from elasticsearch_chat_history._documents.fields import PROPERTIES, IndexLayout
from elasticsearch_chat_history._queries.last_messages import MOST_VISITED
from elasticsearch_chat_history._queries.selection import (
    PAGE_SIZE,
    messages_only,
    session_query,
    total_order,
)
from elasticsearch_chat_history._requests.bulk import (
    FILTER_PATH,
    created_in,
    failure_of_created,
)

OURS, PLAIN = "this package", "a bulk request a caller"
SHARED = "the least that shares a bulk request"
TOLD = "the same, told of each document"
BY_HAND, BY_HAND_ASYNC = "by hand", "by hand, async"
OURS_SYNC, OURS_ASYNC = f"{OURS} (sync)", f"{OURS} (async)"
TURN: list[BaseMessage] = [
    HumanMessage("What is the difference between a primary shard and a replica?"),
    AIMessage("A primary shard takes the writes; a replica is a copy of it on another node."),
]
WRITE_GUARD = IndexLayout(complete=True).write_guard


class Contender(Protocol):
    """A way of storing messages; what an asynchronous one returns is awaited.

    Attributes:
        name: What it is called in tables.
    """

    name: str

    def add(self, session_id: str, messages: Sequence[BaseMessage]) -> Any:
        """Store messages in one call."""

    def read(self, session_id: str) -> Any:
        """Return all messages of a session."""

    def read_last(self, session_id: str, count: int) -> Any:
        """Return the last messages of a session."""


@contextmanager
def server_and_index() -> Iterator[tuple[str, str]]:
    """Give the address of a server and the name of an index with our mapping."""
    url = server()
    with new_index(url) as index:
        yield url, index


def server() -> str:
    """Return the address of the server."""
    return os.environ.get("ES_URL") or "http://localhost:9200"


@contextmanager
def new_index(url: str) -> Iterator[str]:
    """Give the name of an index with our mapping; each contender has one, as if it were alone."""
    index = f"benchmark-{uuid.uuid4().hex}"
    with Elasticsearch(url) as client:
        client.indices.create(index=index, mappings={"properties": PROPERTIES})
        try:
            yield index
        finally:
            client.indices.delete(index=index)


def plain_operations(session_id: str, messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Return the bulk operations that store messages now."""
    now = time.time_ns() // 1000
    return [
        part
        for seq, message in enumerate(messages, now)
        for part in (
            {"create": {"_id": time_ordered_id(seq)}},
            plain_document(session_id, message, seq),
        )
    ]


def plain_document(session_id: str, message: BaseMessage, seq: int) -> dict[str, Any]:
    """Return the same document as this package stores."""
    return {
        "session_id": session_id,
        "created_at": seq // 1000,
        "history": json.dumps(message_to_dict(message)),
        "seq": seq,
        "content": message.text,
        "type": message.type,
    }


def plain_bulk(index: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the arguments of a bulk request."""
    return {"index": index, "operations": operations, "refresh": True, "filter_path": "errors"}


def plain_search(index: str, session_id: str, last: int | None = None) -> dict[str, Any]:
    """Return the arguments of the search that this package sends for a session."""
    return {
        "index": index,
        "query": messages_only([session_query(session_id)]),
        "sort": total_order(newest_first=last is not None),
        "source": {"includes": ["history"]},
        "allow_partial_search_results": False,
        **(
            {"size": PAGE_SIZE, "track_total_hits": PAGE_SIZE + 1}
            if last is None
            else {"size": last, "track_total_hits": False, "terminate_after": MOST_VISITED}
        ),
    }


def decoded(answer: Any) -> list[BaseMessage]:
    """Return the messages that a search has found."""
    return messages_from_dict(
        [json.loads(hit["_source"]["history"]) for hit in answer["hits"]["hits"]]
    )


def check(answer: Any) -> None:
    """End the benchmark if a bulk request has stored less than it was given."""
    if answer["errors"]:
        raise RuntimeError("a bulk request has failed in part")


class ByHand:
    """One bulk request for each call, one search for each read."""

    def __init__(self, name: str, client: Elasticsearch, index: str) -> None:
        self.name = name
        self._client = client
        self._index = index

    def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one call."""
        operations = plain_operations(session_id, messages)
        check(self._client.bulk(**plain_bulk(self._index, operations)))

    def read(self, session_id: str) -> list[BaseMessage]:
        """Return all messages of a session."""
        return decoded(self._client.search(**plain_search(self._index, session_id)))

    def read_last(self, session_id: str, count: int) -> list[BaseMessage]:
        """Return the last messages of a session."""
        return decoded(self._client.search(**plain_search(self._index, session_id, count)))[::-1]


class ByHandAsync:
    """The same with the asynchronous client."""

    def __init__(self, name: str, client: AsyncElasticsearch, index: str) -> None:
        self.name = name
        self._client = client
        self._index = index

    async def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one call."""
        operations = plain_operations(session_id, messages)
        check(await self._client.bulk(**plain_bulk(self._index, operations)))

    async def read(self, session_id: str) -> list[BaseMessage]:
        """Return all messages of a session."""
        return decoded(await self._client.search(**plain_search(self._index, session_id)))

    async def read_last(self, session_id: str, count: int) -> list[BaseMessage]:
        """Return the last messages of a session."""
        search = plain_search(self._index, session_id, count)
        return decoded(await self._client.search(**search))[::-1]


class SharedBulk(ByHandAsync):
    """The least that shares a bulk request by hand: a list, a flag, and a future for each caller.

    It is the limit for tasks: it checks no argument, retries nothing, and loses all if it fails.
    """

    def __init__(self, name: str, client: AsyncElasticsearch, index: str) -> None:
        super().__init__(name, client, index)
        self._waiting: list[tuple[list[dict[str, Any]], asyncio.Future[None]]] = []
        self._busy = False

    async def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages together with those of all who wait."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((plain_operations(session_id, messages), done))
        if not self._busy:
            self._busy = True
            while self._waiting:
                await asyncio.sleep(0)  # those who were just woken have their next turn ready
                batch, self._waiting = self._waiting, []
                await self._store([line for operations, _ in batch for line in operations])
                for _, waiter in batch:
                    waiter.set_result(None)
            self._busy = False
        await done

    async def _store(self, operations: list[dict[str, Any]]) -> None:
        check(await self._client.bulk(**plain_bulk(self._index, operations)))


class SharedBulkTold(SharedBulk):
    """The same, with what the promises of this package ask of Elasticsearch.

    Each document names fields that the index must have, and the answer tells of each where it is.
    """

    async def _store(self, operations: list[dict[str, Any]]) -> None:
        for action in operations[::2]:
            action["create"]["dynamic_templates"] = WRITE_GUARD
        request = {**plain_bulk(self._index, operations), "filter_path": FILTER_PATH}
        items = created_in((await self._client.bulk(**request)).body)
        if any(failure_of_created(item) or item["_index"] != self._index for item in items):
            raise RuntimeError("a bulk request has failed in part")


class SharedBulkOfThreads(ByHand):
    """The same for threads: a lock, a list, and an event for each caller."""

    def __init__(self, name: str, client: Elasticsearch, index: str) -> None:
        super().__init__(name, client, index)
        self._waiting: list[tuple[list[dict[str, Any]], threading.Event]] = []
        self._busy = False
        self._lock = threading.Lock()

    def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages together with those of all who wait."""
        done = threading.Event()
        operations = plain_operations(session_id, messages)
        with self._lock:
            self._waiting.append((operations, done))
            leads, self._busy = not self._busy, True
        while leads:
            time.sleep(0)  # those who were just woken have their next turn ready
            with self._lock:
                batch, self._waiting = self._waiting, []
                leads = self._busy = bool(batch)
            if batch:
                lines = [line for each, _ in batch for line in each]
                check(self._client.bulk(**plain_bulk(self._index, lines)))
                for _, waiter in batch:
                    waiter.set()
        done.wait()


class Ours:
    """This package."""

    def __init__(self, name: str, store: ElasticsearchChatStore) -> None:
        self.name = name
        self._history = cache(store.session)

    def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one call."""
        self._history(session_id).add_messages(messages)

    def read(self, session_id: str) -> list[BaseMessage]:
        """Return all messages of a session."""
        return self._history(session_id).get_messages()

    def read_last(self, session_id: str, count: int) -> list[BaseMessage]:
        """Return the last messages of a session."""
        return self._history(session_id).get_messages(limit=count)


class OursAsync:
    """This package with tasks."""

    def __init__(self, name: str, store: AsyncElasticsearchChatStore) -> None:
        self.name = name
        self._history = cache(store.session)

    async def add(self, session_id: str, messages: Sequence[BaseMessage]) -> None:
        """Store messages in one call."""
        await self._history(session_id).aadd_messages(messages)

    async def read(self, session_id: str) -> list[BaseMessage]:
        """Return all messages of a session."""
        return await self._history(session_id).aget_messages()

    async def read_last(self, session_id: str, count: int) -> list[BaseMessage]:
        """Return the last messages of a session."""
        return await self._history(session_id).aget_messages(limit=count)
