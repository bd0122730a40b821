"""What is never told: credentials, and the text of messages that could not be written."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch, TransportError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ChatHistoryError,
)
from local_elasticsearch import LocalElasticsearch
from tests.support.client_requests import recorded
from tests.support.visible_output import VisibleOutput
from tests.support.wrong_ports import closed_port

pytestmark = pytest.mark.faults

TEXT = "the-patient-has-measles"
USER = "secretary"
PASSWORD = "p@ss/w:rd-of-the-secretary"
WRONG = "wr@ng/w:rd-of-the-secretary"
FAILURES = (ApiError, TransportError, ChatHistoryError)


@pytest.fixture(scope="module")
def key(administrator: Elasticsearch) -> dict[str, str]:
    """An API key that may do all, beside a user that may, too."""
    administrator.security.put_user(username=USER, password=PASSWORD, roles=["superuser"])
    made = administrator.security.create_api_key(name="secret")
    return {name: made[name] for name in ("id", "api_key", "encoded")}


@pytest.fixture
def ended_key(administrator: Elasticsearch) -> dict[str, str]:
    """An API key that is no longer valid."""
    made = administrator.security.create_api_key(name="ended")
    administrator.security.invalidate_api_key(ids=[made["id"]])
    return {name: made[name] for name in ("id", "api_key", "encoded")}


@pytest.fixture
def secrets(key: dict[str, str]) -> list[str]:
    """The credentials in all forms in which they could be told."""
    plain = [PASSWORD, WRONG, key["api_key"]]
    pairs = [f"{USER}:{PASSWORD}", f"{USER}:{WRONG}", f"{key['id']}:{key['api_key']}"]
    encoded = [base64.b64encode(pair.encode()).decode().rstrip("=") for pair in pairs]
    return [*plain, *(quote(text, safe="") for text in plain), *encoded]


async def use(history: AsyncElasticsearchChatMessageHistory, visible_output: VisibleOutput) -> int:
    """Note all that using a history tells; return how many of its calls failed."""
    requests = recorded(history.client)
    failed = 0
    calls = (
        history.create_if_missing,
        lambda: history.aadd_message(HumanMessage(TEXT)),
        history.aget_messages,
        history.aclear,
    )
    for call in calls:
        try:
            await call()
        except FAILURES as error:
            visible_output.note(error)
            failed += 1
    visible_output.note(repr(history), history.client, history.client.transport.node_pool.all())
    visible_output.note(*(request.target for request in requests))
    return failed


def ways(url: str, password: str, api_key: str) -> list[dict[str, Any]]:
    """The ways to give credentials to a history."""
    inside = url.replace("http://", f"http://{USER}:{quote(password, safe='')}@")
    return [
        {"es_url": url, "es_user": USER, "es_password": password},
        {"es_url": url, "es_api_key": api_key},
        {"es_url": inside},
    ]


def client_ways(url: str, password: str, key: dict[str, str]) -> list[dict[str, Any]]:
    """The ways to give credentials to a client."""
    inside = url.replace("http://", f"http://{USER}:{quote(password, safe='')}@")
    return [
        {"hosts": url, "basic_auth": (USER, password)},
        {"hosts": url, "api_key": key["encoded"]},
        {"hosts": url, "api_key": (key["id"], key["api_key"])},
        {"hosts": inside},
    ]


async def test_no_credential_is_told_when_all_goes_well(
    lone_node: LocalElasticsearch,
    key: dict[str, str],
    secrets: list[str],
    visible_output: VisibleOutput,
    fresh_index: str,
) -> None:
    for way in ways(lone_node.url, PASSWORD, key["encoded"]):
        async with AsyncElasticsearchChatMessageHistory(fresh_index, "s", **way) as history:
            assert await use(history, visible_output) == 0
    for arguments in client_ways(lone_node.url, PASSWORD, key):
        async with AsyncElasticsearch(**arguments) as client:
            history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=client)
            assert await use(history, visible_output) == 0
    told = visible_output.text()
    assert f"/{fresh_index}/_bulk" in told  # so that what follows shows something
    assert [secret for secret in secrets if secret in told] == []


async def test_no_credential_is_told_when_it_is_refused(
    lone_node: LocalElasticsearch,
    ended_key: dict[str, str],
    secrets: list[str],
    visible_output: VisibleOutput,
    fresh_index: str,
) -> None:
    for way in ways(lone_node.url, WRONG, ended_key["encoded"]):
        async with AsyncElasticsearchChatMessageHistory(fresh_index, "s", **way) as history:
            assert await use(history, visible_output) == 4
    told = visible_output.text()
    assert "security_exception" in told
    ends = [ended_key["api_key"], ended_key["encoded"].rstrip("=")]
    assert [secret for secret in [*secrets, *ends] if secret in told] == []


async def test_no_credential_or_text_is_told_when_nobody_answers(
    key: dict[str, str], secrets: list[str], visible_output: VisibleOutput, fresh_index: str
) -> None:
    with closed_port() as url:
        for way in ways(url, PASSWORD, key["encoded"]):
            arguments = {**way, "max_retries": 0}
            async with AsyncElasticsearchChatMessageHistory(fresh_index, "s", **arguments) as lost:
                assert await use(lost, visible_output) == 4
    told = visible_output.text()
    assert "Error connecting to Elasticsearch" in told
    assert [secret for secret in secrets if secret in told] == []
    assert TEXT not in visible_output.text(wire_log=False)


@pytest.mark.parametrize("harm", ["closed", "blocked", "conflicting"])
async def test_no_text_is_told_when_it_cannot_be_written(
    harm: str,
    login: dict[str, Any],
    administrator: Elasticsearch,
    visible_output: VisibleOutput,
    fresh_index: str,
) -> None:
    properties = {"history": {"type": "long"}} if harm == "conflicting" else {}
    administrator.indices.create(index=fresh_index, mappings={"properties": properties})
    async with AsyncElasticsearch(**login) as client:
        history = AsyncElasticsearchChatMessageHistory(
            fresh_index, "s", client=client, max_retries=0
        )
        await history.create_if_missing()
        if harm == "closed":
            administrator.indices.close(index=fresh_index)
        if harm == "blocked":
            settings = {"index.blocks.read_only_allow_delete": True}
            administrator.indices.put_settings(index=fresh_index, settings=settings)
        assert await use(history, visible_output) > 0
    told = visible_output.text(wire_log=False)
    assert "MessagesNotStoredError" in told
    assert TEXT not in told


async def test_elasticsearch_itself_would_quote_the_text_of_a_conflict(
    administrator: Elasticsearch, fresh_index: str
) -> None:
    # So that the test above shows that this does not get through.
    fields = {"history": {"type": "long"}}
    administrator.indices.create(index=fresh_index, mappings={"properties": fields})
    with pytest.raises(ApiError, match=TEXT):
        administrator.index(index=fresh_index, document={"history": TEXT})
