"""Adding: how many requests it takes, and what is stored and visible after it."""

import time
import uuid
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS
from tests.support.messages import numbered, texts
from tests.support.server import sources


async def test_messages_come_back_in_order(index: str, address: dict[str, Any]) -> None:
    messages = [HumanMessage("Hello"), AIMessage("Hi!"), HumanMessage("Bye")]
    async with AsyncElasticsearchChatMessageHistory(index, "s", **address) as history:
        await history.aadd_messages(messages)
        assert await history.aget_messages() == messages


@pytest.mark.parametrize("count", [1, 1000])
async def test_up_to_a_thousand_messages_take_one_bulk_request_and_one_refresh(
    async_history: AsyncElasticsearchChatMessageHistory, count: int
) -> None:
    await async_history.create_if_missing()
    requests = recorded(async_history.client)
    await async_history.aadd_messages(numbered(count))
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert "refresh=true" in requests[0].target
    assert texts(await async_history.aget_messages()) == texts(numbered(count))


async def test_zero_messages_are_no_request(index: str, async_client: AsyncElasticsearch) -> None:
    requests = recorded(async_client)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_messages([])
    await history.aadd_messages(iter([]), idempotency_key="k")  # type: ignore[arg-type]
    assert requests == []


async def test_any_iterable_of_messages_is_taken(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(message for message in numbered(3))  # type: ignore[arg-type]
    assert texts(await async_history.aget_messages()) == ["0", "1", "2"]


async def test_more_messages_than_a_request_may_hold_take_several(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.create_if_missing()
    requests = recorded(async_history.client)
    await async_history.aadd_messages(numbered(2001))
    assert [request.endpoint for request in requests] == ["_bulk", "_bulk"]
    assert [len(request.body) for request in requests] == [2000, 1]
    assert texts(await async_history.aget_messages()) == texts(numbered(2001))


# aiohttp says it of every body beyond 1 MB, and elastic-transport has no other way to send one.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_more_bytes_than_a_request_may_hold_take_several(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.create_if_missing()
    images = [HumanMessage([{"type": "image", "base64": "QUJD" * 225_000}]) for _ in range(9)]
    requests = recorded(async_history.client)
    await async_history.aadd_messages(images)
    assert [request.endpoint for request in requests] == ["_bulk"] * 3
    assert [len(request.body) for request in requests] == [4, 4, 1]
    assert all(sum(map(len, request.body)) <= 4_000_000 for request in requests)
    assert await async_history.aget_messages() == images


@pytest.mark.parametrize(
    ("refresh", "parameter"), [(True, "true"), (False, "false"), ("wait_for", "wait_for")]
)
async def test_each_refresh_policy_goes_with_the_request(
    shared_index: str,
    session_id: str,
    async_client: AsyncElasticsearch,
    refresh: Any,
    parameter: str,
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, refresh=refresh
    )
    await history.create_if_missing()
    requests = recorded(async_client)
    await history.aadd_message(HumanMessage("Hello"))
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert f"refresh={parameter}" in requests[0].target


async def test_without_a_refresh_messages_are_stored_but_not_yet_visible(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.refresh_interval": "-1"}
    )
    hasty, patient = (
        AsyncElasticsearchChatMessageHistory(index, "s", client=async_client, refresh=refresh)
        for refresh in (False, True)
    )
    await hasty.aadd_message(HumanMessage("0"))
    assert await hasty.aget_messages() == []
    await patient.aadd_message(HumanMessage("1"))
    assert texts(await hasty.aget_messages()) == ["0", "1"]


async def test_wait_for_returns_once_the_message_is_visible(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.refresh_interval": "50ms"}
    )
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, refresh="wait_for"
    )
    for number in range(3):
        await history.aadd_message(HumanMessage(str(number)))
        assert len(await history.aget_messages()) == number + 1


async def test_the_document_has_the_fields_of_the_contract(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, metadata={"tenant": "a", "n": [1, {"b": 2}]}
    )
    before = time.time_ns() // 1000
    await history.aadd_messages(
        [HumanMessage("What?"), AIMessage([{"type": "text", "text": "A"}])]
    )
    question, answer = sources(admin, shared_index, session_id)
    assert question.keys() == answer.keys() == {*OWN_MAPPINGS["properties"]}
    assert (question["content"], answer["content"]) == ("What?", "A")
    assert (question["type"], answer["type"]) == ("human", "ai")
    assert question["session_id"] == session_id
    assert question["metadata"] == answer["metadata"] == {"tenant": "a", "n": [1, {"b": 2}]}
    assert before <= question["seq"] < answer["seq"]
    assert question["created_at"] == question["seq"] // 1000


async def test_ids_are_uuids_that_sort_by_time(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(20))
    ids = [stored.id async for stored in async_history.aiter_messages()]
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert len(set(ids)) == 20
    milliseconds = [uuid.UUID(one).int >> 80 for one in ids]
    assert milliseconds == sorted(milliseconds)


async def test_without_metadata_the_field_is_left_out(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    await async_history.aadd_message(HumanMessage("Hello"))
    (source,) = sources(admin, async_history.index, async_history.session_id)
    assert "metadata" not in source
    (stored,) = [stored async for stored in async_history.aiter_messages()]
    assert stored.metadata == {}
