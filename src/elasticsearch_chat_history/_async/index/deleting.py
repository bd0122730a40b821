"""Deleting what a query finds, or certain documents, and telling which this call removed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from elasticsearch import (
    ApiError,
    AsyncElasticsearch,
    AuthorizationException,
    BadRequestError,
    ConnectionTimeout,
    TransportError,
)

from elasticsearch_chat_history._acompat import asleep
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._reporting import LOGGER, describe
from elasticsearch_chat_history._requests.bulk import (
    REMOVAL_FILTER_PATH,
    removal_line_of,
    removals_in,
)
from elasticsearch_chat_history._requests.failures import (
    Failure,
    is_retriable,
    missing_index_ignored,
)
from elasticsearch_chat_history._requests.known_indices import INDICES
from elasticsearch_chat_history._requests.product import from_elasticsearch
from elasticsearch_chat_history._requests.retries import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Hit

# This takes much less than the client's default time-out of ten seconds.
MAX_DELETED_AT_ONCE = 10_000
# A deletion must end even if somebody else keeps changing the same documents.
MAX_CONTESTED_PASSES = 10
MAX_REMOVED_AT_ONCE = 1_000
# How many documents Elasticsearch deletes at once by default.
BATCH_SIZE = 1_000
NO_DOCUMENT = "no-document-has-this-id"


async def delete_matching(
    index: AsyncChatIndex, query: dict[str, Any], *, routing: str | None = None
) -> int:
    """Delete all documents that `query` finds; return how many were deleted.

    Elasticsearch deletes what a search finds, so the index is refreshed before: documents that are
    not visible yet would stay. A document that somebody else changes or deletes meanwhile is a
    version conflict and stays at first; another pass deletes it if it is still there. See
    https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

    Args:
        index: The index; if it does not exist, there is nothing to delete.
        query: What to delete.
        routing: The routing value of the documents; None in an index without routing.

    Raises:
        ChatHistoryError: The index is blocked, or somebody else changed some of the documents in
            each of many passes.
        ConnectionTimeout: The deletion takes longer than the client waits. It goes on in
            Elasticsearch, so that no second one is started.
    """
    deleted = contested = 0
    in_steps = await index.refresh()
    await _check_block(index, routing)
    with missing_index_ignored():
        while True:
            answer = await _delete(index, query, routing=routing, in_steps=in_steps)
            deleted += int(answer["deleted"])
            if in_steps and answer["deleted"] >= MAX_DELETED_AT_ONCE:
                continue
            conflicts = int(answer["version_conflicts"])
            if not conflicts:
                break
            if not in_steps:
                # Without a refresh a further pass would find the same documents again.
                LOGGER.warning(
                    "%d messages in index %r were changed or deleted by somebody else while they "
                    "were being deleted.",
                    conflicts,
                    index.name,
                )
                break
            contested += 1
            if contested == MAX_CONTESTED_PASSES:
                raise ChatHistoryError(
                    f"{conflicts} messages in index {index.name!r} may be left: somebody "
                    f"else changed them in each of {contested} attempts. Try again later."
                )
            # The deletion itself refreshes only if it has deleted something.
            await index.refresh()
    return deleted


async def remove(index: AsyncChatIndex, hits: Sequence[Hit], refresh: Refresh) -> list[Hit]:
    """Remove the documents of `hits`; return those that this call removed.

    If the response to an attempt was lost and the next attempt finds a document gone, it counts as
    removed by this call.

    Raises:
        ChatHistoryError: Elasticsearch refuses to remove some; it says how many, and why.
    """
    removed: list[Hit] = []
    for start in range(0, len(hits), MAX_REMOVED_AT_ONCE):
        removed += await _remove_page(index, hits[start : start + MAX_REMOVED_AT_ONCE], refresh)
    return removed


async def check_right_to_delete(index: AsyncChatIndex, names: Iterable[str]) -> None:
    """Delete nothing, to know before a replacement that its second half is allowed.

    Args:
        index: The index; a missing one holds nothing to delete.
        names: What is to be deleted from: the index or alias, or the indices behind it.

    Raises:
        ChatHistoryError: The privilege is missing.
    """
    where = sorted(set(names))
    if not where:
        return
    try:
        with missing_index_ignored():
            await index.send(
                lambda client: client.delete_by_query(
                    # So few that any index allows it.
                    index=where,
                    query={"match_none": {}},
                    scroll_size=1,
                )
            )
    except AuthorizationException as error:
        raise ChatHistoryError(
            f"Nothing was changed in index {index.name!r}: replacing messages needs the right to "
            f"delete the old ones. {describe(error)}"
        ) from error


@contextmanager
def old_ones_left(session_id: str, index: str) -> Iterator[None]:
    """Say what is there if the old messages of a replacement cannot be removed in the block."""
    try:
        yield
    except (ApiError, TransportError, ChatHistoryError) as error:
        # An error of our own says what to do already.
        own = isinstance(error, ChatHistoryError)
        reason = str(error) if own else f"{describe(error)}. Call it again once the cause is gone."
        raise ChatHistoryError(
            f"Session {session_id!r} in index {index!r} has its new messages, but also old ones: "
            f"these could not be removed. {reason}"
        ) from error


async def _delete(
    index: AsyncChatIndex, query: dict[str, Any], *, routing: str | None, in_steps: bool
) -> Any:
    # After a step that no refresh follows, the next one would find the same documents again:
    # then all are deleted in one.
    step: dict[str, Any] = {"max_docs": MAX_DELETED_AT_ONCE, "refresh": True} if in_steps else {}
    while True:
        try:
            return await index.send(
                lambda client: client.options(retry_on_timeout=False).delete_by_query(
                    index=index.name,
                    query=index.scope.within(query),
                    routing=routing,
                    conflicts="proceed",
                    scroll_size=min(BATCH_SIZE, index.max_hits),
                    **step,
                ),
                worth_retrying=_may_delete_again,
            )
        except BadRequestError as error:
            if not index.learn_max_hits(error):
                raise


def _may_delete_again(error: Exception) -> bool:
    # One that takes too long goes on in Elasticsearch; a second one would only slow it down.
    return is_retriable(error) and not isinstance(error, ConnectionTimeout)


async def _check_block(index: AsyncChatIndex, routing: str | None) -> None:
    """Raise an error if the index is blocked, as a deletion by query would wait for its end."""
    layout = INDICES.layout(index.key)
    names = sorted(layout.indices) if layout is not None else [index.name]
    # The routing satisfies an index that requires one.
    nothing = [
        {"_index": name, "_id": NO_DOCUMENT, "_routing": routing or NO_DOCUMENT} for name in names
    ]
    try:
        outcomes = await _removals(index, nothing, refresh=False)
    except AuthorizationException:
        return  # the deletion itself tells what is missing
    for outcome in outcomes:
        if isinstance(outcome, Failure) and outcome.blocked:
            raise ChatHistoryError(
                f"No messages are deleted from index {index.name!r}: {outcome.reason}. Delete "
                "them again once the block is gone."
            )


async def _remove_page(index: AsyncChatIndex, hits: Sequence[Hit], refresh: Refresh) -> list[Hit]:
    budget = RetryBudget(index.max_retries)
    removed: list[Hit] = []
    while True:
        outcomes = list(zip(hits, await _removals(index, hits, refresh), strict=True))
        removed += [hit for hit, outcome in outcomes if outcome is True]
        failures = [outcome for _, outcome in outcomes if isinstance(outcome, Failure)]
        if not failures:
            return removed
        retriable = all(one.retriable and not one.blocked for one in failures)
        delay = budget.delay(reached=True) if retriable else None
        if delay is None:
            first = next((one for one in failures if not one.retriable), failures[0])
            raise ChatHistoryError(
                f"{len(failures)} messages could not be removed from index {index.name!r}: "
                f"{first.reason}. Remove them again once the cause is gone."
            )
        hits = [hit for hit, outcome in outcomes if isinstance(outcome, Failure)]
        await asleep(delay)


async def _removals(
    index: AsyncChatIndex, hits: Sequence[Hit], refresh: Refresh
) -> list[bool | Failure]:
    lines = [removal_line_of(hit) for hit in hits]
    # A retry that we do not see would look like somebody else's removal. So the client must not
    # retry, nor aiohttp, which repeats a PUT, the method of `client.bulk`.
    without_retries = index.client.options(max_retries=0)
    requests = 0

    async def send_once(_: AsyncElasticsearch) -> list[bool | Failure]:
        nonlocal requests
        requests += 1
        answer = await without_retries.perform_request(
            "POST",
            "/_bulk",
            params={"refresh": refresh, "filter_path": REMOVAL_FILTER_PATH},
            headers={"accept": "application/json", "content-type": "application/x-ndjson"},
            body=lines,
        )
        return removals_in(from_elasticsearch(answer).body, sent_before=requests > 1)

    return await index.send(send_once)
