"""The last messages of a session that is too long to be visited whole."""

import time

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._queries import last_messages
from tests.support.client_requests import recorded
from tests.support.documents import own_document
from tests.support.messages import numbered, texts
from tests.support.server import store

LENGTH = 600
SECOND = 1_000_000


@pytest.fixture(autouse=True)
def few_visits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_messages, "MOST_VISITED", 50)


@pytest.fixture
def long_history(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> AsyncElasticsearchChatMessageHistory:
    begin = time.time_ns() // 1000 - LENGTH * SECOND
    store(
        admin,
        async_history.index,
        [
            own_document(async_history.session_id, begin + number * SECOND, message)
            for number, message in enumerate(numbered(LENGTH))
        ],
    )
    return async_history


async def test_the_last_messages_are_found(
    long_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    for limit in (1, 5, 50):
        expected = texts(numbered(limit, LENGTH - limit))
        assert texts(await long_history.aget_messages(limit=limit)) == expected


async def test_the_next_read_takes_one_request(
    long_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    await long_history.aget_messages(limit=5)
    requests = recorded(async_client)
    await long_history.aadd_messages(numbered(2, LENGTH))
    expected = texts(numbered(5, LENGTH - 3))
    assert texts(await long_history.aget_messages(limit=5)) == expected
    assert [request.endpoint for request in requests] == ["_bulk", "_search"]


async def test_deleted_messages_do_not_mislead_the_next_read(
    long_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    await long_history.aget_messages(limit=5)
    newest = admin.search(
        index=long_history.index,
        query={"term": {"session_id": long_history.session_id}},
        sort=[{"seq": "desc"}],
        size=3,
    )["hits"]["hits"]
    for hit in newest:
        admin.delete(index=long_history.index, id=hit["_id"], refresh=True)
    expected = texts(numbered(5, LENGTH - 8))
    assert texts(await long_history.aget_messages(limit=5)) == expected


async def test_a_cleared_session_is_empty(
    long_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await long_history.aget_messages(limit=5)
    await long_history.aclear()
    assert await long_history.aget_messages(limit=5) == []
