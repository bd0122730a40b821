"""The content of a session is replaced, and at no instant is there neither the old nor the new."""

import time
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch, TransportError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ChatHistoryError,
    MessagesNotStoredError,
)
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.client_requests import failing, recorded
from tests.support.concurrency import async_together
from tests.support.documents import (
    CONFLICTING_MAPPINGS,
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    own_document,
    upstream_document,
)
from tests.support.messages import numbered, texts
from tests.support.server import count, store


async def test_the_new_takes_the_place_of_the_old(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    other = AsyncElasticsearchChatMessageHistory(
        async_history.index, f"{async_history.session_id}-2", client=async_client
    )
    for one in (async_history, other):
        await one.aadd_messages(numbered(5))
    await async_history.aset_messages(numbered(3, first=10))
    assert texts(await async_history.aget_messages()) == ["10", "11", "12"]
    assert count(admin, async_history.index, async_history.session_id) == 3
    assert len(await other.aget_messages()) == 5


async def test_the_new_is_stored_before_the_old_goes(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    await async_history.aadd_messages(numbered(5))
    requests = recorded(async_client)
    await async_history.aset_messages(numbered(3, first=10))
    writing = [one.endpoint for one in requests if one.endpoint in {"_bulk", "_delete_by_query"}]
    # To know that deleting is allowed, the new, whether there is a block, and the deletion.
    assert writing == ["_delete_by_query", "_bulk", "_bulk", "_delete_by_query"]


async def test_a_session_that_is_empty_or_missing_can_be_set(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aset_messages(numbered(2))
    assert texts(await history.aget_messages()) == ["0", "1"]


async def test_an_empty_list_clears_the_session(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(2))
    await async_history.aset_messages([])
    assert await async_history.aget_messages() == []


class CrashError(Exception):
    """The process ends."""


async def test_after_a_crash_in_between_both_are_there_and_the_next_call_mends_it(
    async_history: AsyncElasticsearchChatMessageHistory, client_arguments: dict[str, Any]
) -> None:
    await async_history.aadd_messages(numbered(2))
    async with AsyncElasticsearch(**client_arguments) as crashing:
        another = AsyncElasticsearchChatMessageHistory(
            async_history.index, async_history.session_id, client=crashing
        )
        failing(crashing, "_delete_by_query", CrashError(), after=1)
        with pytest.raises(CrashError):
            await another.aset_messages(numbered(2, first=10))
    assert texts(await async_history.aget_messages()) == ["0", "1", "10", "11"]
    await async_history.aset_messages(numbered(2, first=20))
    assert texts(await async_history.aget_messages()) == ["20", "21"]


async def test_when_the_new_cannot_be_stored_the_old_stays_alone(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    await async_history.aadd_messages(numbered(2))
    another = AsyncElasticsearchChatMessageHistory(
        async_history.index, async_history.session_id, client=async_client, max_retries=0
    )
    requests = recorded(async_client)
    refuse_second_document(async_client)
    with pytest.raises(MessagesNotStoredError) as caught:
        await another.aset_messages(numbered(3, first=10))
    assert list(caught.value.reasons) == [1]
    # The one that asks for the right to delete.
    assert [request.endpoint for request in requests].count("_delete_by_query") == 1
    assert texts(await async_history.aget_messages()) == ["0", "1"]
    assert count(admin, async_history.index, async_history.session_id) == 2


def refuse_second_document(client: Any) -> None:
    """Make Elasticsearch refuse one document of the next bulk request: its time is no time."""
    perform_request = client.transport.perform_request

    def spoil(method: str, target: str, **details: Any) -> Any:
        if target.endswith("_bulk") or "_bulk?" in target:
            body = details.get("body")
            if isinstance(body, list) and len(body) == 3 and b"create" in body[0]:
                spoilt = body[1].replace(b'"created_at":', b'"created_at":"never","was":')
                details["body"] = [body[0], spoilt, body[2]]
        return perform_request(method, target, **details)

    client.transport.perform_request = spoil


async def test_what_is_no_message_changes_nothing(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(2))
    wrong: list[Any] = ["Hello", HumanMessage("a", additional_kwargs={"a": object()})]
    for one in wrong:
        with pytest.raises(TypeError, match="position 1"):
            await async_history.aset_messages([HumanMessage("fine"), one])
    assert texts(await async_history.aget_messages()) == ["0", "1"]


@pytest.mark.parametrize("ahead", [0, 3_000_000, 3_600_000_000])
async def test_what_another_clock_put_ahead_of_ours_is_old_all_the_same(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch, ahead: int
) -> None:
    session_id = async_history.session_id
    seq = time.time_ns() // 1000 + ahead
    documents = [own_document(session_id, seq + one, HumanMessage(f"{one}")) for one in range(3)]
    store(admin, async_history.index, documents)
    await async_history.aset_messages(numbered(2, first=10))
    assert texts(await async_history.aget_messages()) == ["10", "11"]


@pytest.mark.parametrize("complete", [True, False])
async def test_what_upstream_wrote_is_replaced_too(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, complete: bool
) -> None:
    mappings = UPSTREAM_MAPPINGS if complete else CONFLICTING_MAPPINGS
    admin.indices.create(index=index, mappings={**mappings, "dynamic": True})
    now = time.time_ns() // 1_000_000
    documents = [upstream_document("s", now + one // 3, HumanMessage("old")) for one in range(9)]
    store(admin, index, documents)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aset_messages(numbered(30))
    assert texts(await history.aget_messages()) == texts(numbered(30))
    await history.aset_messages(numbered(2))
    assert texts(await history.aget_messages()) == ["0", "1"]


async def test_what_ttl_hides_goes_too(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    store(admin, index, [own_document("s", 1, HumanMessage("old"))])
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aset_messages(numbered(1))
    assert count(admin, index) == 1


async def test_readers_always_find_the_whole_old_or_the_whole_new(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    reader = AsyncElasticsearchChatMessageHistory(
        async_history.index, async_history.session_id, client=async_client
    )
    await async_history.aset_messages(numbered(3))
    seen: list[list[str]] = []
    over: list[bool] = []
    held = AsyncHeldRequests(async_client, "_bulk", "_delete_by_query")

    async def replace() -> None:
        try:
            for turn in range(1, 21):
                await async_history.aset_messages(numbered(3, first=3 * turn))
        finally:
            over.append(True)

    async def read() -> None:
        try:
            while not over:
                # So that each change is under way with a read, however fast each of them is.
                held.release()
                seen.append(texts(await reader.aget_messages()))
        finally:
            held.release_all()

    async def refresh() -> None:
        # In the middle of a bulk request, a refresh shows a part of what it does.
        while not over:
            await async_client.indices.refresh(index=async_history.index)

    await async_together([replace, read, refresh])
    whole = [texts(numbered(3, first=3 * turn)) for turn in range(21)]
    assert len(seen) > 2
    for found in seen:
        assert found[:3] in whole or found[-3:] in whole
    assert texts(await async_history.aget_messages()) == whole[-1]


async def test_old_messages_that_cannot_be_removed_are_told(
    async_history: AsyncElasticsearchChatMessageHistory, client_arguments: dict[str, Any]
) -> None:
    await async_history.aadd_messages(numbered(2))
    async with AsyncElasticsearch(**client_arguments) as lossy:
        another = AsyncElasticsearchChatMessageHistory(
            async_history.index, async_history.session_id, client=lossy, max_retries=0
        )
        failing(lossy, "_delete_by_query", TransportError("gone"), after=1)
        with pytest.raises(ChatHistoryError, match=r"new messages, but also old ones.*gone"):
            await another.aset_messages(numbered(2, first=10))
    assert texts(await async_history.aget_messages()) == ["0", "1", "10", "11"]


async def test_old_messages_that_a_fork_cannot_remove_are_told(
    async_history: AsyncElasticsearchChatMessageHistory, client_arguments: dict[str, Any]
) -> None:
    await async_history.aadd_messages(numbered(2))
    async with AsyncElasticsearch(**client_arguments) as lossy:
        other = AsyncElasticsearchChatMessageHistory(
            async_history.index, f"{async_history.session_id}-2", client=lossy, max_retries=0
        )
        await other.aadd_messages(numbered(2, first=10))
        failing(lossy, "_bulk", TransportError("gone"), after=1)
        with pytest.raises(ChatHistoryError, match=r"new messages, but also old ones.*gone"):
            await other.afork(async_history.session_id, overwrite=True)
    found = sorted(texts(await async_history.aget_messages()))
    assert found == ["0", "1", "10", "11"]
