"""Requests that are tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._acompat import AsyncCall, asleep
from elasticsearch_chat_history._requests.retries import RetryBudget, is_retriable, is_shut_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from elasticsearch_chat_history._requests.state import TransportState

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
            state.answered(error)
            shut_out = state.let_in and is_shut_out(error)
            retried = shut_out or worth_retrying(error)
            delay = budget.delay(reached=state.reached, shut_out=shut_out) if retried else None
            if delay is None:
                raise
            await asleep(delay)
        else:
            state.answered()
            return answer
