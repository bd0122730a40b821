"""Attempts at one call: what several of them have stored gets the place of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._reporting import LOGGER, describe, describe_answer
from elasticsearch_chat_history._sequence import seqs_of_call
from elasticsearch_chat_history._updates import Update, in_requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._async.index import AsyncChatIndex
    from elasticsearch_chat_history._documents import Document

MAX_FETCHED_AT_ONCE = 1_000


async def join_attempts(
    index: AsyncChatIndex, documents: Sequence[Document], refresh: Refresh
) -> None:
    """Put the messages of one call where the earliest attempt at it would have put all of them.

    Else the part that a later attempt has stored would come after the other, whatever the order
    in the call. Where this may not be done, all is stored nevertheless, and a line is logged.
    """
    problem: str | None = None
    try:
        for part in in_requests(await _moves(index, documents)):
            for outcome in await index.update(part, refresh):
                if "error" in outcome:
                    problem = describe_answer(outcome["error"], outcome["status"])
    except (ApiError, TransportError) as error:
        problem = describe(error)
    if problem is not None:
        LOGGER.warning(
            "Messages of a call that was made again may be out of order in index %r: %s. All are "
            "stored. To move them takes the index privileges read and index.",
            index.name,
            problem,
        )


async def _moves(index: AsyncChatIndex, documents: Sequence[Document]) -> list[Update]:
    stored = await _stored(index, documents)
    if not stored:
        # Removed meanwhile.
        return []
    found = {
        position: source.get("seq") or source["created_at"] * 1000
        for position, (_, source) in stored.items()
    }
    layout = await index.prepare()
    routing = index.routing_of(documents[0].session_id)
    return [
        Update(
            stored[position][0],
            documents[position].id,
            routing,
            {"created_at": seq // 1000, **({"seq": seq} if layout.complete else {})},
        )
        for position, seq in seqs_of_call(found).items()
    ]


async def _stored(
    index: AsyncChatIndex, documents: Sequence[Document]
) -> dict[int, tuple[str, dict[str, Any]]]:
    """Return the index and the place of each document by its position, also if not visible yet."""
    routing = index.routing_of(documents[0].session_id)
    where = {} if routing is None else {"routing": routing}
    stored: dict[int, tuple[str, dict[str, Any]]] = {}
    for start in range(0, len(documents), MAX_FETCHED_AT_ONCE):
        wanted = [
            {"_id": document.id, **where}
            for document in documents[start : start + MAX_FETCHED_AT_ONCE]
        ]
        for position, document in enumerate(await _fetched(index, wanted), start):
            if document.get("found"):
                stored[position] = document["_index"], document["_source"]
    return stored


async def _fetched(index: AsyncChatIndex, wanted: list[dict[str, str]]) -> list[dict[str, Any]]:
    answer = await send(
        lambda: index.client.mget(
            index=index.name, docs=wanted, source_includes=["created_at", "seq"]
        ),
        index.state,
        index.max_retries,
    )
    found: list[dict[str, Any]] = answer["docs"]
    return found
