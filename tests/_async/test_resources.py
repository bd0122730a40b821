"""What is left behind when histories go."""

from functools import partial

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.census import census
from tests.concurrency import async_together

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


async def test_ten_thousand_histories_leave_nothing_behind(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    # Fills the pool of connections and whatever else is made once.
    await use_histories(index, async_client, 0, 2 * AT_ONCE)
    before = census(async_client)
    await use_histories(index, async_client, 2 * AT_ONCE, HISTORIES)
    grown = census(async_client) - before
    assert not grown
    searches = admin.indices.stats(index=index, metric="search")["_all"]["total"]["search"]
    assert searches["open_contexts"] == 0  # of which each open point in time is one
