"""Many calls at once: as tasks for one twin, as threads for the other."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


async def async_together(calls: Iterable[Callable[[], Awaitable[Result]]]) -> list[Result]:
    """Return what the calls return, each made in a task of its own."""
    return await asyncio.gather(*(call() for call in calls))


def together(calls: Iterable[Callable[[], Result]]) -> list[Result]:
    """Return what the calls return, each made in a thread of its own."""
    listed = list(calls)
    with ThreadPoolExecutor(max(1, len(listed))) as pool:
        return [future.result() for future in [pool.submit(call) for call in listed]]
