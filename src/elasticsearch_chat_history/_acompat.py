"""Names that differ between the twins: `AsyncX` or `ax` in one, `X` or `x` in the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
)
from typing import Any, TypeVar

from elasticsearch import AsyncElasticsearch, Elasticsearch
from typing_extensions import ParamSpec

from elasticsearch_chat_history._reporting import LOGGER, describe

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")

AsyncRequest = Callable[[AsyncElasticsearch], Awaitable[Result]]
Request = Callable[[Elasticsearch], Result]

AsyncAnyIterable = Iterable[Result] | AsyncIterable[Result]
AnyIterable = Iterable[Result]

AsyncLock = asyncio.Lock
# A signal handler may need what its own thread holds.
Lock = threading.RLock

asleep = asyncio.sleep
sleep = time.sleep


def async_caller() -> int | None:
    """Return None: no task calls again before a call of its own has ended."""
    return None


def caller() -> int:
    """Return which thread calls: a signal handler may call within a call of its thread."""
    return threading.get_ident()


# The event loop that waits are bound to.
async_event_loop = asyncio.get_running_loop


def event_loop() -> asyncio.AbstractEventLoop | None:
    """Return None: waits are bound to no event loop."""
    return None


async def aiter_any(items: AsyncAnyIterable[Result]) -> AsyncGenerator[Result, None]:
    """Yield what an iterable of either kind yields."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def iter_any(items: AnyIterable[Result]) -> Generator[Result, None, None]:
    """Yield what an iterable yields."""
    yield from items


async def async_finished(
    call: Callable[Arguments, Coroutine[Any, Any, Result]],
    *values: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Return what a call returns, which goes on to its end if the caller is cancelled meanwhile.

    A cancelled caller is cancelled when the call has ended, so that no task is left behind. Unlike
    with `asyncio.shield()` alone, what goes wrong after the cancellation is told in the log:
    https://docs.python.org/3/library/asyncio-task.html#asyncio.shield

    Raises:
        asyncio.CancelledError: The caller was cancelled; its cause is the error of the call.
        Exception: What the call raises.
    """
    task = asyncio.ensure_future(call(*values, **named))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
    if cancelled is None:
        return task.result()
    # A loop that ends has cancelled the task as well.
    problem = None if task.cancelled() else task.exception()
    if isinstance(problem, Exception):
        LOGGER.warning("A call that was cancelled has failed as well: %s", describe(problem))
    raise cancelled from problem


def finished(
    call: Callable[Arguments, Result], *values: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Return what a call returns."""
    return call(*values, **named)


class AsyncSignal:
    """Wakes the one task that waits for it; a wake-up before the wait is not lost."""

    __slots__ = ("_waiter", "_woken")

    def __init__(self) -> None:
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """End the current wait, or else the next one."""
        if self._waiter is None or self._waiter.done():
            self._woken = True
        else:
            self._waiter.set_result(None)

    def wait(self) -> asyncio.Future[None]:
        """Wait for a wake-up and use it up."""
        self._waiter = asyncio.get_running_loop().create_future()
        if self._woken:
            self._woken = False
            self._waiter.set_result(None)
        return self._waiter


class Signal:
    """Wakes the one thread that waits for it; a wake-up before the wait is not lost.

    A plain lock: `threading.Event` creates another lock and a condition for each wait, which is
    measurable if many threads wait for one flush.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        """End the current wait, or else the next one."""
        if self._lock.locked():
            self._lock.release()

    def wait(self) -> None:
        """Wait for a wake-up and use it up."""
        self._lock.acquire()
