"""Messages older than `ttl` are not returned."""

import time
from datetime import timedelta

from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.documents import own_document, upstream_document
from tests.support.messages import texts
from tests.support.server import count, store

HOUR = 3600 * 1_000_000


async def test_older_messages_are_not_returned(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    now = time.time_ns() // 1000
    store(
        admin,
        shared_index,
        [
            upstream_document(session_id, (now - 49 * HOUR) // 1000, HumanMessage("older")),
            own_document(session_id, now - 25 * HOUR, HumanMessage("old")),
            own_document(session_id, now - 23 * HOUR, HumanMessage("young")),
        ],
    )
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, ttl=timedelta(days=1)
    )
    await history.aadd_message(HumanMessage("new"))
    assert texts(await history.aget_messages()) == ["young", "new"]
    assert texts(await history.aget_messages(limit=3)) == ["young", "new"]
    assert texts(await history.aget_messages(limit=20_000)) == ["young", "new"]
    iterated = [stored.message async for stored in history.aiter_messages()]
    assert texts(iterated) == ["young", "new"]
    everything = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client
    )
    assert texts(await everything.aget_messages()) == ["older", "old", "young", "new"]


async def test_clearing_removes_what_ttl_and_history_size_hide(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    now = time.time_ns() // 1000
    store(
        admin,
        shared_index,
        [
            own_document(session_id, now - age * HOUR, HumanMessage(str(age)))
            for age in (50, 40, 30, 2, 1)
        ],
    )
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, ttl=timedelta(days=1), history_size=1
    )
    assert texts(await history.aget_messages()) == ["1"]
    await history.aclear()
    assert count(admin, shared_index, session_id) == 0
