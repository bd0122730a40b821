"""The same call again, by its idempotency key, changes nothing but what was missing."""

import time
from collections import Counter
from functools import partial

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._documents.document import derived_id
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.client_requests import recorded
from tests.support.concurrency import AsyncRunning, async_until
from tests.support.documents import (
    CONFLICTING_MAPPINGS,
    OWN_MAPPINGS,
    own_document,
)
from tests.support.flush_queue import waiting_callers
from tests.support.messages import numbered, texts
from tests.support.server import count, sources

TURN: list[BaseMessage] = [HumanMessage("What?"), AIMessage("That.")]


async def test_the_same_call_again_changes_nothing(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    index, session_id = async_history.index, async_history.session_id
    await async_history.aadd_messages(TURN, idempotency_key="k")
    before = sources(admin, index, session_id)
    await async_history.aadd_messages(TURN, idempotency_key="k")
    anew = AsyncElasticsearchChatMessageHistory(index, session_id, client=async_client)
    requests = recorded(async_client)
    await anew.aadd_messages(TURN, idempotency_key="k")
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert sources(admin, index, session_id) == before
    assert await async_history.aget_messages() == TURN


async def test_another_key_or_none_is_another_call(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(TURN, idempotency_key="k")
    await async_history.aadd_messages(TURN, idempotency_key="l")
    await async_history.aadd_messages(TURN)
    await async_history.aadd_messages(TURN)
    assert await async_history.aget_messages() == TURN * 4


async def test_another_session_with_the_same_key_is_independent(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    other = AsyncElasticsearchChatMessageHistory(
        async_history.index, f"{async_history.session_id}-2", client=async_client
    )
    await async_history.aadd_messages(TURN, idempotency_key="k")
    await other.aadd_messages(TURN, idempotency_key="k")
    assert await async_history.aget_messages() == TURN
    assert await other.aget_messages() == TURN


async def test_a_call_that_was_half_stored_is_completed(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(2), idempotency_key="k")
    await async_history.aadd_messages(numbered(5), idempotency_key="k")
    assert texts(await async_history.aget_messages()) == texts(numbered(5))


async def test_the_same_call_many_times_at_once_is_stored_once(
    shared_index: str,
    session_id: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    histories = [
        AsyncElasticsearchChatMessageHistory(
            shared_index, session_id, client=async_client, refresh=refresh
        )
        for refresh in (True, False) * 4
    ]
    requests = recorded(async_client)
    held = AsyncHeldRequests(async_client)
    adding = AsyncRunning(
        *(partial(history.aadd_messages, TURN, idempotency_key="k") for history in histories)
    )

    def all_are_in_their_calls() -> bool:
        # One queue for each of the two policies.
        waiting = sum(waiting_callers(history) for history in histories[:2])
        return held.messages + waiting * len(TURN) == len(histories) * len(TURN)

    await async_until(all_are_in_their_calls)
    held.release_all()
    assert await adding.results() == [None] * len(histories)
    assert count(admin, shared_index, session_id) == 2
    assert await histories[0].aget_messages() == TURN
    # Whichever call stores a message, it gets the same place in the order.
    bulks = [request for request in requests if request.endpoint == "_bulk"]
    places = Counter(line for bulk in bulks for line in b"".join(bulk.body).splitlines())
    assert len(bulks) > 1
    assert len(places) == 4


@pytest.mark.parametrize("missing", [0, 1, 2])
@pytest.mark.parametrize("ours", [True, False], ids=["all fields", "three fields, routed"])
async def test_what_was_missing_comes_where_the_first_call_would_have_put_it(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, missing: int, ours: bool
) -> None:
    mappings = OWN_MAPPINGS if ours else {**CONFLICTING_MAPPINGS, "_routing": {"required": True}}
    admin.indices.create(index=index, mappings=mappings)
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, refresh=ours, routing=not ours
    )
    await history.aadd_messages(numbered(3), idempotency_key="k")
    await history.aadd_messages(numbered(2, first=3))
    admin.indices.refresh(index=index)
    before = sources(admin, index, "s")
    # As if a shard had refused it.
    admin.delete(index=index, id=derived_id("s", "k", missing), routing=None if ours else "s")
    await history.aadd_messages(numbered(3), idempotency_key="k")
    admin.indices.refresh(index=index)
    assert texts(await history.aget_messages()) == ["0", "1", "2", "3", "4"]
    assert sources(admin, index, "s") == before


@pytest.mark.parametrize("seconds", [-5, 5])
async def test_parts_of_two_processes_become_one_call(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch, seconds: int
) -> None:
    index, session_id = async_history.index, async_history.session_id
    # What another process, with its own clock, has stored of the same call.
    seq = time.time_ns() // 1_000 + seconds * 1_000_000
    for position in (0, 2):
        message = numbered(1, first=position)[0]
        admin.create(
            index=index,
            id=derived_id(session_id, "k", position),
            document=own_document(session_id, seq + 1_000 * position, message),
        )
    await async_history.aadd_messages(numbered(4), idempotency_key="k")
    assert texts(await async_history.aget_messages()) == texts(numbered(4))


async def test_a_long_call_is_completed(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_messages(numbered(1_500), idempotency_key="k")
    for position in (0, 1_200):
        admin.delete(index=index, id=derived_id("s", "k", position), refresh=True)
    requests = recorded(async_client)
    await history.aadd_messages(numbered(1_500), idempotency_key="k")
    assert [request.endpoint for request in requests] == ["_bulk", "_mget", "_mget", "_bulk"]
    assert texts(await history.aget_messages()) == texts(numbered(1_500))
