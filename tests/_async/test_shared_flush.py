"""Concurrent callers share bulk requests."""

from functools import partial
from typing import Any

from elasticsearch import AsyncElasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    MessagesNotStoredError,
)
from elasticsearch_chat_history._async.index.writing import MAX_WAITING_FLUSHES
from elasticsearch_chat_history._documents.fields import PROPERTIES
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.client_requests import recorded
from tests.support.concurrency import AsyncRunning, async_until
from tests.support.flush_queue import waiting_callers

CALLERS = 20


def turn(number: int) -> list[BaseMessage]:
    return [HumanMessage(f"question {number}"), AIMessage(f"answer {number}")]


def has_waiting(history: AsyncElasticsearchChatMessageHistory, count: int) -> bool:
    return waiting_callers(history) == count


def has_held(held: AsyncHeldRequests, count: int) -> bool:
    return len(held.requests) == count


async def histories(
    index: str, client: AsyncElasticsearch, count: int = CALLERS, **options: Any
) -> list[AsyncElasticsearchChatMessageHistory]:
    """Return histories of different sessions over one client and an index that is ready."""
    made = [
        AsyncElasticsearchChatMessageHistory(index, f"s{number}", client=client, **options)
        for number in range(count)
    ]
    await made[0].create_if_missing()
    return made


async def test_what_arrives_during_a_flush_goes_out_together_in_the_next(
    index: str, async_client: AsyncElasticsearch
) -> None:
    first, *others = await histories(index, async_client)
    requests = recorded(async_client)
    held = AsyncHeldRequests(async_client)
    leading = AsyncRunning(partial(first.aadd_messages, turn(0)))
    await async_until(lambda: len(held.requests) == 1)
    following = AsyncRunning(
        *(partial(other.aadd_messages, turn(number)) for number, other in enumerate(others, 1))
    )
    await async_until(lambda: waiting_callers(first) == len(others))
    held.release_all()
    assert await leading.results() == [None]
    assert await following.results() == [None] * len(others)
    assert len(requests) == 2
    for number, history in enumerate([first, *others]):
        assert await history.aget_messages() == turn(number)


async def test_a_caller_alone_sends_one_request(
    index: str, async_client: AsyncElasticsearch
) -> None:
    (history,) = await histories(index, async_client, 1)
    requests = recorded(async_client)
    await history.aadd_messages(turn(0))
    await history.aadd_messages(turn(1))
    assert [request.endpoint for request in requests] == ["_bulk", "_bulk"]


async def test_another_policy_or_index_is_not_held_up(
    index: str, async_client: AsyncElasticsearch
) -> None:
    (refreshed,) = await histories(index, async_client, 1)
    unrefreshed = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, refresh=False
    )
    held = AsyncHeldRequests(async_client)
    adding = AsyncRunning(
        partial(refreshed.aadd_messages, turn(0)), partial(unrefreshed.aadd_messages, turn(1))
    )
    await async_until(lambda: len(held.requests) == 2)
    held.release_all()
    assert await adding.results() == [None, None]


async def test_clients_with_other_credentials_do_not_share(
    index: str, async_client: AsyncElasticsearch
) -> None:
    (ours,) = await histories(index, async_client, 1)
    other_user = async_client.options(headers={"x-opaque-id": "somebody else"})
    theirs = AsyncElasticsearchChatMessageHistory(index, "s", client=other_user)
    requests = recorded(async_client)
    held = AsyncHeldRequests(async_client)
    adding = AsyncRunning(
        partial(ours.aadd_messages, turn(0)), partial(theirs.aadd_messages, turn(1))
    )
    await async_until(lambda: len(held.requests) == 2)
    held.release_all()
    assert await adding.results() == [None, None]
    assert {request.headers.get("x-opaque-id") for request in requests} == {
        None,
        "somebody else",
    }


