"""What the node cannot answer in one page is read in smaller ones."""

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.crew import async_until
from tests.stored import cluster_setting, open_contexts
from tests.transport import recorded


@pytest.mark.parametrize("limit", [None, 25])
async def test_pages_shrink_when_a_circuit_breaker_of_the_node_trips(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, limit: int | None
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    images = [
        HumanMessage([{"type": "image", "base64": "QUJD" * 50_000, "id": str(number)}])
        for number in range(30)
    ]
    for first in range(0, 30, 5):
        await history.aadd_messages(images[first : first + 5])
    requests = recorded(async_client)
    with cluster_setting(admin, "indices.breaker.request.limit", "4mb"):
        found = await history.aget_messages(limit=limit)
        sizes = [one.body["size"] for one in requests if one.endpoint == "_search"]
        iterated = [stored.message async for stored in history.aiter_messages()]
    assert found == images[-(limit or 30) :]
    assert iterated == images
    # The first page was refused, and none as large is asked for again.
    assert sizes[1] < sizes[0]
    assert max(sizes[1:]) <= sizes[0] // 2
    assert len(sizes) < 12
    await async_until(lambda: open_contexts(admin, index) == 0)
