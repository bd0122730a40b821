"""A client that its owner has closed: its error at once, as no retry opens it again."""

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from elastic_transport import HttpxAsyncHttpNode
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch import ConnectionError as EsConnectionError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
    ElasticsearchChatStore,
)
from elasticsearch_chat_history._requests.failures import is_closed_for_good, is_retriable
from tests.support.client_requests import recorded

CALLS: list[Callable[[ElasticsearchChatMessageHistory], Any]] = [
    lambda history: history.get_messages(),
    lambda history: list(history.iter_messages()),
    lambda history: history.add_message(HumanMessage("Hello")),
    lambda history: history.add_messages([HumanMessage("Hello")], idempotency_key="key"),
    lambda history: history.pop_messages(),
    lambda history: history.set_messages([HumanMessage("Hello")]),
    lambda history: history.fork("other"),
    lambda history: history.search("Hello"),
    lambda history: history.clear(),
]
STORE_CALLS: list[Callable[[ElasticsearchChatStore], Any]] = [
    lambda store: store.list_sessions(),
    lambda store: store.search("Hello"),
    lambda store: list(store.export()),
    lambda store: store.delete_sessions(["s"]),
    lambda store: store.backfill(),
]


def endpoints_after_a_loop(index: str, session_id: str, arguments: dict[str, Any]) -> list[str]:
    """Read and write with a client whose event loop is closed; return what it was asked."""
    client = AsyncElasticsearch(**arguments)
    history = AsyncElasticsearchChatMessageHistory(index, session_id, client=client)
    asyncio.run(history.aadd_message(HumanMessage("Hello")))
    requests = recorded(client)
    with pytest.raises((EsConnectionError, RuntimeError), match="Event loop is closed"):
        asyncio.run(history.aget_messages())
    with pytest.raises((EsConnectionError, RuntimeError), match="Event loop is closed"):
        asyncio.run(history.aadd_message(HumanMessage("Hello")))
    return [request.endpoint for request in requests]


@pytest.fixture
def closed_client(
    shared_index: str, session_id: str, client_arguments: dict[str, Any]
) -> Elasticsearch:
    """A client that has reached the server, and is closed."""
    with Elasticsearch(**client_arguments) as client:
        history = ElasticsearchChatMessageHistory(shared_index, session_id, client=client)
        history.add_message(HumanMessage("Hello"))
    return client


@pytest.mark.parametrize("call", CALLS)
def test_a_history_asks_a_closed_client_once(
    call: Callable[[ElasticsearchChatMessageHistory], Any],
    shared_index: str,
    session_id: str,
    closed_client: Elasticsearch,
) -> None:
    history = ElasticsearchChatMessageHistory(shared_index, session_id, client=closed_client)
    requests = recorded(closed_client)
    with pytest.raises(EsConnectionError, match="closed"):
        call(history)
    assert len(requests) == 1


@pytest.mark.parametrize("call", STORE_CALLS)
def test_a_store_asks_a_closed_client_once(
    call: Callable[[ElasticsearchChatStore], Any],
    shared_index: str,
    closed_client: Elasticsearch,
) -> None:
    store = ElasticsearchChatStore(shared_index, client=closed_client)
    requests = recorded(closed_client)
    with pytest.raises(EsConnectionError, match="closed"):
        call(store)
    assert len(requests) == 1


async def test_a_closed_client_over_httpx_is_asked_once(
    shared_index: str, session_id: str, client_arguments: dict[str, Any]
) -> None:
    # A closed client over aiohttp opens new connections by itself.
    async with AsyncElasticsearch(**client_arguments, node_class=HttpxAsyncHttpNode) as client:
        history = AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=client)
        await history.aadd_message(HumanMessage("Hello"))
    requests = recorded(client)
    with pytest.raises((EsConnectionError, RuntimeError), match="has been closed"):
        await history.aget_messages()
    with pytest.raises((EsConnectionError, RuntimeError), match="has been closed"):
        await history.aadd_message(HumanMessage("Hello"))
    assert [request.endpoint for request in requests] == ["_search", "_bulk"]


def test_a_client_of_a_closed_event_loop_is_asked_once(
    shared_index: str, session_id: str, client_arguments: dict[str, Any]
) -> None:
    # In a process of its own, as nobody can close what the first loop had open.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as process:
        asked = process.submit(
            endpoints_after_a_loop, shared_index, session_id, client_arguments
        ).result()
    assert asked == ["_search", "_bulk"]


@pytest.mark.parametrize(
    "message",
    [
        "HTTPConnectionPool(host='localhost', port=9200): Pool is closed.",
        "Session is closed",
        "Connector is closed.",
        "Event loop is closed",
        "Cannot send a request, as the client has been closed.",
        "cannot schedule new futures after shutdown",
        "cannot schedule new futures after interpreter shutdown",
        "Task <Task pending> got Future <Future pending> attached to a different loop",
    ],
)
def test_what_is_closed_for_good_is_not_tried_again(message: str) -> None:
    assert is_closed_for_good(EsConnectionError(message))
    assert not is_retriable(EsConnectionError(message))


@pytest.mark.parametrize(
    "message",
    [
        "Server disconnected",
        "Connection refused",
        "unable to perform operation on <TCPTransport closed=True>; the handler is closed",
        "('Connection aborted.', RemoteDisconnected('Remote end closed connection'))",
    ],
)
def test_what_a_network_does_is_tried_again(message: str) -> None:
    assert is_retriable(EsConnectionError(message))
