"""Reading a session: how many requests it takes, and that nothing is lost between pages."""

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.client_requests import recorded
from tests.support.concurrency import async_until
from tests.support.documents import OWN_MAPPINGS, own_document, upstream_document
from tests.support.messages import numbered, texts
from tests.support.server import BEFORE_EXPIRY, count, open_contexts, store


@pytest.mark.parametrize("length", [1, 2, 20, 999, 1000])
async def test_a_session_of_up_to_one_page_takes_one_request(
    async_history: AsyncElasticsearchChatMessageHistory, length: int
) -> None:
    await async_history.aadd_messages(numbered(length))
    requests = recorded(async_history.client)
    assert texts(await async_history.aget_messages()) == texts(numbered(length))
    assert [(request.method, request.endpoint) for request in requests] == [("POST", "_search")]


@pytest.mark.parametrize("length", [1001, 2500])
async def test_a_longer_session_is_read_from_a_point_in_time(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, length: int
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    # Ten messages to a millisecond, on three shards.
    stored = [
        own_document("s", 1_700_000_000_000_000 + number * 100, message)
        for number, message in enumerate(numbered(length))
    ]
    store(admin, index, stored[::-1])
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    requests = recorded(async_client)
    assert texts(await history.aget_messages()) == texts(numbered(length))
    steps = [(request.method, request.endpoint) for request in requests]
    pages = length // 1000 + 1
    assert steps == [
        ("POST", "_search"),
        ("POST", "_pit"),
        *[("POST", "_search")] * pages,
        ("DELETE", "_pit"),
    ]
    await async_until(lambda: open_contexts(admin, index) == 0, BEFORE_EXPIRY)


async def test_upstreams_messages_of_one_millisecond_on_several_shards_all_come_back(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    # Nothing in these documents tells them apart, as each shard counts for itself.
    millisecond = 1_700_000_000_000
    store(admin, index, [upstream_document("s", millisecond, one) for one in numbered(1400)])
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    expected = sorted(texts(numbered(1400)))
    assert sorted(texts(await history.aget_messages())) == expected
    iterated = [stored.message async for stored in history.aiter_messages(batch_size=9)]
    assert sorted(texts(iterated)) == expected


async def test_sessions_do_not_mix(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    endings = ["", "a", "A", " b", "-b", "*", "ä", "a ", ",b", "🌍" * 100]
    histories = [
        AsyncElasticsearchChatMessageHistory(
            shared_index, f"{session_id}{ending}", client=async_client
        )
        for ending in endings
    ]
    for history in histories:
        await history.aadd_message(HumanMessage(history.session_id))
    for history in histories:
        assert texts(await history.aget_messages()) == [history.session_id]


async def test_a_session_id_of_the_greatest_length_works(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id.ljust(32_766, "s"), client=async_client
    )
    await history.aadd_message(HumanMessage("Hello"))
    assert texts(await history.aget_messages()) == ["Hello"]


async def test_a_missing_index_reads_as_an_empty_session_and_is_not_made(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    assert await history.aget_messages() == []
    assert await history.aget_messages(limit=5) == []
    assert await history.aget_messages(limit=20_000) == []
    assert [stored async for stored in history.aiter_messages()] == []
    await history.aclear()
    assert not admin.indices.exists(index=index)


async def test_a_session_that_was_never_written_is_empty(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    assert await async_history.aget_messages() == []
    assert [stored async for stored in async_history.aiter_messages()] == []


async def test_a_closed_index_is_an_error_and_not_an_empty_session(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_messages(numbered(2))
    admin.indices.close(index=index)
    with pytest.raises(ApiError, match="index_closed_exception"):
        await history.aget_messages()
    with pytest.raises(ApiError, match="index_closed_exception"):
        await history.aget_messages(limit=1)
    with pytest.raises(ApiError, match="index_closed_exception"):
        _ = [stored async for stored in history.aiter_messages()]
    admin.indices.open(index=index)
    admin.cluster.health(index=index, wait_for_status="yellow")
    assert texts(await history.aget_messages()) == ["0", "1"]


async def test_reading_changes_nothing(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index)
    before = admin.indices.get(index=index).body
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    assert await history.aget_messages() == []
    assert await history.aget_messages(limit=1) == []
    assert [stored async for stored in history.aiter_messages()] == []
    assert admin.indices.get(index=index).body == before
    assert count(admin, index) == 0
