"""What is left behind when histories go."""

from functools import partial
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.concurrency import HANG_SECONDS, AsyncRunning, async_together, async_until
from tests.support.resources import resources_in_use
from tests.support.server import BEFORE_EXPIRY, open_contexts

HISTORIES = 10_000
AT_ONCE = 20
READ_EVERY = 50


pytestmark = pytest.mark.heavy


async def use_histories(index: str, client: AsyncElasticsearch, first: int, count: int) -> None:
    """Add a message to each of `count` sessions, and read some of them, partly or as a whole."""

    async def use(number: int) -> None:
        history = AsyncElasticsearchChatMessageHistory(
            index, f"s{number}", client=client, refresh=False
        )
        await history.aadd_message(HumanMessage("Hello"))
        if number % READ_EVERY == 0:
            await history.aget_messages()
            async for _ in history.aiter_messages(batch_size=1):
                pass

    for start in range(first, first + count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, first + count))
        await async_together([partial(use, number) for number in numbers])


async def open_all_connections(
    missing: str, client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    """Make as many connections as the client keeps, by requests that wait for an index."""
    most = client.transport.node_pool.get().config.connections_per_node
    wait = partial(
        client.options(request_timeout=HANG_SECONDS).cluster.health,
        index=missing,
        wait_for_status="yellow",
        timeout=f"{HANG_SECONDS:.0f}s",
    )
    waiting = AsyncRunning(*[wait] * most)

    def all_wait() -> bool:
        # The client's own method warns that it may change.
        health = {"actions": "cluster:monitor/health"}
        answer: Any = admin.perform_request("GET", "/_tasks", params=health)
        return sum(len(node["tasks"]) for node in answer["nodes"].values()) >= most

    await async_until(all_wait)
    admin.indices.create(index=missing)
    for answer in await waiting.results():
        assert not isinstance(answer, BaseException), answer


async def test_ten_thousand_histories_leave_nothing_behind(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, used_indices: list[str]
) -> None:
    used_indices.append(f"{index}-missing")
    await open_all_connections(f"{index}-missing", async_client, admin)
    # Whatever else is made once.
    await use_histories(index, async_client, 0, 2 * AT_ONCE)
    before = resources_in_use(async_client)
    await use_histories(index, async_client, 2 * AT_ONCE, HISTORIES)
    grown = resources_in_use(async_client) - before
    assert not grown
    # Each open point in time is one of them.
    await async_until(lambda: open_contexts(admin, index) == 0, BEFORE_EXPIRY)
