"""Removing documents one by one, and knowing which of them this call has removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch_chat_history._acompat import asleep
from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._requests.bulk import (
    REMOVAL_FILTER_PATH,
    Failure,
    removal_line_of,
    removals_in,
)
from elasticsearch_chat_history._requests.retries import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._async.index import AsyncChatIndex
    from elasticsearch_chat_history._async.pages import Hit

MAX_REMOVED_AT_ONCE = 1_000


async def remove(index: AsyncChatIndex, hits: Sequence[Hit], refresh: Refresh) -> list[Hit]:
    """Remove the documents of `hits`; return those that were there until this call.

    Where the answer to an attempt was lost and a document is gone at the next one, it counts as
    removed by this call.

    Raises:
        ChatHistoryError: Elasticsearch refuses to remove some; it says how many, and why.
    """
    removed: list[Hit] = []
    for start in range(0, len(hits), MAX_REMOVED_AT_ONCE):
        removed += await _remove_page(index, hits[start : start + MAX_REMOVED_AT_ONCE], refresh)
    return removed


async def _remove_page(index: AsyncChatIndex, hits: Sequence[Hit], refresh: Refresh) -> list[Hit]:
    budget = RetryBudget(index.max_retries)
    removed: list[Hit] = []
    while True:
        outcomes = list(zip(hits, await _send(index, hits, refresh), strict=True))
        removed += [hit for hit, outcome in outcomes if outcome is True]
        failures = [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
        if not failures:
            return removed
        retriable = all(failure.retriable for failure in failures)
        delay = budget.delay(reached=True) if retriable else None
        if delay is None:
            first = next((one for one in failures if not one.retriable), failures[0])
            raise ChatHistoryError(
                f"{len(failures)} messages are not removed from index {index.name!r}: "
                f"{first.reason}. Remove them again once the cause is gone."
            )
        hits = [hit for hit, outcome in outcomes if isinstance(outcome, Failure)]
        await asleep(delay)


async def _send(
    index: AsyncChatIndex, hits: Sequence[Hit], refresh: Refresh
) -> list[bool | Failure]:
    lines = [removal_line_of(hit) for hit in hits]
    # A retry that we do not see would look like somebody else's removal: neither the client may
    # make one, nor aiohttp, which sends a PUT again, as `client.bulk` would use.
    client = index.client.options(max_retries=0)
    requests = 0

    async def send_once() -> list[bool | Failure]:
        nonlocal requests
        requests += 1
        answer = await client.perform_request(
            "POST",
            "/_bulk",
            params={"refresh": refresh, "filter_path": REMOVAL_FILTER_PATH},
            headers={"accept": "application/json", "content-type": "application/x-ndjson"},
            body=lines,
        )
        return removals_in(answer.body, sent_before=requests > 1)

    return await send(send_once, index.state, index.max_retries)
