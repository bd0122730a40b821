"""Deleting what a query finds, in steps that each fit a request."""

from __future__ import annotations

from typing import Any

from elasticsearch import AuthorizationException, NotFoundError

from elasticsearch_chat_history._async.index import AsyncChatIndex
from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._queries import is_missing_index

# Deleted well within the client's usual time-out of ten seconds.
MAX_DELETED_AT_ONCE = 10_000


async def delete_matching(
    index: AsyncChatIndex, query: dict[str, Any], *, routing: str | None
) -> int:
    """Delete all documents that `query` finds; return how many went.

    Elasticsearch deletes what a search finds, so that documents which no refresh has made visible
    would stay: there is one before. Deletes of somebody else in between are no failure.

    Args:
        index: The index; a missing one holds nothing to delete.
        query: What to delete.
        routing: Where the documents are, in an index routed by session.
    """
    deleted = 0
    try:
        await refresh_if_allowed(index)
        while True:
            answer = await _delete(index, query, routing=routing)
            deleted += int(answer["deleted"])
            if answer["total"] < MAX_DELETED_AT_ONCE:
                return deleted
    except NotFoundError as error:
        if is_missing_index(error):
            return deleted
        raise


async def _delete(index: AsyncChatIndex, query: dict[str, Any], *, routing: str | None) -> Any:
    where: dict[str, Any] = {
        "index": index.name,
        "query": query,
        "routing": routing,
        "conflicts": "proceed",
    }
    try:
        return await send(
            lambda: index.client.delete_by_query(
                **where, max_docs=MAX_DELETED_AT_ONCE, refresh=True
            ),
            index.state,
            index.max_retries,
        )
    except AuthorizationException:
        # Who may delete may lack the maintenance privilege for the refresh. Without one the next
        # step would find the same documents again, so that this deletes all in one.
        return await send(
            lambda: index.client.delete_by_query(**where), index.state, index.max_retries
        )


async def refresh_if_allowed(index: AsyncChatIndex) -> None:
    """Make visible what is stored; without the privilege that stays as it is."""
    try:
        await send(
            lambda: index.client.indices.refresh(index=index.name),
            index.state,
            index.max_retries,
        )
    except AuthorizationException:
        # Without the maintenance privilege what is not yet visible stays until the next time.
        return
