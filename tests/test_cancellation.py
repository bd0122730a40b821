"""Cancelled callers of the asynchronous history; threads cannot be cancelled."""

import asyncio

import pytest
from elasticsearch import AsyncElasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)
from tests.support._async.held_model import AsyncHeldModel
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.concurrency import HANG_SECONDS, async_until
from tests.support.flush_queue import waiting_callers


@pytest.fixture
async def history(
    index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatMessageHistory:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.create_if_missing()
    return history


async def contents(history: AsyncElasticsearchChatMessageHistory) -> list[str]:
    return [str(message.content) for message in await history.aget_messages()]


def add(history: AsyncElasticsearchChatMessageHistory, text: str) -> "asyncio.Task[None]":
    return asyncio.create_task(history.aadd_message(HumanMessage(text)))


async def test_a_cancelled_leader_loses_nobody_elses_messages(
    history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    held = AsyncHeldRequests(async_client)
    first = add(history, "first")
    await async_until(lambda: len(held.requests) == 1)
    leader, follower = add(history, "leader"), add(history, "follower")
    await async_until(lambda: waiting_callers(history) == 2)
    first.cancel()
    # The next leader takes both along, and is cancelled in the middle of its request.
    await async_until(lambda: len(held.requests) == 2)
    leader.cancel()
    held.release_all()
    await follower
    assert "follower" in await contents(history)
    for cancelled in (first, leader):
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_a_leader_cancelled_after_its_request_arrived_leaves_no_duplicates(
    history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    perform_request = async_client.transport.perform_request
    arrived, never = asyncio.Event(), asyncio.Event()

    async def lose_the_first_answer(method: str, target: str, **details: object) -> object:
        answer = await perform_request(method, target, **details)  # type: ignore[arg-type]
        if "/_bulk" in target and not arrived.is_set():
            arrived.set()
            await never.wait()
        return answer

    async_client.transport.perform_request = lose_the_first_answer  # type: ignore[method-assign, assignment]
    # Both are queued before the leader, the first of them, takes its batch.
    leader, follower = add(history, "leader"), add(history, "follower")
    await arrived.wait()
    leader.cancel()
    await follower
    assert sorted(await contents(history)) == ["follower", "leader"]


async def test_a_cancelled_follower_stores_nothing_and_holds_up_nobody(
    history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    held = AsyncHeldRequests(async_client)
    leader = add(history, "leader")
    await async_until(lambda: len(held.requests) == 1)
    cancelled, follower = add(history, "cancelled"), add(history, "follower")
    await async_until(lambda: waiting_callers(history) == 2)
    cancelled.cancel()
    held.release_all()
    await asyncio.gather(leader, follower)
    assert await contents(history) == ["leader", "follower"]


async def test_a_leader_to_be_that_is_cancelled_in_the_same_moment_hands_on(
    history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    held = AsyncHeldRequests(async_client)
    leader = add(history, "leader")
    await async_until(lambda: len(held.requests) == 1)
    heir, follower = add(history, "heir"), add(history, "follower")
    await async_until(lambda: waiting_callers(history) == 2)
    # Done as soon as the leader is, before the heir gets to run.
    leader.add_done_callback(lambda _: heir.cancel())
    held.release_all()
    await asyncio.wait_for(follower, HANG_SECONDS)
    assert "follower" in await contents(history)


async def test_who_is_cancelled_while_a_model_thinks_stores_nothing(
    index: str, async_client: AsyncElasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    model = AsyncHeldModel()
    store = AsyncElasticsearchChatStore(index, client=async_client, embeddings=model)
    history = store.session("s")
    cancelled = add(history, "cancelled")
    await async_until(lambda: len(model.calls) == 1)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await history.aadd_message(HumanMessage("next"))
    assert await contents(history) == ["next"]
    assert caplog.records == []


async def test_many_cancellations_leave_the_queue_in_order(
    history: AsyncElasticsearchChatMessageHistory,
) -> None:
    acknowledged = []

    async def write(number: int) -> None:
        await history.aadd_message(HumanMessage(str(number)))
        acknowledged.append(str(number))

    for step in range(40):
        tasks = [asyncio.create_task(write(step * 100 + number)) for number in range(8)]
        for _ in range(step % 7):
            await asyncio.sleep(0)
        for task in tasks[:: 1 + step % 3]:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), HANG_SECONDS)
    stored = await contents(history)
    assert len(stored) == len(set(stored))
    assert set(acknowledged) <= set(stored)
    assert history._session.writer._queue.leaders == 0
    assert waiting_callers(history) == 0
