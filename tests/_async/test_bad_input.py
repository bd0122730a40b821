"""Bad input is a clear error at once, and nothing is stored."""

from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.client_requests import recorded
from tests.support.messages import numbered, texts

URL = "http://localhost:9200"


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"index": ""}, ValueError, "index"),
        ({"index": None}, TypeError, "index"),
        ({"index": 5}, TypeError, "index"),
        ({"index": "chat*"}, ValueError, "index"),
        ({"index": "chat?"}, ValueError, "index"),
        ({"index": "a,b"}, ValueError, "index"),
        ({"index": "_all"}, ValueError, "index"),
        ({"index": "."}, ValueError, "index"),
        ({"index": ".."}, ValueError, "index"),
        ({"session_id": ""}, ValueError, "session_id"),
        ({"session_id": None}, TypeError, "session_id"),
        ({"session_id": 5}, TypeError, "session_id"),
        ({"session_id": "s" * 32_767}, ValueError, "session_id .* 32766"),
        ({"session_id": "ä" * 16_384}, ValueError, "session_id .* 32766"),
        ({"session_id": "\ud800"}, ValueError, "session_id"),
        ({"es_url": None}, ValueError, "es_url"),
        ({"es_url": ""}, ValueError, "es_url"),
        ({"es_url": "localhost"}, ValueError, "es_url"),
        ({"es_url": 9200}, TypeError, "es_url"),
        ({"es_cloud_id": "c:d"}, ValueError, "es_url and es_cloud_id"),
        ({"es_user": "u"}, ValueError, "es_user is given without es_password"),
        ({"es_password": "p"}, ValueError, "es_password is given without es_user"),
        ({"es_api_key": 5}, TypeError, "es_api_key"),
        ({"ensure_ascii": True, "esnsure_ascii": False}, ValueError, "ensure_ascii"),
        ({"ensure_ascii": False, "esnsure_ascii": True}, ValueError, "ensure_ascii"),
        ({"history_size": 0}, ValueError, "history_size"),
        ({"history_size": -1}, ValueError, "history_size"),
        ({"history_size": "3"}, TypeError, "history_size"),
        ({"history_size": True}, TypeError, "history_size"),
        ({"ttl": 60}, TypeError, "ttl"),
        ({"ttl": timedelta(0)}, ValueError, "ttl"),
        ({"ttl": timedelta(days=-1)}, ValueError, "ttl"),
        ({"metadata": ["a"]}, TypeError, "metadata"),
        ({"metadata": {"a": object()}}, ValueError, "metadata"),
        ({"metadata": {5: "a"}}, ValueError, "metadata"),
        ({"refresh": "later"}, ValueError, "refresh"),
        ({"refresh": None}, ValueError, "refresh"),
        ({"max_retries": -1}, ValueError, "max_retries"),
        ({"max_retries": "many"}, TypeError, "max_retries"),
        ({"client": object()}, TypeError, "client"),
    ],
)
async def test_a_bad_argument_is_named(
    arguments: dict[str, Any], error: type[Exception], named: str
) -> None:
    good: dict[str, Any] = {"index": "chats", "session_id": "s", "es_url": URL}
    with pytest.raises(error, match=rf"(?s){named}"):
        AsyncElasticsearchChatMessageHistory(**{**good, **arguments})


async def test_neither_client_nor_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="es_url"):
        AsyncElasticsearchChatMessageHistory("chats", "s")


async def test_two_different_clients_are_an_error(
    async_client: AsyncElasticsearch, client_arguments: dict[str, Any]
) -> None:
    async with AsyncElasticsearch(**client_arguments) as another:
        with pytest.raises(ValueError, match="client and es_connection"):
            AsyncElasticsearchChatMessageHistory(
                "chats", "s", client=async_client, es_connection=another
            )


@pytest.mark.parametrize("wrong", ["Hello", {"type": "human"}, None, 5, ("human", "Hello")])
async def test_what_is_no_message_is_refused_with_its_position(
    index: str, async_client: AsyncElasticsearch, wrong: Any
) -> None:
    requests = recorded(async_client)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(TypeError, match="position 2"):
        await history.aadd_messages([*numbered(2), wrong])
    with pytest.raises(TypeError, match="position 0"):
        await history.aadd_message(wrong)
    assert requests == []


@pytest.mark.parametrize("wrong", ["Hello", HumanMessage("Hello"), None, 5, {"a": 1}])
async def test_what_is_no_list_of_messages_is_refused(
    index: str, async_client: AsyncElasticsearch, wrong: Any
) -> None:
    requests = recorded(async_client)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(TypeError, match="messages"):
        await history.aadd_messages(wrong)
    assert requests == []


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


class Shout(BaseMessage):
    """A kind of message that langchain-core does not know."""

    type: str = "shout"


@pytest.mark.parametrize(
    "wrong",
    [
        HumanMessage("secret", additional_kwargs={"a": object()}),
        HumanMessage("secret", additional_kwargs={"a": {1, 2}}),
        HumanMessage("secret", additional_kwargs={"a": b"bytes"}),
        HumanMessage("secret", additional_kwargs={"a": nested(10_000)}),
        HumanMessage("secret", response_metadata={("a", "b"): 1}),
    ],
    ids=["object", "set", "bytes", "depth", "key"],
)
async def test_what_json_has_no_form_for_is_refused_with_its_position(
    index: str, async_client: AsyncElasticsearch, wrong: BaseMessage
) -> None:
    requests = recorded(async_client)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(TypeError, match="position 1") as caught:
        await history.aadd_messages([HumanMessage("fine"), wrong])
    assert "secret" not in str(caught.value)
    assert requests == []


async def test_a_kind_of_message_that_could_not_be_read_again_is_refused(
    index: str, async_client: AsyncElasticsearch
) -> None:
    requests = recorded(async_client)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(TypeError, match=r"position 1 .*'shout'"):
        await history.aadd_messages([HumanMessage("fine"), Shout(content="HEY")])
    assert requests == []


@pytest.mark.parametrize(
    ("key", "error"), [("", ValueError), (5, TypeError), ("\ud800", ValueError)]
)
async def test_a_bad_idempotency_key_is_refused(
    index: str, async_client: AsyncElasticsearch, key: Any, error: type[Exception]
) -> None:
    requests = recorded(async_client)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(error, match="idempotency_key"):
        await history.aadd_messages(numbered(1), idempotency_key=key)
    assert requests == []


@pytest.mark.parametrize(
    ("limit", "error"), [(0, ValueError), (-1, ValueError), ("2", TypeError), (True, TypeError)]
)
async def test_a_bad_limit_is_refused(
    async_history: AsyncElasticsearchChatMessageHistory, limit: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match="limit"):
        await async_history.aget_messages(limit=limit)
    with pytest.raises(error, match="batch_size"):
        _ = [stored async for stored in async_history.aiter_messages(batch_size=limit)]


async def test_nothing_is_lost_by_a_refused_list(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    await async_history.aadd_messages(numbered(2))
    with pytest.raises(TypeError):
        await async_history.aadd_messages([HumanMessage("2"), "3"])  # type: ignore[list-item]
    await async_history.aadd_messages(numbered(2, first=2))
    admin.indices.refresh(index=async_history.index)
    assert texts(await async_history.aget_messages()) == texts(numbered(4))
