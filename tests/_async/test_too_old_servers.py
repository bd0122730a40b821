"""A server that is too old for the client: the error says what to install.

A real server answers. Where it is not too old, the requests ask for a version that it lacks.
"""

import re
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, BadRequestError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._reporting import CLIENT_VERSION

HINT = re.escape(f"install 'elasticsearch<{CLIENT_VERSION}'")


def ask_for_a_newer_version(client: Any) -> None:
    """Let each further request of `client`, of either kind, want answers of a later version."""
    perform_request = client.transport.perform_request

    def perform(method: str, target: str, **details: Any) -> Any:
        headers = {
            name: re.sub(r"compatible-with=\d+", "compatible-with=99", value)
            for name, value in details.pop("headers").items()
        }
        return perform_request(method, target, **details, headers=headers)

    client.transport.perform_request = perform


async def test_the_error_of_an_old_server_says_what_to_install(
    shared_index: str,
    session_id: str,
    async_client: AsyncElasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    history = AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=async_client)
    await history.aadd_message(HumanMessage("Hello"))
    ask_for_a_newer_version(async_client)
    with pytest.raises(BadRequestError, match=HINT):
        await history.aget_messages()
    with pytest.raises(BadRequestError, match=HINT):
        await history.aadd_message(HumanMessage("Hello"))
    with pytest.raises(BadRequestError, match=HINT):
        await history.aclear()
    said = [record for record in caplog.records if record.name == "elasticsearch_chat_history"]
    assert [bool(re.search(HINT, record.getMessage())) for record in said] == [True] * 3


async def test_a_first_write_to_an_old_server_says_it_too(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    ask_for_a_newer_version(async_client)
    with pytest.raises(BadRequestError, match=HINT):
        await history.aadd_message(HumanMessage("Hello"))
