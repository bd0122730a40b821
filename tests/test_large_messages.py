"""Messages of many megabytes go through a node of 512 MB, and come back."""

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import BaseMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)

pytestmark = pytest.mark.heavy


# aiohttp says it of every body beyond 1 MB, and elastic-transport has no other way to send one.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_fifty_messages_of_five_megabytes_are_stored_and_read(
    index: str, async_client: AsyncElasticsearch, client: Elasticsearch
) -> None:
    # Each twin does half of the work, as it takes a small node a while.
    images: list[BaseMessage] = [
        HumanMessage([{"type": "image", "base64": f"{number:04}" + "QUJD" * 1_250_000}])
        for number in range(50)
    ]
    asynchronous = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    synchronous = ElasticsearchChatMessageHistory(index, "s", client=client)
    await asynchronous.aadd_messages(images[:25])
    synchronous.add_messages(images[25:])
    assert synchronous.messages == images
    assert await asynchronous.aget_messages(limit=20) == images[30:]
