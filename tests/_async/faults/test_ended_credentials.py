"""Credentials that end while a client is in use: waited for once, then refused at once."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, AuthenticationException, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)
from elasticsearch_chat_history._requests import login
from local_elasticsearch import LocalElasticsearch
from tests.support.client_requests import Request, recorded

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

USER = "lodger"
PASSWORD = "the-first-password"
OTHER_PASSWORD = "another-password"


@pytest.fixture
async def user_client(
    lone_node: LocalElasticsearch, administrator: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncElasticsearch]:
    """A client whose user may do all, until a test changes the password."""
    # As long as a node takes to start would only make the test longer.
    monkeypatch.setattr(login, "UNAUTHORIZED_SECONDS", 2.0)
    administrator.security.put_user(username=USER, password=PASSWORD, roles=["superuser"])
    async with AsyncElasticsearch(lone_node.url, basic_auth=(USER, PASSWORD)) as client:
        yield client


async def requests_of(call: Callable[[], Any], requests: list[Request]) -> int:
    """Return how many requests a call sends until it says that the login is refused."""
    requests.clear()
    with pytest.raises(AuthenticationException):
        await call()
    return len(requests)


async def exported(store: AsyncElasticsearchChatStore) -> list[Any]:
    return [record async for record in store.aexport()]


async def iterated(history: AsyncElasticsearchChatMessageHistory) -> list[Any]:
    return [stored async for stored in history.aiter_messages()]


@pytest.mark.parametrize("first", ["read", "write"])
async def test_an_ended_login_is_waited_for_once(
    first: str,
    user_client: AsyncElasticsearch,
    administrator: Elasticsearch,
    fresh_index: str,
) -> None:
    store = AsyncElasticsearchChatStore(fresh_index, client=user_client)
    history = store.session("s")
    calls: dict[str, Callable[[], Any]] = {
        "read": history.aget_messages,
        "write": lambda: history.aadd_message(HumanMessage("Hello")),
        "keyed write": lambda: history.aadd_messages([HumanMessage("Hello")], idempotency_key="k"),
        "iterate": lambda: iterated(history),
        "pop": history.apop_messages,
        "set": lambda: history.aset_messages([HumanMessage("Hello")]),
        "fork": lambda: history.afork("other"),
        "clear": history.aclear,
        "list": store.alist_sessions,
        "count": store.acount_messages,
        "search": lambda: store.asearch("Hello"),
        "export": lambda: exported(store),
        "forget": lambda: store.adelete_sessions(["s"]),
        "backfill": store.abackfill,
    }
    await calls["write"]()
    requests = recorded(user_client)
    administrator.security.change_password(username=USER, password=OTHER_PASSWORD)
    assert await requests_of(calls[first], requests) > 1
    assert {
        name: await requests_of(call, requests) for name, call in calls.items()
    } == dict.fromkeys(calls, 1)
    administrator.security.change_password(username=USER, password=PASSWORD)
    assert await history.aget_messages() == [HumanMessage("Hello")]
    administrator.security.change_password(username=USER, password=OTHER_PASSWORD)
    assert await requests_of(calls[first], requests) > 1
    assert await requests_of(calls[first], requests) == 1


async def test_the_login_of_another_client_is_not_to_blame(
    user_client: AsyncElasticsearch,
    administrator: Elasticsearch,
    fresh_index: str,
) -> None:
    key = administrator.security.create_api_key(name="ended")
    with_key = user_client.options(api_key=key["encoded"])
    ended = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=with_key)
    going_on = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=user_client)
    await ended.aadd_message(HumanMessage("Hello"))
    administrator.security.invalidate_api_key(ids=[key["id"]])
    requests = recorded(with_key)
    assert await requests_of(ended.aget_messages, requests) > 1
    # They share their connections.
    assert await going_on.aget_messages() == [HumanMessage("Hello")]
    assert await requests_of(ended.aget_messages, requests) == 1
