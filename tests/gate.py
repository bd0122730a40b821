"""Holds requests back where they leave the client, until a test lets them go."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from tests.crew import HANG_SECONDS
from tests.transport import Request

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncGate:
    """Holds the bulk requests of an asynchronous client, or those to other endpoints.

    At the end of its block, if it is used with one, it lets everything go.

    Args:
        client: The client.
        endpoints: The last part of the path of what is held.
    """

    def __init__(self, client: Any, *endpoints: str) -> None:
        self.held: list[Request] = []
        self._endpoints = endpoints or ("_bulk",)
        self._is_open = False
        self._passage = asyncio.Event()
        self._perform_request = client.transport.perform_request
        client.transport.perform_request = self._pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def let_go(self) -> None:
        """Let go what is held, and hold what comes."""
        self.held = []
        self._passage.set()
        self._passage = asyncio.Event()

    def open(self) -> None:
        """Let go what is held, and all that comes."""
        self._is_open = True
        self._passage.set()

    async def _pass(self, method: str, target: str, **details: Any) -> Any:
        request = Request(method, target, {}, details.get("body"))
        if request.endpoint in self._endpoints and not self._is_open:
            self.held.append(request)
            await self._passage.wait()
        return await self._perform_request(method, target, **details)


class Gate:
    """Holds the bulk requests of a synchronous client, or those to other endpoints.

    At the end of its block, if it is used with one, it lets everything go.

    Args:
        client: The client.
        endpoints: The last part of the path of what is held.
    """

    def __init__(self, client: Any, *endpoints: str) -> None:
        self.held: list[Request] = []
        self._endpoints = endpoints or ("_bulk",)
        self._is_open = False
        self._lock = threading.Lock()
        self._passage = threading.Event()
        self._perform_request = client.transport.perform_request
        client.transport.perform_request = self._pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()

    def let_go(self) -> None:
        """Let go what is held, and hold what comes."""
        with self._lock:
            self.held = []
            self._passage.set()
            self._passage = threading.Event()

    def open(self) -> None:
        """Let go what is held, and all that comes."""
        with self._lock:
            self._is_open = True
            self._passage.set()

    def _pass(self, method: str, target: str, **details: Any) -> Any:
        request = Request(method, target, {}, details.get("body"))
        with self._lock:
            passage = self._passage
            is_held = request.endpoint in self._endpoints and not self._is_open
            if is_held:
                self.held.append(request)
        if is_held and not passage.wait(HANG_SECONDS):
            raise TimeoutError
        return self._perform_request(method, target, **details)


def held_messages(gate: AsyncGate | Gate) -> int:
    """Return how many messages are in the bulk requests that are held now."""
    return sum(len(request.body) for request in gate.held)
