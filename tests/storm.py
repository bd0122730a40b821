"""Interrupts callers and requests at random moments."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

LONGEST_PATIENCE = 0.03


class Interruption(BaseException):
    """What a signal handler may raise anywhere, as KeyboardInterrupt is raised."""


class Storm:
    """Decides by chance what goes wrong; leave it to calm down with `over`.

    Args:
        chance: The source of all decisions.
        share: How many of the requests are hit.
    """

    def __init__(self, chance: random.Random, share: float = 0.3) -> None:
        self.chance = chance
        self.over = False
        self.hits = 0
        self._share = share

    def strikes(self) -> bool:
        """Decide on the next request or call."""
        hit = not self.over and self.chance.random() < self._share
        self.hits += hit
        return hit


def async_let_loose(storm: Storm, client: Any) -> None:
    """Interrupt requests of `client` before or after they are made, or let them time out."""
    perform_request = client.transport.perform_request

    async def perform(*arguments: Any, **details: Any) -> Any:
        if not storm.strikes():
            return await perform_request(*arguments, **details)
        kind = storm.chance.choice(["before", "after", "time-out"])
        if kind == "before":
            raise Interruption
        if kind == "time-out":
            details["request_timeout"] = storm.chance.uniform(0.0005, LONGEST_PATIENCE)
        answer = await perform_request(*arguments, **details)
        if kind == "after":
            raise Interruption
        return answer

    client.transport.perform_request = perform


def let_loose(storm: Storm, client: Any) -> None:
    """Interrupt requests of `client` before or after they are made, or let them time out."""
    perform_request = client.transport.perform_request

    def perform(*arguments: Any, **details: Any) -> Any:
        if not storm.strikes():
            return perform_request(*arguments, **details)
        kind = storm.chance.choice(["before", "after", "time-out"])
        if kind == "before":
            raise Interruption
        if kind == "time-out":
            details["request_timeout"] = storm.chance.uniform(0.0005, LONGEST_PATIENCE)
        answer = perform_request(*arguments, **details)
        if kind == "after":
            raise Interruption
        return answer

    client.transport.perform_request = perform


async def async_returned(storm: Storm, call: Callable[[], Awaitable[None]]) -> bool:
    """Make a call, or cancel it or lose patience with it; tell whether it returned."""
    if not storm.strikes():
        return await _ended(call)
    if storm.chance.random() < 0.5:
        try:
            return await asyncio.wait_for(_ended(call), storm.chance.uniform(0, LONGEST_PATIENCE))
        except asyncio.TimeoutError:
            return False
    task = asyncio.ensure_future(_ended(call))
    for _ in range(storm.chance.randrange(8)):
        await asyncio.sleep(0)
    if storm.chance.random() < 0.5:
        await asyncio.sleep(storm.chance.uniform(0, LONGEST_PATIENCE))
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return False


def returned(storm: Storm, call: Callable[[], None]) -> bool:
    """Make a call, which only its requests can interrupt; tell whether it returned."""
    del storm
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
