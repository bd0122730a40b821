"""Sees the requests of a client where they leave it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it left the client."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def endpoint(self) -> str:
        """The last part of the path, such as `_bulk`."""
        return self.path.rpartition("/")[2]


def recorded(client: Any) -> list[Request]:
    """Return a list that every further request of `client`, of either kind, is added to."""
    requests: list[Request] = []
    perform_request = client.transport.perform_request

    def record(method: str, target: str, **details: Any) -> Any:
        headers = dict(details.get("headers") or {})
        requests.append(Request(method, target, headers, details.get("body")))
        return perform_request(method, target, **details)

    client.transport.perform_request = record
    return requests


def failing(client: Any, endpoint: str, error: Exception, *, after: int = 0) -> None:
    """Make `client`, of either kind, raise `error` in place of requests to `endpoint`.

    Args:
        client: The client.
        endpoint: The last part of their path.
        error: What is raised.
        after: How many of them pass before.
    """
    perform_request = client.transport.perform_request
    passed = 0

    def fail(method: str, target: str, **details: Any) -> Any:
        nonlocal passed
        if urlsplit(target).path.endswith(f"/{endpoint}"):
            if passed == after:
                raise error
            passed += 1
        return perform_request(method, target, **details)

    client.transport.perform_request = fail


def before_each(client: Any, act: Callable[[Request], None]) -> None:
    """Call `act` with every further request of `client`, of either kind, before it leaves."""
    perform_request = client.transport.perform_request

    def perform(method: str, target: str, **details: Any) -> Any:
        act(Request(method, target, dict(details.get("headers") or {}), details.get("body")))
        return perform_request(method, target, **details)

    client.transport.perform_request = perform


def set_timeout(client: Any, seconds: Callable[[], float]) -> None:
    """Give each further request of `client`, of either kind, so much time."""
    perform_request = client.transport.perform_request

    def perform(method: str, target: str, **details: Any) -> Any:
        return perform_request(method, target, **{**details, "request_timeout": seconds()})

    client.transport.perform_request = perform
