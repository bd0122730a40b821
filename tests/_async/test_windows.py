"""The last k messages of a session."""

import time
from datetime import timedelta

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    ToolMessage,
    ToolMessageChunk,
)

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)
from tests.support.client_requests import recorded
from tests.support.concurrency import async_until
from tests.support.documents import OWN_MAPPINGS, own_document
from tests.support.messages import numbered, texts
from tests.support.server import BEFORE_EXPIRY, open_contexts, store


def call(number: int) -> dict[str, object]:
    return {"name": "add", "args": {}, "id": f"call-{number}", "type": "tool_call"}


CONVERSATION: list[BaseMessage] = [
    HumanMessage("0"),
    AIMessage("1", tool_calls=[call(1), call(2)]),
    ToolMessage("2", tool_call_id="call-1"),
    ToolMessage("3", tool_call_id="call-2"),
    AIMessage("4"),
    HumanMessage("5"),
    AIMessage("6", tool_calls=[call(1)]),
    ToolMessage("7", tool_call_id="call-1"),
]


@pytest.mark.parametrize("limit", [1, 5, 1000, 10_000])
async def test_the_last_messages_take_one_search(
    async_history: AsyncElasticsearchChatMessageHistory, limit: int
) -> None:
    await async_history.aadd_messages(numbered(1200))
    requests = recorded(async_history.client)
    expected = texts(numbered(1200))[-limit:]
    assert texts(await async_history.aget_messages(limit=limit)) == expected
    assert [request.endpoint for request in requests] == ["_search"]
    assert requests[0].body["size"] == limit


async def test_history_size_is_the_limit_where_none_is_given(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, history_size=3
    )
    await history.aadd_messages(numbered(10))
    assert texts(await history.aget_messages()) == ["7", "8", "9"]
    assert texts(await history.aget_messages(limit=5)) == ["5", "6", "7", "8", "9"]
    assert texts(await history.aget_messages(limit=1)) == ["9"]


async def test_a_limit_beyond_the_session_returns_all(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(3))
    assert texts(await async_history.aget_messages(limit=100)) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (8, "01234567"),
        (7, "1234567"),
        (6, "4567"),  # without both results of the calls that were cut off
        (5, "4567"),
        (4, "4567"),
        (2, "67"),
        (1, ""),
    ],
)
async def test_a_window_never_opens_with_the_result_of_a_call_outside_it(
    async_history: AsyncElasticsearchChatMessageHistory, limit: int, expected: str
) -> None:
    await async_history.aadd_messages(CONVERSATION)
    assert texts(await async_history.aget_messages(limit=limit)) == list(expected)
    assert len(await async_history.aget_messages()) == 8


async def test_a_limit_beyond_what_one_search_may_return_is_read_in_pages(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.create_if_missing()
    start = 1_700_000_000_000_000
    for first in range(0, 10_500, 3500):
        store(
            admin,
            index,
            [
                own_document("s", start + first + number, message)
                for number, message in enumerate(numbered(3500, first))
            ],
        )
    found = await history.aget_messages(limit=10_200)
    assert texts(found) == texts(numbered(10_200, first=300))
    await async_until(lambda: open_contexts(admin, index) == 0, BEFORE_EXPIRY)


RESULTS: list[BaseMessage] = [
    ToolMessage("result", tool_call_id="call-1"),
    ToolMessageChunk(content="result", tool_call_id="call-1"),
    FunctionMessage(content="result", name="add"),
    FunctionMessageChunk(content="result", name="add"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
async def test_no_window_begins_with_a_result_whose_call_it_lacks(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    result: BaseMessage,
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    now = time.time_ns() // 1000
    hour = 3_600_000_000
    turn = [AIMessage("call", tool_calls=[call(1)]), result, AIMessage("answer")]
    times = [now - 3 * hour, now - hour, now]
    documents = (own_document("s", at, one) for at, one in zip(times, turn, strict=True))
    store(admin, index, documents)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    whole = chats.session("s")
    by_age = chats.session("s", ttl=timedelta(hours=2))
    assert texts(await whole.aget_messages()) == ["call", "result", "answer"]
    assert texts(await whole.aget_messages(limit=2)) == ["answer"]
    assert texts(await by_age.aget_messages()) == ["answer"]
    assert texts(await by_age.aget_messages(limit=3)) == ["answer"]
    assert await chats.aprune(timedelta(hours=2)) == 1
    assert texts(await whole.aget_messages(limit=3)) == ["answer"]
    assert texts(await by_age.aget_messages()) == ["answer"]
    # What is stored stays there for readers without a window.
    assert texts(await whole.aget_messages()) == ["result", "answer"]
