"""Addresses and credentials that are wrong: the right error soon, and never a hang."""

import re
from contextlib import AbstractContextManager
from typing import Any

import pytest
from elasticsearch import (
    AsyncElasticsearch,
    AuthenticationException,
    ConnectionError,  # noqa: A004  # the client's own
    ConnectionTimeout,
    Elasticsearch,
)
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from local_elasticsearch import LocalElasticsearch
from tests.support.client_requests import recorded
from tests.support.wrong_ports import closed_port, not_http_port, silent_port

# Nothing about speed: a call that has not come back by then is taken to hang.
pytestmark = [pytest.mark.faults, pytest.mark.timeout(90)]

SHUT_OUT = "security_exception (401)"
# One of thirty API keys is the base64 form of bytes with a colon.
KEY_THAT_DECODES_TO_A_COLON = "hIMid41oW3iLztIfOhfX2Q"


async def refuses(
    history: AsyncElasticsearchChatMessageHistory,
    error: type[Exception],
    line: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Reading and writing raise `error`, after one line in the log that holds `line`."""
    calls = (history.aget_messages, lambda: history.aadd_message(HumanMessage("Hello")))
    for call in calls:
        caplog.clear()
        with pytest.raises(error):
            await call()
        said = [record for record in caplog.records if record.name == "elasticsearch_chat_history"]
        assert len(said) == 1
        assert line in said[0].getMessage()


@pytest.mark.parametrize("port", [closed_port, not_http_port])
async def test_an_address_without_elasticsearch_is_a_connection_error(
    port: Any, caplog: pytest.LogCaptureFixture
) -> None:
    opened: AbstractContextManager[str] = port()
    with opened as url:
        async with AsyncElasticsearchChatMessageHistory("chats", "s", es_url=url) as history:
            await refuses(history, ConnectionError, "Error connecting to Elasticsearch: ", caplog)


async def test_a_silent_address_is_a_time_out(caplog: pytest.LogCaptureFixture) -> None:
    with silent_port() as url:
        async with AsyncElasticsearch(url, request_timeout=1) as client:
            history = AsyncElasticsearchChatMessageHistory("chats", "s", client=client)
            await refuses(
                history, ConnectionTimeout, "Error connecting to Elasticsearch: ", caplog
            )


async def test_a_wrong_password_is_an_authentication_error(
    lone_node: LocalElasticsearch, fresh_index: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncElasticsearchChatMessageHistory(
        fresh_index, "s", es_url=lone_node.url, es_user="elastic", es_password="wrong"
    ) as history:
        await refuses(history, AuthenticationException, SHUT_OUT, caplog)


@pytest.mark.parametrize("end", ["expired", "invalidated", "unknown"])
async def test_an_api_key_that_has_ended_is_an_authentication_error(
    end: str,
    lone_node: LocalElasticsearch,
    administrator: Elasticsearch,
    fresh_index: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expiration = "1ms" if end == "expired" else None
    key = administrator.security.create_api_key(name="ended", expiration=expiration)
    if end == "invalidated":
        administrator.security.invalidate_api_key(ids=[key["id"]])
    encoded = "bm9uZTpub25l" if end == "unknown" else key["encoded"]
    async with AsyncElasticsearchChatMessageHistory(
        fresh_index, "s", es_url=lone_node.url, es_api_key=encoded
    ) as history:
        await refuses(history, AuthenticationException, SHUT_OUT, caplog)


@pytest.mark.parametrize(
    "form", ["id:api_key", "id", "api_key", KEY_THAT_DECODES_TO_A_COLON, "ApiKey encoded"]
)
async def test_an_api_key_in_another_form_is_told_which_is_needed(
    form: str,
    lone_node: LocalElasticsearch,
    administrator: Elasticsearch,
    fresh_index: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = administrator.security.create_api_key(name="in another form")
    given = re.sub(r"\b(?:id|api_key|encoded)\b", lambda name: str(key[name[0]]), form)
    hint = "an API key is given as `encoded`, one of the values that create_api_key returns"
    async with AsyncElasticsearchChatMessageHistory(
        fresh_index, "s", es_url=lone_node.url, es_api_key=given
    ) as history:
        await refuses(history, AuthenticationException, hint, caplog)
        with pytest.raises(AuthenticationException, match=hint):
            await history.aget_messages()


async def test_an_api_key_may_be_given_to_a_client_in_two_parts(
    lone_node: LocalElasticsearch, administrator: Elasticsearch, fresh_index: str
) -> None:
    key = administrator.security.create_api_key(name="in two parts")
    async with AsyncElasticsearch(lone_node.url, api_key=(key["id"], key["api_key"])) as client:
        history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=client)
        assert await history.aget_messages() == []


async def test_an_api_key_that_is_taken_back_is_an_authentication_error(
    lone_node: LocalElasticsearch,
    administrator: Elasticsearch,
    fresh_index: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    key = administrator.security.create_api_key(name="taken back")
    # A node that starts refuses good keys for a while, so that this is tried again.
    async with AsyncElasticsearchChatMessageHistory(
        fresh_index, "s", es_url=lone_node.url, es_api_key=key["encoded"], max_retries=2
    ) as history:
        await history.aadd_message(HumanMessage("Hello"))
        administrator.security.invalidate_api_key(ids=[key["id"]])
        requests = recorded(history.client)
        await refuses(history, AuthenticationException, SHUT_OUT, caplog)
    assert [request.endpoint for request in requests] == ["_search"] * 3 + ["_bulk"] * 3
