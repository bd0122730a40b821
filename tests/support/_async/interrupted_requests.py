"""Interrupts the requests of a client by chance."""

from __future__ import annotations

from typing import Any

from tests.support.interruptions import LONGEST_TIMEOUT, Interruption, Interruptions


def interrupt_requests(interruptions: Interruptions, client: Any) -> None:
    """Interrupt requests of `client` before or after they are made, or let them time out."""
    perform_request = client.transport.perform_request

    async def perform(*arguments: Any, **details: Any) -> Any:
        if not interruptions.hits_next():
            return await perform_request(*arguments, **details)
        kind = interruptions.chance.choice(["before", "after", "time-out"])
        if kind == "before":
            raise Interruption
        if kind == "time-out":
            details["request_timeout"] = interruptions.chance.uniform(0.0005, LONGEST_TIMEOUT)
        answer = await perform_request(*arguments, **details)
        if kind == "after":
            raise Interruption
        return answer

    client.transport.perform_request = perform
