"""Holds requests back where they leave the client, until a test lets them go."""

import asyncio
import threading
from typing import Any


class AsyncGate:
    """Holds the bulk requests of an asynchronous client."""

    def __init__(self, client: Any) -> None:
        self.held: list[str] = []
        self._open = asyncio.Event()
        self._perform_request = client.transport.perform_request
        client.transport.perform_request = self._pass

    def open(self) -> None:
        """Let go what is held, and all that comes."""
        self._open.set()

    async def _pass(self, method: str, target: str, **details: Any) -> Any:
        if "/_bulk" in target and not self._open.is_set():
            self.held.append(target)
            await self._open.wait()
        return await self._perform_request(method, target, **details)


class Gate:
    """Holds the bulk requests of a synchronous client."""

    def __init__(self, client: Any) -> None:
        self.held: list[str] = []
        self._open = threading.Event()
        self._perform_request = client.transport.perform_request
        client.transport.perform_request = self._pass

    def open(self) -> None:
        """Let go what is held, and all that comes."""
        self._open.set()

    def _pass(self, method: str, target: str, **details: Any) -> Any:
        if "/_bulk" in target and not self._open.is_set():
            self.held.append(target)
            self._open.wait(60)
        return self._perform_request(method, target, **details)
