"""Holds requests back where they leave the client, until a test lets them go."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tests.support.client_requests import Request
from tests.support.concurrency import AsyncEvent

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncHeldRequests:
    """Holds requests of a client, by default its bulk requests.

    As a context manager, it lets everything go at the end of its block.

    Args:
        client: The client.
        endpoints: The last part of the path of what is held.
    """

    def __init__(self, client: Any, *endpoints: str) -> None:
        self.requests: list[Request] = []
        self._endpoints = endpoints or ("_bulk",)
        self._holds = True
        self._lock = threading.Lock()
        self._release = AsyncEvent()
        self._perform_request = client.transport.perform_request
        client.transport.perform_request = self._perform

    @property
    def messages(self) -> int:
        """How many messages are in the bulk requests that are held now."""
        return sum(len(request.body) for request in self.requests)

    def release(self) -> None:
        """Let go what is held now, and hold what comes."""
        with self._lock:
            self.requests = []
            self._release.set()
            self._release = AsyncEvent()

    def release_all(self) -> None:
        """Let go what is held, and all that comes."""
        with self._lock:
            self._holds = False
            self._release.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release_all()

    async def _perform(self, method: str, target: str, **details: Any) -> Any:
        request = Request(method, target, {}, details.get("body"))
        with self._lock:
            release = self._release
            is_held = self._holds and request.endpoint in self._endpoints
            if is_held:
                self.requests.append(request)
        if is_held:
            await release.wait()
        return await self._perform_request(method, target, **details)
