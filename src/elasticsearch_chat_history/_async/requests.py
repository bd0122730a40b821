"""Requests that are tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._compat import AsyncCall, asleep
from elasticsearch_chat_history._retries import RetryBudget, is_retriable

if TYPE_CHECKING:
    from collections.abc import Callable

    from elasticsearch_chat_history._shared import TransportState

Answer = TypeVar("Answer")


async def send(
    call: AsyncCall[Answer],
    state: TransportState,
    max_retries: int,
    *,
    worth_retrying: Callable[[Exception], bool] = is_retriable,
) -> Answer:
    """Return the answer of `call`, which is made again while that may help."""
    budget = RetryBudget(max_retries)
    while True:
        try:
            answer = await call()
        except (ApiError, TransportError) as error:
            state.reached = state.reached or isinstance(error, ApiError)
            delay = budget.delay(reached=state.reached) if worth_retrying(error) else None
            if delay is None:
                raise
            await asleep(delay)
        else:
            state.reached = True
            return answer
