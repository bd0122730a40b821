"""Calls at the same time, and waits: with tasks for one twin, with threads for the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

Result = TypeVar("Result")

# No promise about speed: what has not happened by then is taken never to happen.
HANG_SECONDS = 120.0
POLL_SECONDS = 0.01


class AsyncRunning(Generic[Result]):
    """Calls that run in tasks while the test goes on.

    As a context manager, it waits at the end of its block and raises what a call raised.

    Args:
        calls: What runs from now on.
        seconds: After how long a call is taken to hang at the end of the block.
    """

    def __init__(
        self, *calls: Callable[[], Awaitable[Result]], seconds: float = HANG_SECONDS
    ) -> None:
        self._seconds = seconds
        self._tasks: list[asyncio.Future[Result]] = []
        for call in calls:
            self.start(call)

    def start(self, call: Callable[[], Awaitable[Result]]) -> None:
        """Run one more call from now on."""
        self._tasks.append(asyncio.ensure_future(call()))

    def check(self) -> None:
        """Raise the first error of a call that has ended."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def results(self) -> list[Result | BaseException]:
        """Return what each call returned or raised, however long that takes."""
        return await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._tasks:
            return
        _done, hung = await asyncio.wait(self._tasks, timeout=self._seconds)
        for task in hung:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert not hung, f"{len(hung)} of {len(self._tasks)} callers hang"
        self.check()


class Running(Generic[Result]):
    """Calls that run in threads while the test goes on.

    As a context manager, it waits at the end of its block and raises what a call raised.

    Args:
        calls: What runs from now on; none begins before each has a thread.
        seconds: After how long a call is taken to hang at the end of the block.
    """

    def __init__(self, *calls: Callable[[], Result], seconds: float = HANG_SECONDS) -> None:
        self._seconds = seconds
        self._threads: list[threading.Thread] = []
        self._outcomes: dict[int, Result | BaseException] = {}
        self._errors: list[BaseException] = []
        # The first thread may be done before the last one exists.
        beginning = threading.Barrier(len(calls)) if calls else None
        for call in calls:
            self._start(call, beginning)

    def start(self, call: Callable[[], Result]) -> None:
        """Run one more call from now on."""
        self._start(call, None)

    def check(self) -> None:
        """Raise the first error of a call that has ended."""
        if self._errors:
            raise self._errors[0]

    def results(self) -> list[Result | BaseException]:
        """Return what each call returned or raised, however long that takes."""
        for thread in self._threads:
            thread.join()
        return [self._outcomes[number] for number in range(len(self._threads))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        deadline = time.monotonic() + self._seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        hung = sum(thread.is_alive() for thread in self._threads)
        assert not hung, f"{hung} of {len(self._threads)} callers hang"
        self.check()

    def _start(self, call: Callable[[], Result], beginning: threading.Barrier | None) -> None:
        # Daemons, so that a hang fails the test in place of stopping the interpreter's end.
        run = partial(self._run, len(self._threads), call, beginning)
        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(
        self, number: int, call: Callable[[], Result], beginning: threading.Barrier | None
    ) -> None:
        try:
            if beginning is not None:
                beginning.wait(self._seconds)
            self._outcomes[number] = call()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's thread
            self._outcomes[number] = error
            self._errors.append(error)


async def async_together(calls: Iterable[Callable[[], Awaitable[Result]]]) -> list[Result]:
    """Return what the calls return, each made in a task of its own."""
    running: AsyncRunning[Result] = AsyncRunning(*calls)
    results = await running.results()
    running.check()
    return [result for result in results if not isinstance(result, BaseException)]


def together(calls: Iterable[Callable[[], Result]]) -> list[Result]:
    """Return what the calls return, each made in a thread of its own."""
    running: Running[Result] = Running(*calls)
    results = running.results()
    running.check()
    return [result for result in results if not isinstance(result, BaseException)]


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


async def async_without_blocking(call: Callable[[], Result]) -> Result:
    """Return what a call that blocks returns, while the tasks go on."""
    return await asyncio.to_thread(call)


def without_blocking(call: Callable[[], Result]) -> Result:
    """Return what a call that blocks returns, while the threads go on."""
    return call()


AsyncEvent = asyncio.Event


class Event:
    """An event that threads wait for, but not forever."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Let all go on who wait."""
        self._event.set()

    def wait(self) -> None:
        """Return when it is set."""
        assert self._event.wait(HANG_SECONDS), "nobody has set the event"
