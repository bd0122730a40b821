"""Loses the answer to a request, which the server has carried out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit


def lose_answer(client: Any, endpoint: str, error: Exception) -> None:
    """Raise `error` in place of the answer to the next request of `client` to an endpoint."""
    perform_request = client.transport.perform_request
    lost = False

    async def perform(method: str, target: str, **details: Any) -> Any:
        nonlocal lost
        answer = await perform_request(method, target, **details)
        if not lost and urlsplit(target).path.endswith(f"/{endpoint}"):
            lost = True
            raise error
        return answer

    client.transport.perform_request = perform
