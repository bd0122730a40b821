"""Each failure of Elasticsearch is one line in the log, without secrets."""

from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch, TransportError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    MessagesNotStoredError,
)

SECRET = "the text of the message"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines of our own log about failures."""
    found = [record for record in caplog.records if record.name == "elasticsearch_chat_history"]
    assert all(record.exc_info is None for record in found)
    assert SECRET not in caplog.text
    return [record.getMessage() for record in found if record.levelname == "ERROR"]


@pytest.fixture
def closed_index(index: str, admin: Elasticsearch) -> str:
    """An index that refuses everything."""
    admin.indices.create(index=index)
    admin.indices.close(index=index)
    return index


async def test_a_server_that_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    connection: dict[str, Any] = {"es_url": "http://127.0.0.1:1", "max_retries": 0}
    async with AsyncElasticsearchChatMessageHistory("chats", "s", **connection) as history:
        with pytest.raises(TransportError):
            await history.aget_messages()
        (line,) = lines(caplog)
        assert line.startswith("Error connecting to Elasticsearch: ConnectionError")
        caplog.clear()
        with pytest.raises(TransportError):
            await history.aadd_message(HumanMessage(SECRET))
        (line,) = lines(caplog)
        assert line.startswith("Error connecting to Elasticsearch: ConnectionError")


async def test_messages_that_could_not_be_read(
    closed_index: str, async_client: AsyncElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    history = AsyncElasticsearchChatMessageHistory(closed_index, "s", client=async_client)
    with pytest.raises(ApiError):
        await history.aget_messages()
    with pytest.raises(ApiError):
        _ = [stored async for stored in history.aiter_messages()]
    first, second = lines(caplog)
    assert first.startswith("Could not retrieve messages from Elasticsearch: index_closed_exc")
    assert second.startswith("Could not retrieve messages from Elasticsearch: index_closed_exc")


async def test_messages_that_could_not_be_added(
    closed_index: str, async_client: AsyncElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    history = AsyncElasticsearchChatMessageHistory(closed_index, "s", client=async_client)
    with pytest.raises(ApiError):
        await history.aadd_message(HumanMessage(SECRET))
    (line,) = lines(caplog)
    assert line.startswith("Could not add message to Elasticsearch: index_closed_exception")


async def test_messages_that_the_index_refused_one_by_one(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.create_if_missing()
    admin.indices.close(index=index)
    with pytest.raises(MessagesNotStoredError, match="index_closed_exception") as caught:
        await history.aadd_messages([HumanMessage(SECRET)] * 2)
    assert list(caught.value.reasons) == [0, 1]
    assert SECRET not in str(caught.value)
    (line,) = lines(caplog)
    assert line.startswith("Could not add message to Elasticsearch: 2 of 2 messages are not")


async def test_a_session_that_could_not_be_cleared(
    closed_index: str, async_client: AsyncElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    history = AsyncElasticsearchChatMessageHistory(closed_index, "s", client=async_client)
    with pytest.raises(ApiError):
        await history.aclear()
    (line,) = lines(caplog)
    assert line.startswith("Could not clear session memory in Elasticsearch: index_closed")
