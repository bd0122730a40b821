"""Deleting what a query finds, in steps that each fit a request."""

from __future__ import annotations

from typing import Any

from elasticsearch import NotFoundError

from elasticsearch_chat_history._async.index import AsyncChatIndex
from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._queries.selection import is_missing_index
from elasticsearch_chat_history._reporting import LOGGER

# Deleted well within the client's usual time-out of ten seconds.
MAX_DELETED_AT_ONCE = 10_000
# Somebody who changes the same documents again and again must not keep a deletion going for ever.
MAX_CONTESTED_PASSES = 10


async def delete_matching(
    index: AsyncChatIndex, query: dict[str, Any], *, routing: str | None
) -> int:
    """Delete all documents that `query` finds; return how many went.

    Elasticsearch deletes what a search finds, so that documents which no refresh has made visible
    would stay: there is one before. A document that somebody changes or deletes in between is a
    version conflict and stays for now; a further pass finds it if it is still there. See
    https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-delete-by-query

    Args:
        index: The index; a missing one holds nothing to delete.
        query: What to delete.
        routing: Where the documents are, in an index routed by session.

    Raises:
        ChatHistoryError: Others changed some of the documents in each of many passes.
    """
    deleted = contested = 0
    try:
        in_steps = await index.refresh()
        while True:
            answer = await _delete(index, query, routing=routing, in_steps=in_steps)
            deleted += int(answer["deleted"])
            if in_steps and answer["deleted"] >= MAX_DELETED_AT_ONCE:
                continue
            conflicts = int(answer["version_conflicts"])
            if not conflicts:
                return deleted
            if not in_steps:
                # Without a refresh a further pass would find the same documents again.
                LOGGER.warning(
                    "%d messages in index %r were changed or deleted by somebody else while they "
                    "were being deleted.",
                    conflicts,
                    index.name,
                )
                return deleted
            contested += 1
            if contested == MAX_CONTESTED_PASSES:
                raise ChatHistoryError(
                    f"{conflicts} messages in index {index.name!r} may not be deleted: somebody "
                    f"else changed them in each of {contested} attempts. Try again later."
                )
            # The deletion itself refreshes only where something went.
            await index.refresh()
    except NotFoundError as error:
        if is_missing_index(error):
            return deleted
        raise


async def _delete(
    index: AsyncChatIndex, query: dict[str, Any], *, routing: str | None, in_steps: bool
) -> Any:
    # After a step that no refresh follows, the next one would find the same documents again:
    # then all are deleted in one.
    step: dict[str, Any] = {"max_docs": MAX_DELETED_AT_ONCE, "refresh": True} if in_steps else {}
    return await send(
        lambda: index.client.delete_by_query(
            index=index.name, query=query, routing=routing, conflicts="proceed", **step
        ),
        index.state,
        index.max_retries,
    )
