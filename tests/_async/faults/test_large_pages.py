"""What the node cannot answer in one page is read in smaller ones."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from local_elasticsearch import LocalElasticsearch
from tests.support.client_requests import Request, recorded, set_timeout
from tests.support.concurrency import async_until
from tests.support.messages import numbered, texts
from tests.support.server import BEFORE_EXPIRY, cluster_setting, open_contexts
from tests.support.tcp_proxy import Fault, TcpProxy, nothing_fails

pytestmark = pytest.mark.faults


@pytest.fixture
async def proxy(lone_node: LocalElasticsearch) -> AsyncIterator[TcpProxy]:
    """The way to the node, on which an answer can get stuck."""
    with TcpProxy(lone_node.nodes[0].port) as proxy:
        yield proxy


@pytest.fixture
async def async_guest(proxy: TcpProxy, login: dict[str, Any]) -> AsyncIterator[AsyncElasticsearch]:
    """A client that comes through the proxy."""
    arguments = {**login, "hosts": [proxy.url]}
    async with AsyncElasticsearch(**arguments, request_timeout=60) as client:
        yield client


def sizes(requests: list[Request]) -> list[int]:
    """Return how many messages each search asked for."""
    return [int(one.body["size"]) for one in requests if one.endpoint == "_search"]


@pytest.mark.parametrize("limit", [None, 25])
async def test_pages_shrink_when_a_circuit_breaker_of_the_node_trips(
    fresh_index: str,
    async_guest: AsyncElasticsearch,
    administrator: Elasticsearch,
    limit: int | None,
) -> None:
    history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=async_guest)
    images = [
        HumanMessage([{"type": "image", "base64": "QUJD" * 50_000, "id": str(number)}])
        for number in range(30)
    ]
    for first in range(0, 30, 3):
        await history.aadd_messages(images[first : first + 3])
    requests = recorded(async_guest)
    with cluster_setting(administrator, "indices.breaker.request.limit", "4mb"):
        found = await history.aget_messages(limit=limit)
        first_size, *further_sizes = sizes(requests)
        iterated = [stored.message async for stored in history.aiter_messages()]
    assert found == images[-(limit or 30) :]
    assert iterated == images
    # The first page was refused, and none as large is asked for again.
    assert max(further_sizes) <= first_size // 2
    assert len(further_sizes) < 12
    await async_until(lambda: open_contexts(administrator, fresh_index) == 0, BEFORE_EXPIRY)


@pytest.mark.parametrize("limit", [None, 900])
async def test_pages_shrink_when_an_answer_does_not_come_in_time(
    fresh_index: str, proxy: TcpProxy, async_guest: AsyncElasticsearch, limit: int | None
) -> None:
    history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=async_guest)
    await history.aadd_messages(numbered(1000))
    # Only the answer that is held up must be late, not others on a busy machine.
    requests = recorded(async_guest)
    set_timeout(async_guest, lambda: 60 if requests else 2)
    proxy.follow(lambda number: Fault.ANSWER_STALLED if number == 0 else Fault.NONE)
    found = await history.aget_messages(limit=limit)
    proxy.follow(nothing_fails)
    assert texts(found) == texts(numbered(1000))[-(limit or 1000) :]
    first_size, second_size, *_ = sizes(requests)
    assert second_size < first_size == (limit or 1000)
