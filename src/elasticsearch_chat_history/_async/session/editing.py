"""Changing a session: removing messages, or replacing them."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._async.index.deleting import (
    check_right_to_delete,
    delete_matching,
    old_ones_left,
    remove,
)
from elasticsearch_chat_history._async.index.paging import AsyncPages
from elasticsearch_chat_history._async.session.reading import AsyncSessionReader, place_in
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.document import documents_of, stored_message_of
from elasticsearch_chat_history._errors import MessagesNotStoredError, UnreadableMessageError
from elasticsearch_chat_history._queries.selection import (
    STORED_MESSAGE_FIELDS,
    Selection,
    after_query,
    ids_query,
    older_query,
    session_query,
    total_order,
)
from elasticsearch_chat_history._reporting import LOGGER, describe
from elasticsearch_chat_history._requests.failures import is_missing_index

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from langchain_core.messages import BaseMessage

    from elasticsearch_chat_history._async.session.session import AsyncSession
    from elasticsearch_chat_history._documents.document import Hit
    from elasticsearch_chat_history._results import StoredMessage


async def pop(session: AsyncSession, count: int) -> list[StoredMessage]:
    """Remove the last `count` messages, and return those that this call removed."""
    reader = AsyncSessionReader(session, STORED_MESSAGE_FIELDS)
    seen: set[str] = set()
    popped: list[StoredMessage] = []
    while count:
        # The last message may not be visible to searches yet.
        await session.index.refresh()
        hits = await reader.last(count)
        messages = {hit["_id"]: stored_message_of(hit, session.id) for hit in hits}
        if messages.keys() <= seen:
            # Nothing is left; without the right to refresh, only removed messages are visible.
            break
        seen |= messages.keys()
        removed = await remove(session.index, hits, session.options.refresh)
        popped = [messages[hit["_id"]] for hit in removed] + popped
        # Messages that somebody else removed meanwhile are replaced by the ones before them.
        count -= len(removed)
    return popped


async def delete(session: AsyncSession, ids: Iterable[str]) -> list[StoredMessage]:
    """Remove the messages of the session that have these ids, and return them, oldest first."""
    unique = list(dict.fromkeys(ids))
    if not unique:
        return []
    await session.index.refresh()
    removed = await delete_visible(session, unique)
    if len(removed) < len(unique):
        LOGGER.info(
            "%d of %d ids are of no message in the session. They must be those of StoredMessages, "
            "not of LangChain messages.",
            len(unique) - len(removed),
            len(unique),
        )
    return _readable(sorted(removed, key=_place), session.id)


async def truncate_after(session: AsyncSession, message_id: str) -> list[StoredMessage]:
    """Remove all that comes after a message, and return what this call removed, oldest first.

    Raises:
        ValueError: There is no message with that id.
    """
    await session.index.refresh()
    place = await place_in(session, message_id, "message_id")
    pages = AsyncPages(session.index)
    selection = Selection(
        after_query(session.id, place), total_order(), STORED_MESSAGE_FIELDS, session.routing
    )
    removed: list[Hit] = []
    async with aclosing(pages.each(selection, pages.size())) as found:
        async for hits in found:
            removed += await remove(session.index, hits, session.options.refresh)
    return _readable(removed, session.id)


async def replace(session: AsyncSession, messages: Sequence[BaseMessage]) -> None:
    """Store messages, at least one, and then remove all that come before them."""
    # Else each attempt would add its messages to those that cannot be removed.
    await check_right_to_delete(session.index, [session.index.name])
    # The clock must have seen all messages, as the new ones must come after them.
    await session.index.refresh()
    await AsyncSessionReader(session, expired=True).last(1)
    documents = documents_of(
        messages,
        session.id,
        CLOCK.tick(session.clock_key, len(messages)),
        ensure_ascii=bool(session.options.ensure_ascii),
        metadata=session.options.metadata,
    )
    try:
        await session.writer.store(documents)
    except MessagesNotStoredError:
        await delete_again(session, [document.id for document in documents])
        raise
    with old_ones_left(session.id, session.index.name):
        await delete_matching(
            session.index, older_query(session.id, documents), routing=session.routing
        )


async def clear(session: AsyncSession) -> None:
    """Remove all messages of the session."""
    await delete_matching(session.index, session_query(session.id), routing=session.routing)


async def contains(session: AsyncSession, message_id: str) -> bool:
    """Tell whether a message of this id is in the session and visible to searches."""
    found = [hit async for hits in _hits_of(session, [message_id]) for hit in hits]
    return bool(found)


async def delete_visible(session: AsyncSession, ids: Sequence[str]) -> list[Hit]:
    """Remove the documents that are visible to searches; return those that this call removed."""
    removed: list[Hit] = []
    async for hits in _hits_of(session, ids):
        removed += await remove(session.index, hits, session.options.refresh)
    return removed


async def delete_again(session: AsyncSession, ids: Sequence[str]) -> None:
    """Remove again what a failed call has stored, as far as that is possible."""
    try:
        await session.index.refresh()
        await delete_visible(session, ids)
    except Exception as error:  # noqa: BLE001  # the first error says more
        LOGGER.warning(
            "New messages of session %r in index %r could not be removed again: %s",
            session.id,
            session.index.name,
            describe(error),
        )


async def _hits_of(session: AsyncSession, ids: Sequence[str]) -> AsyncGenerator[list[Hit], None]:
    """Yield the documents of this session with these ids, in pages."""
    pages = AsyncPages(session.index)
    size = pages.size()
    while ids:
        asked = ids[: size.messages]
        selection = Selection(ids_query(session.id, asked), total_order(), routing=session.routing)
        try:
            found = await pages.search(selection, size, track_total_hits=False)
        except (ApiError, TransportError) as error:
            if is_missing_index(error):
                return
            pages.shrink_or_raise(size, error)
            continue
        yield found["hits"]["hits"]
        ids = ids[len(asked) :]


def _place(hit: Hit) -> tuple[bool, list[Any]]:
    """Return what sorts hits oldest first; those without a time come last."""
    return hit["sort"][0] is None, hit["sort"][:3]


def _readable(hits: Iterable[Hit], session_id: str) -> list[StoredMessage]:
    readable = []
    for hit in hits:
        try:
            readable.append(stored_message_of(hit, session_id))
        except UnreadableMessageError as error:
            LOGGER.warning("Removed a document that holds no message: %s", error)
    return readable
