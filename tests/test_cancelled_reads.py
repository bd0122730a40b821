"""A task that is cancelled while it reads leaves no point in time open."""

import asyncio

from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.concurrency import async_until
from tests.support.messages import numbered
from tests.support.server import BEFORE_EXPIRY, open_contexts


async def test_a_cancelled_iteration_closes_its_point_in_time(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_messages(numbered(10))
    reading = asyncio.Event()

    async def read() -> None:
        async for _ in history.aiter_messages(batch_size=2):
            reading.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await reading.wait()
    assert open_contexts(admin, index) > 0
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await async_until(lambda: open_contexts(admin, index) == 0, BEFORE_EXPIRY)


async def test_a_search_that_is_cancelled_closes_its_point_in_time(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_messages(numbered(1001))
    searching = asyncio.Event()
    perform_request = async_client.transport.perform_request

    async def hang_in_the_snapshot(method: str, target: str, **details: object) -> object:
        if target.startswith("/_search"):
            searching.set()
            await asyncio.Event().wait()
        return await perform_request(method, target, **details)  # type: ignore[arg-type]

    async_client.transport.perform_request = hang_in_the_snapshot  # type: ignore[assignment,method-assign]
    task = asyncio.create_task(history.aget_messages())
    await searching.wait()
    assert open_contexts(admin, index) > 0
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await async_until(lambda: open_contexts(admin, index) == 0, BEFORE_EXPIRY)
