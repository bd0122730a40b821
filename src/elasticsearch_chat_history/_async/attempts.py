"""Attempts at one call: what several of them have stored gets the place of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._async.requests import send
from elasticsearch_chat_history._documents.sequence import seqs_of_call
from elasticsearch_chat_history._reporting import LOGGER, describe, describe_answer
from elasticsearch_chat_history._requests.bulk import Update, in_requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._async.index import AsyncChatIndex
    from elasticsearch_chat_history._async.pages import Hit
    from elasticsearch_chat_history._documents.document import Document

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
        position: hit["_source"].get("seq") or hit["_source"]["created_at"] * 1000
        for position, hit in stored.items()
    }
    layout = await index.prepare()
    return [
        Update(
            stored[position]["_index"],
            stored[position]["_id"],
            stored[position].get("_routing"),
            {"created_at": seq // 1000, **({"seq": seq} if layout.complete else {})},
        )
        for position, seq in seqs_of_call(found).items()
    ]


async def _stored(index: AsyncChatIndex, documents: Sequence[Document]) -> dict[int, Hit]:
    """Return what is there of the documents by position, also if not visible yet."""
    routing = index.routing_of(documents[0].session_id)
    where = {} if routing is None else {"routing": routing}
    hits: list[Hit] = []
    for start in range(0, len(documents), MAX_FETCHED_AT_ONCE):
        part = documents[start : start + MAX_FETCHED_AT_ONCE]
        hits += await _fetched(index, [{"_id": document.id, **where} for document in part])
    return {position: hit for position, hit in enumerate(hits) if hit.get("found")}


async def _fetched(index: AsyncChatIndex, wanted: list[dict[str, str]]) -> list[Hit]:
    answer = await send(
        lambda: index.client.mget(
            index=index.name, docs=wanted, source_includes=["created_at", "seq"]
        ),
        index.state,
        index.max_retries,
    )
    found: list[Hit] = answer["docs"]
    return found
