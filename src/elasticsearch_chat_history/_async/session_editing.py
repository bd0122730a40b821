"""Changing a session: messages taken away, replaced, all removed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence

from elasticsearch import ApiError, TransportError
from langchain_core.messages import BaseMessage

from elasticsearch_chat_history._arguments import (
    checked_count,
    checked_message_ids,
    checked_messages,
)
from elasticsearch_chat_history._async.deleter import delete_matching
from elasticsearch_chat_history._async.embedding import with_vectors
from elasticsearch_chat_history._async.pages import AsyncPages, Hit
from elasticsearch_chat_history._async.reader import AsyncSessionReader
from elasticsearch_chat_history._async.remover import remove
from elasticsearch_chat_history._async.session import AsyncSessionBase
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._documents.document import documents_of, stored_message_of
from elasticsearch_chat_history._errors import (
    MessagesNotStoredError,
    UnreadableMessageError,
)
from elasticsearch_chat_history._queries.selection import (
    Selection,
    ids_query,
    is_missing_index,
    older_query,
    session_query,
    total_order,
)
from elasticsearch_chat_history._reporting import LOGGER, describe, logged
from elasticsearch_chat_history._results import StoredMessage


class AsyncSessionEditing(AsyncSessionBase):
    """Changing a session: messages taken away, replaced, all removed."""

    async def apop_messages(self, n: int = 1) -> list[StoredMessage]:
        """Remove the last messages of the session, for example a turn to be tried again.

        Two callers at once never get the same message. Should an answer of Elasticsearch get lost
        while one of them removes it, the other may.

        Args:
            n: How many messages to remove, at least 1.

        Returns:
            What was removed, oldest first: less than `n` where the session has no more.

        Raises:
            UnreadableMessageError: One of them does not hold a message. Nothing is removed.
            ValueError: `n` is below 1.
            ChatHistoryError: Elasticsearch refused to remove some of them.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            (answer,) = await history.apop_messages()
            assert answer.message.content == "Hi!"
            ```
        """
        index = self._open_index()
        missing = checked_count("n", n)
        reader = self._reader_of_stored()
        seen: set[str] = set()
        popped: list[StoredMessage] = []
        with logged("Could not remove messages from Elasticsearch"):
            while missing:
                # A message that no search sees yet may be the last one.
                await index.refresh()
                hits = await reader.last(missing)
                messages = {hit["_id"]: stored_message_of(hit) for hit in hits}
                if messages.keys() <= seen:
                    # Nothing is left, or where nobody may refresh, nothing but what is gone.
                    break
                seen |= messages.keys()
                removed = await remove(index, hits, self._options.refresh)
                popped = [messages[hit["_id"]] for hit in removed] + popped
                # What somebody else took in between is replaced by what is the last now.
                missing -= len(removed)
        return popped

    async def adelete_messages(self, ids: Iterable[str]) -> list[StoredMessage]:
        """Remove messages of the session by their ids.

        Args:
            ids: Ids of messages, as `StoredMessage.id` and `UnreadableMessageError.document_id`
                give them. Those that are not in this session are left alone.

        Returns:
            What was removed, oldest first, without documents that do not hold a message: these
            are removed as well.

        Raises:
            TypeError: `ids` is not a list of texts.
            ChatHistoryError: Elasticsearch refused to remove some of them.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            async for stored in history.aiter_messages():
                if stored.message.content == "Hello":
                    await history.adelete_messages([stored.id])
            ```
        """
        index = self._open_index()
        unique = list(dict.fromkeys(checked_message_ids(ids)))
        if not unique:
            return []
        removed: list[Hit] = []
        with logged("Could not remove messages from Elasticsearch"):
            await index.refresh()
            async for hits in self._hits_of(unique):
                removed += await remove(index, hits, self._options.refresh)
        return self._readable(sorted(removed, key=lambda hit: hit["sort"][:3]))

    async def aset_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Replace the content of the session.

        The new messages are stored first, and then the old ones removed, so that readers always
        find all of the old or all of the new; for a moment some of the others may be beside them.
        After a crash in between both are there; the next `aset_messages` mends that. Of two at the
        same time, or of messages that are added meanwhile, what was stored later in the order of
        the session stays.

        Args:
            messages: The messages; an empty list clears the session.

        Raises:
            MessagesNotStoredError: Some of the new messages could not be stored. The old ones are
                all there, and the new ones removed again as far as possible.
            TypeError: Something in the list is not a message, or holds what JSON has no form for.
                Nothing is changed.
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await history.aset_messages([SystemMessage("The user said hello.")])
            ```
        """
        index = self._open_index()
        listed = checked_messages(messages)
        if not listed:
            await self.aclear()
            return
        with logged("Could not replace messages in Elasticsearch"):
            # The clock has to see all that is there, as the new has to come after it.
            await index.refresh()
            await AsyncSessionReader(index, self.session_id).last(1)
            documents = documents_of(
                listed,
                self.session_id,
                CLOCK.tick((self.index, self.session_id), len(listed)),
                ensure_ascii=self.ensure_ascii,
                metadata=self._options.metadata,
            )
            try:
                await self._writer.store(
                    await with_vectors(documents, self._embeddings, self._chat_index)
                )
            except MessagesNotStoredError:
                await self._remove_again([document.id for document in documents])
                raise
            await delete_matching(
                index,
                older_query(self.session_id, documents),
                routing=index.routing_of(self.session_id),
            )

    async def aclear(self) -> None:
        """Remove all messages of the session, also those that `ttl` or `history_size` hide.

        Raises:
            ApiError: Elasticsearch refused.
            TransportError: Elasticsearch could not be reached.

        Example:
            ```python
            await history.aclear()
            ```
        """
        index = self._open_index()
        with logged("Could not clear session memory in Elasticsearch"):
            await delete_matching(
                index,
                session_query(self.session_id),
                routing=index.routing_of(self.session_id),
            )

    async def _hits_of(self, ids: Sequence[str]) -> AsyncGenerator[list[Hit], None]:
        """Yield the documents of this session with these ids, in pages."""
        pages = AsyncPages(self._chat_index)
        size = pages.size()
        while ids:
            asked = ids[: size.messages]
            selection = Selection(
                ids_query(self.session_id, asked),
                total_order(),
                routing=self._chat_index.routing_of(self.session_id),
            )
            try:
                found = await pages.search(selection, size, track_total_hits=False)
            except (ApiError, TransportError) as error:
                if is_missing_index(error):
                    return
                pages.shrink_or_raise(size, error)
                continue
            yield found["hits"]["hits"]
            ids = ids[len(asked) :]

    async def _remove_again(self, ids: Sequence[str]) -> None:
        try:
            await self._chat_index.refresh()
            async for hits in self._hits_of(ids):
                await remove(self._chat_index, hits, self._options.refresh)
        except Exception as error:  # noqa: BLE001  # the first error tells more
            LOGGER.warning(
                "New messages of session %r in index %r could not be removed again: %s",
                self.session_id,
                self.index,
                describe(error),
            )

    def _readable(self, hits: Iterable[Hit]) -> list[StoredMessage]:
        readable = []
        for hit in hits:
            try:
                readable.append(stored_message_of(hit))
            except UnreadableMessageError as error:
                LOGGER.warning("Removed without looking at it: %s", error)
        return readable
