"""Copying a session, or its first messages, to another session."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from elasticsearch_chat_history._async.index.deleting import (
    check_right_to_delete,
    old_ones_left,
    remove,
)
from elasticsearch_chat_history._async.index.paging import AsyncPages
from elasticsearch_chat_history._async.index.writing import AsyncWriter
from elasticsearch_chat_history._async.session.editing import contains, delete_again
from elasticsearch_chat_history._async.session.reading import AsyncSessionReader
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.document import copy_of
from elasticsearch_chat_history._documents.sequence import SequenceFiller
from elasticsearch_chat_history._errors import SessionExistsError
from elasticsearch_chat_history._queries.selection import (
    COPIED_FIELDS,
    MAX_HITS,
    Selection,
    session_query,
    total_order,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from elasticsearch_chat_history._async.session.session import AsyncSession
    from elasticsearch_chat_history._documents.document import Hit


async def fork(
    session: AsyncSession, new: AsyncSession, *, until: str | None, overwrite: bool
) -> None:
    """Copy the messages of a session, up to and including the id `until`, to a new session.

    Raises:
        SessionExistsError: The new session has messages, and `overwrite` is not set.
        ValueError: There is no message with that id.
    """
    await session.index.refresh()
    if until is not None and not await contains(session, until):
        raise ValueError(f"until is not the id of a message in this session: {until!r:.100}")
    old: list[Hit] = []
    async with aclosing(_all_ids(new)) as pages:
        async for hits in pages:
            if not overwrite:
                raise SessionExistsError(new.index.name, new.id)
            old += hits
    await check_right_to_delete(session.index, [hit["_index"] for hit in old])
    copies = AsyncCopies(new)
    try:
        await _copy(session, copies, until)
    except Exception:
        await delete_again(new, copies.ids)
        raise
    with old_ones_left(new.id, new.index.name):
        await remove(session.index, old, session.options.refresh)


class AsyncCopies:
    """Stores copies in a session, and keeps their ids.

    A copy has the vector of its original, so no embedding model is called.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._writer = AsyncWriter(session.index, session.options.refresh)
        self.ids: list[str] = []

    async def store(self, hits: Iterable[tuple[Hit, int]]) -> None:
        """Store copies of documents, each with its `seq`."""
        documents = [copy_of(hit, seq, self._session.id) for hit, seq in hits]
        self.ids += [document.id for document in documents]
        if documents:
            CLOCK.observe(self._session.clock_key, documents[-1].seq)
            await self._writer.store(documents)


async def _copy(session: AsyncSession, copies: AsyncCopies, until: str | None) -> None:
    reader = AsyncSessionReader(session, COPIED_FIELDS)
    filler = SequenceFiller()
    async with aclosing(reader.each()) as pages:
        async for hits in pages:
            ids = [hit["_id"] for hit in hits]
            if until in ids:
                del hits[ids.index(until) + 1 :]
            await copies.store(filler.completed(hits))
            if until in ids:
                break
    await copies.store(filler.rest())


def _all_ids(session: AsyncSession) -> AsyncGenerator[list[Hit], None]:
    """Yield the documents of the session in pages, without their fields."""
    pages = AsyncPages(session.index)
    selection = Selection(
        session_query(session.id), total_order(), fields=(), routing=session.routing
    )
    return pages.each(selection, pages.size(MAX_HITS))
