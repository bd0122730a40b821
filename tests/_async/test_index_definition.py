"""An index that we make has the settings that were asked for, and no others."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, BadRequestError, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    MessagesNotStoredError,
)
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS
from tests.support.messages import numbered, texts
from tests.support.server import count, mappings


def settings(admin: Elasticsearch, index: str) -> Any:
    return admin.indices.get_settings(index=index)[index]["settings"]["index"]


async def test_settings_are_those_asked_for(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(
        index,
        client=async_client,
        number_of_shards=3,
        number_of_replicas=0,
        refresh_interval="30s",
        codec="best_compression",
        analyzer="english",
    )
    await store.session("s").aadd_messages(numbered(1))
    made = settings(admin, index)
    assert made["number_of_shards"] == "3"
    assert made["number_of_replicas"] == "0"
    assert made["refresh_interval"] == "30s"
    assert made["codec"] == "best_compression"
    content = mappings(admin, index)["properties"]["content"]
    assert content == {"type": "text", "analyzer": "english"}


async def test_nothing_is_sent_that_was_not_asked_for(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    requests = recorded(async_client)
    await AsyncElasticsearchChatStore(index, client=async_client).create_if_missing()
    (creation,) = [request for request in requests if request.method == "PUT"]
    assert list(creation.body) == ["mappings"]
    assert mappings(admin, index) == OWN_MAPPINGS


async def test_an_existing_index_keeps_its_settings(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    store = AsyncElasticsearchChatStore(
        index, client=async_client, number_of_shards=3, analyzer="english"
    )
    await store.session("s").aadd_messages(numbered(1))
    assert settings(admin, index)["number_of_shards"] == "1"
    assert mappings(admin, index) == OWN_MAPPINGS


@pytest.mark.parametrize("argument", [{"analyzer": "klingon"}, {"codec": "zip"}])
async def test_what_elasticsearch_does_not_know_is_its_error(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, argument: Any
) -> None:
    store = AsyncElasticsearchChatStore(index, client=async_client, **argument)
    with pytest.raises(BadRequestError):
        await store.create_if_missing()
    with pytest.raises(BadRequestError):
        await store.session("s").aadd_messages(numbered(1))
    assert not admin.indices.exists(index=index)


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ({"number_of_shards": 0}, ValueError),
        ({"number_of_shards": "1"}, TypeError),
        ({"number_of_replicas": -1}, ValueError),
        ({"number_of_replicas": True}, TypeError),
        ({"refresh_interval": 5}, TypeError),
        ({"refresh_interval": ""}, ValueError),
        ({"codec": ""}, ValueError),
        ({"analyzer": 5}, TypeError),
        ({"embeddings": "model"}, TypeError),
    ],
)
async def test_a_bad_argument_is_named(argument: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(argument))):
        AsyncElasticsearchChatStore("chats", es_url="http://localhost:9200", **argument)


async def test_where_sessions_are_routed_a_writer_that_does_not_route_fails_loudly(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    routed = AsyncElasticsearchChatStore(
        index, client=async_client, routing=True, number_of_shards=3
    )
    await routed.session("s").aadd_messages(numbered(2))
    assert mappings(admin, index)["_routing"] == {"required": True}
    astray = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(MessagesNotStoredError, match="routing=True"):
        await astray.aadd_messages([HumanMessage("astray")])
    assert count(admin, index) == 2
    assert texts(await routed.session("s").aget_messages()) == ["0", "1"]


async def test_a_routed_session_can_be_edited(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(
        index, client=async_client, routing=True, number_of_shards=3
    )
    history = store.session("a,b")
    await history.aadd_messages(numbered(6))
    ids = [stored.id async for stored in history.aiter_messages()]
    assert [one.message.text for one in await history.adelete_messages(ids[:2])] == ["0", "1"]
    assert [one.message.text for one in await history.apop_messages(2)] == ["4", "5"]
    await history.aset_messages(numbered(1, first=7))
    assert texts(await history.aget_messages()) == ["7"]
    assert count(admin, index) == 1
