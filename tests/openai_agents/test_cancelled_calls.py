"""A call that is cancelled is finished or not begun, whichever request it is at."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.openai_agents import ElasticsearchSession

Call = Callable[[ElasticsearchSession], Coroutine[Any, Any, Any]]

BEFORE: list[Any] = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
]
QUESTION: Any = {"role": "user", "content": "c"}
ANSWER: Any = {"role": "assistant", "content": "d"}

# With what is there afterwards, and how many requests there are to be cancelled at.
CALLS = pytest.mark.parametrize(
    ("call", "after", "requests"),
    [
        pytest.param(
            lambda session: session.add_items([QUESTION]), [*BEFORE, QUESTION], 2, id="question"
        ),
        pytest.param(
            lambda session: session.add_items([ANSWER]), [*BEFORE, ANSWER], 1, id="answer"
        ),
        pytest.param(lambda session: session.pop_item(), BEFORE[:1], 3, id="pop"),
        pytest.param(lambda session: session.clear_session(), [], 3, id="clear"),
    ],
)


class HeldRequest:
    """Holds one request of a client back, before it leaves or when it has been answered."""

    def __init__(self, client: AsyncElasticsearch, number: int, *, answered: bool) -> None:
        self.arrived, self.release = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None
        self._left, self._answered = number, answered
        self._client, self._perform_request = client, client.transport.perform_request
        client.transport.perform_request = self._perform  # type: ignore[method-assign]

    def let_all_go(self) -> None:
        self._client.transport.perform_request = self._perform_request  # type: ignore[method-assign]

    async def _perform(self, *arguments: Any, **details: Any) -> Any:
        self._left -= 1
        is_held = self._left == -1
        if is_held and not self._answered:
            await self._hold()
        answer = await self._perform_request(*arguments, **details)
        if is_held and self._answered:
            await self._hold()
        return answer

    async def _hold(self) -> None:
        self.arrived.set()
        await self.release.wait()
        if self.error is not None:
            raise self.error


async def started(
    session: ElasticsearchSession, call: Call, held: HeldRequest
) -> "asyncio.Task[Any]":
    """Start a call, and return when it has ended or its request is held."""
    task: asyncio.Task[Any] = asyncio.create_task(call(session))
    arrived = asyncio.create_task(held.arrived.wait())
    await asyncio.wait({task, arrived}, return_when=asyncio.FIRST_COMPLETED)
    arrived.cancel()
    await asyncio.wait({arrived})
    return task


@CALLS
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_call_that_is_cancelled_at_a_request_is_finished(
    store: AsyncElasticsearchChatStore,
    session_id: str,
    async_client: AsyncElasticsearch,
    *,
    call: Call,
    after: list[Any],
    requests: int,
    answered: bool,
    times: int,
) -> None:
    cancelled = 0
    while True:
        session = ElasticsearchSession(f"{session_id}-{cancelled}", store)
        await session.add_items(BEFORE)
        held = HeldRequest(async_client, cancelled, answered=answered)
        task = await started(session, call, held)
        if task.done():
            held.let_all_go()
            break
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        held.release.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        held.let_all_go()
        # Nothing goes on behind the back of who was cancelled.
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await session.get_items() == after
        cancelled += 1
    assert cancelled == requests


@CALLS
async def test_a_call_that_is_cancelled_before_it_runs_is_not_begun(
    session: ElasticsearchSession, call: Call, after: list[Any], requests: int
) -> None:
    del after, requests
    await session.add_items(BEFORE)
    task = asyncio.create_task(call(session))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await session.get_items() == BEFORE


@CALLS
async def test_what_fails_after_the_cancellation_is_told(
    session: ElasticsearchSession,
    async_client: AsyncElasticsearch,
    caplog: pytest.LogCaptureFixture,
    *,
    call: Call,
    after: list[Any],
    requests: int,
) -> None:
    del after, requests
    await session.add_items(BEFORE)
    held = HeldRequest(async_client, 0, answered=False)
    held.error = ZeroDivisionError("a secret")
    task = await started(session, call, held)
    task.cancel()
    held.release.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    held.let_all_go()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "was cancelled has failed as well: ZeroDivisionError" in caplog.text
    assert "a secret" not in caplog.text
    assert await session.get_items() == BEFORE


async def test_a_read_that_is_cancelled_ends_at_once(
    session: ElasticsearchSession, async_client: AsyncElasticsearch
) -> None:
    await session.add_items(BEFORE)
    held = HeldRequest(async_client, 0, answered=False)
    task = await started(session, lambda session: session.get_items(), held)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.let_all_go()


def test_a_loop_that_ends_takes_a_call_with_it(
    shared_index: str, session_id: str, client_arguments: dict[str, Any]
) -> None:
    problems: list[dict[str, Any]] = []

    async def leave_behind() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, problem: problems.append(problem)
        )
        async with AsyncElasticsearch(**client_arguments) as client:
            store = AsyncElasticsearchChatStore(shared_index, client=client)
            session = ElasticsearchSession(session_id, store)
            held = HeldRequest(client, 0, answered=False)
            left.append(await started(session, lambda one: one.add_items([QUESTION]), held))

    left: list[asyncio.Task[Any]] = []
    asyncio.run(leave_behind())
    assert left[0].cancelled()
    gc.collect()
    assert problems == []
