"""Names that differ between the twins: `AsyncX` or `ax` in one, `X` or `x` in the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from typing import Any, TypeVar

from elasticsearch import AsyncElasticsearch, Elasticsearch
from typing_extensions import ParamSpec

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


def async_caller() -> object:
    """Return who calls, to be told from others at the same time."""
    return asyncio.current_task()


def caller() -> object:
    """Return who calls, to be told from others at the same time."""
    return threading.get_ident()


def async_event_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that waits are bound to."""
    return asyncio.get_running_loop()


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


# A task that nobody holds may be collected before it has ended.
_going_on: set[asyncio.Future[Any]] = set()


async def async_finished(
    call: Callable[Arguments, Awaitable[Result]],
    *values: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Return what a call returns; it goes on if the caller is cancelled meanwhile."""
    future = asyncio.ensure_future(call(*values, **named))
    _going_on.add(future)
    future.add_done_callback(_going_on.discard)
    return await asyncio.shield(future)


def finished(
    call: Callable[Arguments, Result], *values: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Return what a call returns."""
    return call(*values, **named)


class AsyncSignal:
    """Wakes the one task that waits for it; a wake-up before the wait is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """End the current wait, or else the next one."""
        self._event.set()

    async def wait(self) -> None:
        """Wait for a wake-up and use it up."""
        await self._event.wait()
        self._event.clear()


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
