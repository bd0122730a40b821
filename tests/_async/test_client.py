"""The client: whose it is, what it sends, and that it is left as it was."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    __version__,
)
from tests.support.client_requests import recorded
from tests.support.messages import numbered, texts


async def use(history: AsyncElasticsearchChatMessageHistory) -> None:
    """Make every kind of request once."""
    await history.create_if_missing()
    await history.aadd_messages(numbered(3))
    assert texts(await history.aget_messages()) == ["0", "1", "2"]
    assert len([stored async for stored in history.aiter_messages()]) == 3
    await history.aclear()


async def test_our_user_agent_goes_with_every_request_of_an_own_client(
    index: str, address: dict[str, Any]
) -> None:
    async with AsyncElasticsearchChatMessageHistory(index, "s", **address) as history:
        requests = recorded(history.client)
        await use(history)
    assert len(requests) >= 8
    assert {one.headers["user-agent"] for one in requests} == {f"langchain-py-ms/{__version__}"}


async def test_our_user_agent_goes_with_every_request_of_a_given_client(
    index: str, async_client: AsyncElasticsearch
) -> None:
    requests = recorded(async_client)
    await use(AsyncElasticsearchChatMessageHistory(index, "s", client=async_client))
    assert len(requests) >= 8
    assert {one.headers["user-agent"] for one in requests} == {f"langchain-py-ms/{__version__}"}


async def test_a_given_client_is_left_as_it_was(
    index: str, async_client: AsyncElasticsearch
) -> None:
    requests = recorded(async_client)
    await async_client.info()
    await use(AsyncElasticsearchChatMessageHistory(index, "s", client=async_client))
    await async_client.info()
    assert requests[0].headers == requests[-1].headers
    assert requests[0].headers.get("user-agent") != f"langchain-py-ms/{__version__}"


async def test_the_options_of_a_given_client_are_kept(
    index: str, async_client: AsyncElasticsearch
) -> None:
    # A history looks at every status itself, so that one which is ignored is no success either.
    given = async_client.options(
        headers={"x-team": "a"}, opaque_id="o", request_timeout=42.0, ignore_status=404
    )
    requests = recorded(given)
    seen = []
    perform_request = given.transport.perform_request

    def record(*arguments: Any, **details: Any) -> Any:
        seen.append(details["request_timeout"])
        return perform_request(*arguments, **details)

    given.transport.perform_request = record  # type: ignore[method-assign]
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=given)
    assert await history.aget_messages() == []
    await use(history)
    assert all(one.headers["x-team"] == "a" for one in requests)
    assert all(one.headers["x-opaque-id"] == "o" for one in requests)
    assert set(seen) == {42.0}


async def test_the_constructor_talks_to_nobody(async_client: AsyncElasticsearch) -> None:
    requests = recorded(async_client)
    AsyncElasticsearchChatMessageHistory("chats", "s", client=async_client)
    assert requests == []
    # Nobody listens at that port.
    async with AsyncElasticsearchChatMessageHistory("chats", "s", es_url="http://127.0.0.1:1"):
        pass


@pytest.mark.parametrize("name", ["client", "es_connection"])
async def test_a_client_goes_by_both_names(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, name: str
) -> None:
    given: dict[str, Any] = {name: async_client}
    history = AsyncElasticsearchChatMessageHistory(shared_index, session_id, **given)
    requests = recorded(async_client)
    await history.aadd_messages(numbered(1))
    assert requests != []


async def test_one_client_under_both_names_is_fine(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, es_connection=async_client
    )
    await history.aadd_messages(numbered(1))
    assert len(await history.aget_messages()) == 1


@pytest.mark.parametrize(
    ("arguments", "escaped"),
    [
        ({}, True),
        ({"ensure_ascii": True}, True),
        ({"ensure_ascii": False}, False),
        ({"esnsure_ascii": True}, True),
        ({"esnsure_ascii": False}, False),
        ({"ensure_ascii": False, "esnsure_ascii": False}, False),
    ],
)
async def test_ascii_goes_by_both_names(
    async_client: AsyncElasticsearch, arguments: dict[str, Any], escaped: bool
) -> None:
    history = AsyncElasticsearchChatMessageHistory("chats", "s", client=async_client, **arguments)
    assert history.ensure_ascii is escaped


@pytest.mark.parametrize(
    ("arguments", "authorization"),
    [
        ({}, None),
        ({"es_user": "u", "es_password": "p"}, "Basic dTpw"),
        ({"es_api_key": "a2V5"}, "ApiKey a2V5"),
        ({"es_api_key": "a2V5", "es_user": "u", "es_password": "p"}, "ApiKey a2V5"),
    ],
)
async def test_credentials_go_with_requests_and_show_nowhere_else(
    arguments: dict[str, Any], authorization: str | None
) -> None:
    async with AsyncElasticsearchChatMessageHistory(
        "chats", "s", es_url="http://127.0.0.1:1", max_retries=0, **arguments
    ) as history:
        requests = recorded(history.client)
        with pytest.raises(Exception, match=r"(?i)connect") as caught:
            await history.aget_messages()
    assert requests[0].headers.get("authorization") == authorization
    for shown in (repr(history), str(caught.value), repr(history.client)):
        assert "a2V5" not in shown
        assert "dTpw" not in shown


async def test_a_cloud_id_is_an_address() -> None:
    async with AsyncElasticsearchChatMessageHistory(
        # "example.com$cluster$kibana", in base 64
        "chats",
        "s",
        es_cloud_id="name:ZXhhbXBsZS5jb20kY2x1c3RlciRraWJhbmE=",
        es_api_key="a2V5",
    ) as history:
        (node,) = history.client.transport.node_pool.all()
    assert node.base_url == "https://cluster.example.com:443"
