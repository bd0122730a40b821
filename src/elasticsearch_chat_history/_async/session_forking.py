"""Copying a session, or its beginning, to another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._arguments import checked_text
from elasticsearch_chat_history._async.pages import AsyncPages, Hit
from elasticsearch_chat_history._async.reader import AsyncSessionReader
from elasticsearch_chat_history._async.remover import remove
from elasticsearch_chat_history._async.session_editing import AsyncSessionEditing
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
from elasticsearch_chat_history._reporting import logged

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncSessionForking(AsyncSessionEditing):
    """Copying a session, or its beginning, to another."""

    async def afork(
        self, new_session_id: str, *, until: str | None = None, overwrite: bool = False
    ) -> Self:
        """Copy the session, or its beginning, to another id.

        The copies keep their order, times and metadata, and get ids of their own. They are read
        and written in pages, so that a long session does not have to fit in memory. When it
        fails, what was copied is removed again as far as possible.

        Args:
            new_session_id: The session to make.
            until: The id of the last message to copy, as `StoredMessage.id` gives it; None copies
                all. Messages that `ttl` hides are not copied.
            overwrite: Whether a session of that id is replaced: its messages are removed once the
                copies are stored.

        Returns:
            The history of the new session, with the options and the client of this one. The client
            is closed with this one, if this one made it.

        Raises:
            SessionExistsError: The new session has messages, and `overwrite` is not set.
            UnreadableMessageError: A document does not hold a message.
            MessagesNotStoredError: Some copies could not be stored.
            ValueError: `until` is not in the session, or both sessions are the same.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            first = [stored async for stored in history.aiter_messages()][0]
            fork = await history.afork("session-1b", until=first.id)
            await fork.aadd_messages([AIMessage("Good morning!")])
            ```
        """
        index = self._open_index()
        fork = self._of_store(self._store, new_session_id, self._options)
        if new_session_id == self.session_id:
            raise ValueError(f"new_session_id is this session itself: {new_session_id!r:.100}")
        if until is not None:
            checked_text("until", until)
        with logged("Could not fork the session in Elasticsearch"):
            await index.refresh()
            if until is not None and not await self._has(until):
                raise ValueError(f"until is no id of a message in this session: {until!r:.100}")
            old: list[Hit] = []
            async with aclosing(fork._all_ids()) as pages:
                async for hits in pages:
                    if not overwrite:
                        raise SessionExistsError(self.index, new_session_id)
                    old += hits
            copied: list[str] = []
            try:
                await self._copy_to(fork, until, copied)
            except Exception:
                await fork._remove_again(copied)
                raise
            await remove(index, old, self._options.refresh)
        return fork

    async def _has(self, message_id: str) -> bool:
        found = [hit async for hits in self._hits_of([message_id]) for hit in hits]
        return bool(found)

    async def _copy_to(self, fork: Self, until: str | None, copied: list[str]) -> None:
        reader = AsyncSessionReader(
            self._chat_index, self.session_id, self._options.ttl, fields=COPIED_FIELDS
        )
        filler = SequenceFiller()
        async with aclosing(reader.each()) as pages:
            async for hits in pages:
                ids = [hit["_id"] for hit in hits]
                if until in ids:
                    del hits[ids.index(until) + 1 :]
                await fork._store_copies(filler.completed(hits), copied)
                if until in ids:
                    break
        await fork._store_copies(filler.rest(), copied)

    async def _store_copies(
        self, hits: Iterable[tuple[Mapping[str, Any], int]], copied: list[str]
    ) -> None:
        documents = [copy_of(hit, seq, self.session_id) for hit, seq in hits]
        copied += [document.id for document in documents]
        if documents:
            CLOCK.observe((self.index, self.session_id), documents[-1].seq)
            await self._writer.store(documents)

    def _all_ids(self) -> AsyncGenerator[list[Hit], None]:
        """Yield what tells the documents of the session from others, in pages."""
        pages = AsyncPages(self._chat_index)
        selection = Selection(
            session_query(self.session_id),
            total_order(),
            fields=(),
            routing=self._chat_index.routing_of(self.session_id),
        )
        return pages.each(selection, pages.size(MAX_HITS))
