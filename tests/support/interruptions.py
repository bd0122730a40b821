"""Callers and requests are interrupted at random moments."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

LONGEST_TIMEOUT = 0.03


class Interruption(BaseException):
    """What a signal handler may raise anywhere, as KeyboardInterrupt is raised."""


class Interruptions:
    """Decides by chance what is interrupted, until `over` is set.

    Args:
        chance: The source of all decisions.
        share: How many of the requests are hit.
    """

    def __init__(self, chance: random.Random, share: float = 0.3) -> None:
        self.chance = chance
        self.over = False
        self.hits = 0
        self._share = share

    def hits_next(self) -> bool:
        """Decide on the next request or call."""
        hit = not self.over and self.chance.random() < self._share
        self.hits += hit
        return hit


async def async_returned(
    interruptions: Interruptions, call: Callable[[], Awaitable[None]]
) -> bool:
    """Make a call, or cancel it or lose patience with it; tell whether it returned."""
    if not interruptions.hits_next():
        return await _ended(call)
    if interruptions.chance.random() < 0.5:
        try:
            return await asyncio.wait_for(
                _ended(call), interruptions.chance.uniform(0, LONGEST_TIMEOUT)
            )
        except asyncio.TimeoutError:
            return False
    task = asyncio.ensure_future(_ended(call))
    for _ in range(interruptions.chance.randrange(8)):
        await asyncio.sleep(0)
    if interruptions.chance.random() < 0.5:
        await asyncio.sleep(interruptions.chance.uniform(0, LONGEST_TIMEOUT))
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return False


def returned(interruptions: Interruptions, call: Callable[[], None]) -> bool:
    """Make a call, which only its requests can interrupt; tell whether it returned."""
    del interruptions
    try:
        call()
    except Interruption:
        return False
    return True


async def _ended(call: Callable[[], Awaitable[None]]) -> bool:
    try:
        await call()
    except Interruption:
        return False
    return True
