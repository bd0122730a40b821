"""Work that a cancelled caller does not leave half done."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from elasticsearch_chat_history._reporting import LOGGER, describe

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


async def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """Await `work` to its end, also if the caller is cancelled meanwhile.

    A cancelled caller is cancelled when the work is done, so that no task is left behind. Unlike
    with `asyncio.shield()` alone, what goes wrong after the cancellation is told in the log:
    https://docs.python.org/3/library/asyncio-task.html#asyncio.shield

    Raises:
        asyncio.CancelledError: The caller was cancelled; its cause is the error of the work.
        Exception: What `work` raises.
    """
    task = asyncio.ensure_future(work)
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
