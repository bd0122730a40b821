"""Many calls at once: as tasks for one twin, as threads for the other."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from tests.crew import HANG_SECONDS

Result = TypeVar("Result")

POLL_SECONDS = 0.01


async def async_together(calls: Iterable[Callable[[], Awaitable[Result]]]) -> list[Result]:
    """Return what the calls return, each made in a task of its own."""
    return await asyncio.gather(*(call() for call in calls))


def together(calls: Iterable[Callable[[], Result]]) -> list[Result]:
    """Return what the calls return, each made in a thread of its own."""
    listed = _started_together(list(calls))
    with ThreadPoolExecutor(max(1, len(listed))) as pool:
        return [future.result() for future in [pool.submit(call) for call in listed]]


class AsyncRunning(Generic[Result]):
    """Calls that run in tasks while the test goes on."""

    def __init__(self, *calls: Callable[[], Awaitable[Result]]) -> None:
        self._tasks = [asyncio.ensure_future(call()) for call in calls]

    async def results(self) -> list[Result | BaseException]:
        """Return what each call returned or raised."""
        return await asyncio.gather(*self._tasks, return_exceptions=True)


class Running(Generic[Result]):
    """Calls that run in threads while the test goes on."""

    def __init__(self, *calls: Callable[[], Result]) -> None:
        self._pool = ThreadPoolExecutor(len(calls))
        self._futures = [self._pool.submit(call) for call in _started_together(calls)]

    def results(self) -> list[Result | BaseException]:
        """Return what each call returned or raised."""
        with self._pool:
            return [future.exception() or future.result() for future in self._futures]


async def async_until(condition: Callable[[], bool], seconds: float = HANG_SECONDS) -> None:
    """Return when `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(POLL_SECONDS)


def until(condition: Callable[[], bool], seconds: float = HANG_SECONDS) -> None:
    """Return when `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(POLL_SECONDS)


def _started_together(calls: Sequence[Callable[[], Result]]) -> list[Callable[[], Result]]:
    # The first thread may be done before the last one exists.
    if not calls:
        return []
    start = threading.Barrier(len(calls))

    def begin(call: Callable[[], Result]) -> Result:
        start.wait(HANG_SECONDS)
        return call()

    return [partial(begin, call) for call in calls]
