"""What is stored comes back equal."""

import json
import uuid

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.messages import EVERY_TYPE, messages
from tests.support.server import sources


@pytest.mark.parametrize("ensure_ascii", [True, False])
async def test_every_type_of_message_comes_back(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, ensure_ascii: bool
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, ensure_ascii=ensure_ascii
    )
    await history.aadd_messages(EVERY_TYPE)
    found = await history.aget_messages()
    assert found == EVERY_TYPE
    assert [type(message) for message in found] == [type(message) for message in EVERY_TYPE]


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(listed=st.lists(messages, min_size=1, max_size=4), ensure_ascii=st.booleans())
async def test_any_content_comes_back(
    shared_index: str,
    async_client: AsyncElasticsearch,
    listed: list[BaseMessage],
    ensure_ascii: bool,
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, uuid.uuid4().hex, client=async_client, ensure_ascii=ensure_ascii
    )
    await history.aadd_messages(listed)
    assert await history.aget_messages() == listed
    assert [stored.message async for stored in history.aiter_messages()] == listed


async def test_an_empty_text_and_an_empty_list_come_back(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    empty = [HumanMessage(""), AIMessage([]), HumanMessage([""])]
    await async_history.aadd_messages(empty)
    assert await async_history.aget_messages() == empty


@pytest.mark.parametrize("ensure_ascii", [True, False])
async def test_lone_surrogates_come_back(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, ensure_ascii: bool
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, ensure_ascii=ensure_ascii
    )
    message = HumanMessage("half \ud83d of a pair", additional_kwargs={"\udc00": "\udfff"})
    await history.aadd_message(message)
    assert await history.aget_messages() == [message]


async def test_the_history_is_ascii_unless_asked_otherwise(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    message = HumanMessage("Grüße 🌍")
    for ensure_ascii in (True, False):
        history = AsyncElasticsearchChatMessageHistory(
            shared_index, session_id, client=async_client, ensure_ascii=ensure_ascii
        )
        await history.aadd_message(message)
    escaped, plain = sources(admin, shared_index, session_id)
    assert escaped["history"].isascii()
    assert "Grüße 🌍" in plain["history"]
    assert json.loads(escaped["history"]) == json.loads(plain["history"])
    assert escaped["content"] == plain["content"] == "Grüße 🌍"
