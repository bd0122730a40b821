"""Many who make one index, and an index that changes under a running process."""

from contextlib import AsyncExitStack
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    IndexMappingError,
)
from tests.support.concurrency import async_together
from tests.support.documents import OWN_MAPPINGS, UPSTREAM_MAPPINGS, upstream_document
from tests.support.messages import texts
from tests.support.server import count, mappings


async def test_twenty_writers_may_start_on_a_missing_index(
    index: str, client_arguments: dict[str, Any], admin: Elasticsearch
) -> None:
    async with AsyncExitStack() as stack:
        histories = [
            AsyncElasticsearchChatMessageHistory(
                index,
                f"s{number}",
                client=await stack.enter_async_context(AsyncElasticsearch(**client_arguments)),
            )
            for number in range(20)
        ]
        await async_together([history.create_if_missing for history in histories])
        assert mappings(admin, index) == OWN_MAPPINGS
        await async_together(
            [
                lambda history=history: history.aadd_message(HumanMessage("Hello"))  # type: ignore[misc]
                for history in histories
            ]
        )
        assert count(admin, index) == 20


async def test_an_index_that_vanished_is_made_anew_by_the_next_write(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "a b", client=async_client)
    await history.aadd_message(HumanMessage("0"))
    for text in ("1", "2"):
        admin.indices.delete(index=index)
        await history.aadd_messages([HumanMessage(text), HumanMessage("!")])
        assert mappings(admin, index) == OWN_MAPPINGS
        assert texts(await history.aget_messages()) == [text, "!"]


async def test_an_index_that_vanished_is_made_anew_once_by_many_writers(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    histories = [
        AsyncElasticsearchChatMessageHistory(index, f"s{number}", client=async_client)
        for number in range(10)
    ]
    await histories[0].create_if_missing()
    admin.indices.delete(index=index)
    await async_together(
        [
            lambda history=history: history.aadd_message(HumanMessage("Hello"))  # type: ignore[misc]
            for history in histories
        ]
    )
    assert mappings(admin, index) == OWN_MAPPINGS
    for history in histories:
        assert texts(await history.aget_messages()) == ["Hello"]


async def test_an_index_that_somebody_mapped_dynamically_in_between_is_refused(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_message(HumanMessage("0"))
    admin.indices.delete(index=index)
    document = upstream_document("s", 1_700_000_000_000, HumanMessage("theirs"))
    admin.index(index=index, document=document)
    assert mappings(admin, index)["properties"]["session_id"]["type"] == "text"
    with pytest.raises(IndexMappingError, match="session_id"):
        await history.aadd_message(HumanMessage("1"))
    assert count(admin, index) == 1


async def test_an_index_that_upstream_made_in_between_is_completed(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_message(HumanMessage("0"))
    admin.indices.delete(index=index)
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    await history.aadd_message(HumanMessage("1"))
    assert mappings(admin, index)["properties"]["seq"] == {"type": "long"}
    assert texts(await history.aget_messages()) == ["1"]
