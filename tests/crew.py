"""Calls at work beside a test: as tasks for one twin, as threads for the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

Result = TypeVar("Result")

# No promise about speed: a caller that has not come back by then is taken to hang.
HANG_SECONDS = 120.0


class AsyncCrew:
    """Runs calls in tasks; leaving its block waits for them and raises what they raised."""

    def __init__(self, seconds: float = HANG_SECONDS) -> None:
        self._seconds = seconds
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, call: Callable[[], Awaitable[None]]) -> None:
        """Run `call` from now on."""
        self._tasks.append(asyncio.ensure_future(_coroutine(call)))

    def check(self) -> None:
        """Raise the first error of a call that has ended."""
        for task in self._tasks:
            if task.done():
                task.result()

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


class Crew:
    """Runs calls in threads; leaving its block waits for them and raises what they raised."""

    def __init__(self, seconds: float = HANG_SECONDS) -> None:
        self._seconds = seconds
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def start(self, call: Callable[[], None]) -> None:
        """Run `call` from now on."""
        # Daemons, so that a hang fails the test in place of stopping the interpreter's end.
        thread = threading.Thread(target=self._run, args=(call,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def check(self) -> None:
        """Raise the first error of a call that has ended."""
        if self._errors:
            raise self._errors[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        deadline = time.monotonic() + self._seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        hung = sum(thread.is_alive() for thread in self._threads)
        assert not hung, f"{hung} of {len(self._threads)} callers hang"
        self.check()

    def _run(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's thread
            self._errors.append(error)


async def async_aside(call: Callable[[], Result]) -> Result:
    """Return what a call that blocks returns, while the tasks go on."""
    return await asyncio.to_thread(call)


def aside(call: Callable[[], Result]) -> Result:
    """Return what a call that blocks returns, while the threads go on."""
    return call()


async def _coroutine(call: Callable[[], Awaitable[None]]) -> None:
    await call()