async def test_a_rejected_document_fails_its_own_caller_only(
    index: str, async_client: AsyncElasticsearch
) -> None:
    # A keyword takes no term of more than 32,766 bytes, so that one message is refused.
    strict = {**PROPERTIES, "history": {"type": "keyword"}}
    await async_client.indices.create(index=index, mappings={"properties": strict})
    made = await histories(index, async_client, 3)
    held = AsyncHeldRequests(async_client)
    leading = AsyncRunning(partial(made[0].aadd_messages, turn(0)))
    await async_until(lambda: len(held.requests) == 1)
    too_long = HumanMessage("secret " * 10_000)
    following = AsyncRunning(
        partial(made[1].aadd_messages, [*turn(1), too_long]),
        partial(made[2].aadd_messages, turn(2)),
    )
    await async_until(lambda: waiting_callers(made[0]) == 2)
    held.release_all()
    assert await leading.results() == [None]
    error, stored = await following.results()
    assert isinstance(error, MessagesNotStoredError)
    assert list(error.reasons) == [2]
    assert error.stored == (0, 1)
    assert "secret" not in str(error)
    assert stored is None
    assert await made[1].aget_messages() == turn(1)
    assert await made[2].aget_messages() == turn(2)


async def test_overlapping_adds_of_one_history_keep_the_order_of_the_calls(
    index: str, async_client: AsyncElasticsearch
) -> None:
    (history,) = await histories(index, async_client, 1)
    held = AsyncHeldRequests(async_client)
    running = [AsyncRunning(partial(history.aadd_messages, turn(0)))]
    await async_until(lambda: len(held.requests) == 1)
    for number in range(1, CALLERS):
        running.append(AsyncRunning(partial(history.aadd_messages, turn(number))))
        await async_until(partial(has_waiting, history, number))
    held.release_all()
    for adding in running:
        assert await adding.results() == [None]
    expected = [message for number in range(CALLERS) for message in turn(number)]
    assert await history.aget_messages() == expected


async def test_flushes_that_wait_for_a_refresh_do_not_wait_for_each_other(
    index: str, async_client: AsyncElasticsearch
) -> None:
    made = await histories(index, async_client, MAX_WAITING_FLUSHES + 1, refresh="wait_for")
    held = AsyncHeldRequests(async_client)
    running = []
    for number, history in enumerate(made):
        running.append(AsyncRunning(partial(history.aadd_messages, turn(number))))
        await async_until(partial(has_held, held, number + 1))
    # Whoever finds as many waiting flushes as may be ends the wait of all of them.
    policies = ["wait_for"] * MAX_WAITING_FLUSHES + ["true"]
    for policy, request in zip(policies, held.requests, strict=True):
        assert f"refresh={policy}" in request.target
    held.release_all()
    for adding in running:
        assert await adding.results() == [None]
    for number, history in enumerate(made):
        assert await history.aget_messages() == turn(number)


async def test_many_callers_need_few_requests(
    index: str, async_client: AsyncElasticsearch
) -> None:
    made = await histories(index, async_client)
    requests = recorded(async_client)
    held = AsyncHeldRequests(async_client)
    done: list[AsyncElasticsearchChatMessageHistory] = []

    async def converse(history: AsyncElasticsearchChatMessageHistory) -> None:
        for number in range(10):
            await history.aadd_messages(turn(number))
        done.append(history)

    def all_are_in_their_calls() -> bool:
        sending = held.messages // len(turn(0))
        in_calls = sending + waiting_callers(made[0]) == CALLERS - len(done)
        return in_calls and (sending > 0 or len(done) == CALLERS)

    conversing = AsyncRunning(*(partial(converse, history) for history in made))
    while len(done) < CALLERS:
        # What they need depends on who comes in time, so that none leaves without all of them.
        await async_until(all_are_in_their_calls)
        held.release()
    assert await conversing.results() == [None] * CALLERS
    assert len(requests) <= CALLERS * 10 / 2
    expected = [message for number in range(10) for message in turn(number)]
    for history in made:
        assert await history.aget_messages() == expected
