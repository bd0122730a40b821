"""Adding messages to a session, in one order even if a call was made several times."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._async.index.preparing import indices_of_alias, prepare
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.document import documents_of, stored_message_of
from elasticsearch_chat_history._documents.metadata import merged_metadata
from elasticsearch_chat_history._documents.sequence import place_of
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._queries.selection import STORED_MESSAGE_FIELDS
from elasticsearch_chat_history._reporting import LOGGER, describe, describe_answer
from elasticsearch_chat_history._requests.bulk import Update
from elasticsearch_chat_history._results import StoreResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from elasticsearch_chat_history._async.session.session import AsyncSession
    from elasticsearch_chat_history._documents.document import Document, Hit
    from elasticsearch_chat_history._documents.keys import Keys

EARLIER_FIELDS = ("created_at", *STORED_MESSAGE_FIELDS)


async def add(
    session: AsyncSession,
    messages: Sequence[BaseMessage],
    *,
    keys: Keys | None,
    metadata: Mapping[str, Any] | None,
) -> tuple[list[Document], set[int]]:
    """Store messages, at least one, after all that this process has read or written.

    Returns:
        Their documents, and the positions of those that an earlier call with their keys had
        stored.
    """
    # Kept until the end, so that the same call made meanwhile gets the same values.
    ticks = CLOCK.ticks_of_call(session.clock_key, keys, len(messages))
    scope = session.index.scope
    documents = documents_of(
        messages,
        session.id,
        ticks.values,
        ensure_ascii=bool(session.options.ensure_ascii),
        metadata=scope.label(merged_metadata(session.options.metadata, metadata)),
        ids=None if keys is None else keys.ids(session.id, scope.key, len(messages)),
    )
    existing = await session.writer.store(documents, once=keys is not None)
    if keys is None:
        # A retry has met what was stored by the same call.
        return documents, set()
    if 0 < len(existing) < len(documents):
        await _join_attempts(session, documents, keys)
    return documents, existing


async def store(
    session: AsyncSession,
    messages: Sequence[BaseMessage],
    *,
    keys: Keys | None,
    metadata: Mapping[str, Any] | None,
) -> StoreResult:
    """Store messages, and return them as they are stored, also those of an earlier attempt."""
    documents, existing = await add(session, messages, keys=keys, metadata=metadata)
    stored = [one.stored(message) for one, message in zip(documents, messages, strict=True)]
    if existing:
        for position, hit in (await _fetch(session, documents, EARLIER_FIELDS)).items():
            time = hit["_source"]["created_at"]
            stored[position] = stored_message_of({**hit, "sort": [time]}, session.id)
    return StoreResult(tuple(stored), tuple(sorted(existing)))


async def _join_attempts(session: AsyncSession, documents: Sequence[Document], keys: Keys) -> None:
    """Move messages that several calls have stored, so that they are in the order of the call.

    Otherwise the part that a later call stored would come after the rest. If moving is not
    allowed, all is stored nevertheless, and a line is logged.
    """
    problem: str | None = None
    try:
        updates = session.index.update(
            await _moves(session, documents, keys), session.options.refresh
        )
        async with aclosing(updates) as parts:
            async for outcomes in parts:
                for _, outcome in outcomes:
                    if "error" in outcome:
                        problem = describe_answer(outcome["error"], outcome["status"])
    except (ApiError, TransportError) as error:
        problem = describe(error)
    except ChatHistoryError as error:
        problem = str(error)
    if problem is not None:
        LOGGER.warning(
            "Messages of a repeated call may be out of order in index %r: %s. All are stored. To "
            "reorder them, the index privileges read and index are needed.",
            session.index.name,
            problem,
        )


async def _moves(session: AsyncSession, documents: Sequence[Document], keys: Keys) -> list[Update]:
    stored = await _fetch(session, documents, ["created_at", "seq"])
    if not stored:
        # Deleted meanwhile.
        return []
    found = {
        position: place_of(hit["_source"].get("seq"), hit["_source"]["created_at"])
        for position, hit in stored.items()
    }
    layout = await prepare(session.index)
    return [
        Update(
            stored[position]["_index"],
            stored[position]["_id"],
            stored[position].get("_routing"),
            {"created_at": seq // 1000, **({"seq": seq} if layout.complete else {})},
        )
        for position, seq in keys.moves(found).items()
    ]


async def _fetch(
    session: AsyncSession, documents: Sequence[Document], fields: Sequence[str]
) -> dict[int, Hit]:
    """Return what is stored of documents, by their positions, from all indices of an alias."""
    indices = await indices_of_alias(session.index, await prepare(session.index))
    return await session.index.fetch(documents, fields=fields, indices=indices)
