"""A store gives histories that share its client and its options."""

from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    ChatHistoryError,
)
from tests.support.client_requests import recorded
from tests.support.messages import numbered, texts
from tests.support.server import sources


async def test_its_histories_are_those_of_the_index(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client)
    history = store.session(session_id)
    assert isinstance(history, AsyncElasticsearchChatMessageHistory)
    assert (history.index, history.session_id) == (shared_index, session_id)
    assert history.client is store.client
    await history.aadd_messages(numbered(3))
    alone = AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=async_client)
    assert texts(await alone.aget_messages()) == ["0", "1", "2"]


async def test_options_of_the_store_hold_for_its_sessions_unless_replaced(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(
        shared_index,
        client=async_client,
        history_size=2,
        metadata={"tenant": "a", "user": "nobody"},
        ensure_ascii=False,
    )
    history = store.session(session_id, metadata={"user": "u1"})
    await history.aadd_messages(numbered(3), metadata={"model": "m", "tenant": "b"})
    assert texts(await history.aget_messages()) == ["1", "2"]
    assert len(await store.session(session_id, history_size=None).aget_messages()) == 3
    assert await store.session(session_id, ttl=timedelta(microseconds=1)).aget_messages() == []
    assert history.ensure_ascii is False
    (metadata, *_) = [
        document["metadata"] for document in sources(admin, shared_index, session_id)
    ]
    assert metadata == {"tenant": "b", "user": "u1", "model": "m"}


async def test_metadata_of_one_call_is_that_of_its_messages_only(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(2), metadata={"turn": 1})
    await async_history.aadd_messages(numbered(2))
    found = [stored.metadata async for stored in async_history.aiter_messages()]
    assert found == [{"turn": 1}, {"turn": 1}, {}, {}]


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"a": "b" * 32_767}, ValueError),
        ({"a": {"b": object()}}, ValueError),
        ({"": 1}, ValueError),
        ("a", TypeError),
        ([("a", 1)], TypeError),
    ],
)
async def test_metadata_that_cannot_be_stored_is_refused_before_anything_is_sent(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    metadata: Any,
    error: type[Exception],
) -> None:
    requests = recorded(async_client)
    with pytest.raises(error, match="metadata"):
        await async_history.aadd_messages(numbered(1), metadata=metadata)
    with pytest.raises(error, match="metadata"):
        AsyncElasticsearchChatStore("chats", client=async_client, metadata=metadata)
    assert requests == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"routing": True}, TypeError),
        ({"index": "chats"}, TypeError),
        ({"history_size": 0}, ValueError),
        ({"refresh": "later"}, ValueError),
    ],
)
async def test_a_bad_option_of_a_session_is_named(
    async_client: AsyncElasticsearch, options: Any, error: type[Exception]
) -> None:
    store = AsyncElasticsearchChatStore("chats", client=async_client)
    with pytest.raises(error, match=next(iter(options))):
        store.session("s", **options)
    with pytest.raises(ValueError, match="session_id"):
        store.session("\ud800")


async def test_closing_a_history_leaves_the_store_open(
    shared_index: str, session_id: str, address: dict[str, Any]
) -> None:
    async with AsyncElasticsearchChatStore(shared_index, **address) as store:
        async with store.session(session_id) as history:
            await history.aadd_messages(numbered(1))
        with pytest.raises(ChatHistoryError, match="closed"):
            await history.aget_messages()
        assert len(await store.session(session_id).aget_messages()) == 1


async def test_closing_the_store_closes_its_histories_and_its_own_client(
    shared_index: str, session_id: str, address: dict[str, Any]
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, **address)
    history = store.session(session_id)
    await history.aadd_messages(numbered(1))
    await store.aclose()
    await store.aclose()
    for use in (history.aget_messages, store.create_if_missing):
        with pytest.raises(ChatHistoryError, match="closed"):
            await use()
    with pytest.raises(ChatHistoryError, match="closed"):
        store.session(session_id)


async def test_a_client_that_was_given_stays_open(
    shared_index: str, async_client: AsyncElasticsearch
) -> None:
    async with AsyncElasticsearchChatStore(shared_index, client=async_client):
        pass
    assert await async_client.ping()


async def test_a_client_of_the_stores_own_that_nobody_closed_is_named(
    address: dict[str, Any],
) -> None:
    store = AsyncElasticsearchChatStore("chats", **address)
    client = store.client
    with pytest.warns(ResourceWarning, match="'chats'"):
        del store
    await client.close()


async def test_it_tells_what_it_is(async_client: AsyncElasticsearch) -> None:
    store = AsyncElasticsearchChatStore("chats", client=async_client)
    assert repr(store) == "AsyncElasticsearchChatStore(index='chats')"
