"""Writing: documents get their vectors, and are sent in bulk requests that callers share."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, AuthorizationException, TransportError

from elasticsearch_chat_history._acompat import AsyncSignal, asleep, async_caller, async_event_loop
from elasticsearch_chat_history._async.index.embedding import with_vectors
from elasticsearch_chat_history._async.index.preparing import (
    indices_of_alias,
    prepare,
    prepare_again,
)
from elasticsearch_chat_history._documents.vectors import without_vectors
from elasticsearch_chat_history._errors import ChatHistoryError, MessagesNotStoredError
from elasticsearch_chat_history._reporting import LOGGER, describe, with_hint
from elasticsearch_chat_history._requests.bulk import (
    FILTER_PATH,
    Update,
    created_in,
    failure_of_created,
    lines_of,
    refused_with_vector,
    shows_another_index,
)
from elasticsearch_chat_history._requests.failures import (
    STATUS_CONFLICT,
    STATUS_CREATED,
    STATUS_NOT_FOUND,
    Failure,
    failure_elsewhere,
    failure_of_item,
    failure_of_request,
    may_have_stored,
)
from elasticsearch_chat_history._requests.flush_queue import Batch, FlushQueue, PendingWrite
from elasticsearch_chat_history._requests.known_indices import INDICES
from elasticsearch_chat_history._requests.product import from_elasticsearch
from elasticsearch_chat_history._requests.retries import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.embeddings import Embeddings

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._async.index.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Document
    from elasticsearch_chat_history._documents.fields import IndexLayout

# Each holds a connection until the next refresh. The pool has ten by default; reads, and the
# flush that does not wait, need some of them.
MAX_WAITING_FLUSHES = 4


class AsyncWriter:
    """Stores documents in one index with one refresh policy.

    Args:
        index: The index.
        refresh: When a write returns.
        embeddings: The embedding model, if documents should have vectors.
    """

    def __init__(
        self, index: AsyncChatIndex, refresh: Refresh, embeddings: Embeddings | None = None
    ) -> None:
        self._index = index
        self._refresh: Refresh = refresh
        self._embeddings = embeddings
        # Writers over the same client share one queue.
        self._queue: FlushQueue = index.state.queue(
            (index.client, index.name, refresh),
            max_leaders=MAX_WAITING_FLUSHES + 1 if refresh == "wait_for" else 1,
        )

    async def store(
        self,
        documents: Sequence[Document],
        *,
        once: bool = False,
        unanswered: set[int] | None = None,
    ) -> set[int]:
        """Store all documents; return the positions of those that were stored before.

        Args:
            documents: The documents.
            once: Whether an earlier call may have stored them, perhaps in another index of the
                alias.
            unanswered: Gets the positions of those that were in a request of this call to which no
                answer came. If they exist, it is most likely this request that has stored them.

        Raises:
            ChatHistoryError: It cannot be told whether one has, or the index keeps no metadata,
                which a scope needs; nothing is stored.
            MessagesNotStoredError: Some are not stored, or it is not known whether they are.
            ApiError: Elasticsearch refused the request as a whole; nothing is stored.
        """
        layout = await prepare(self._index)
        documents = self._labelled(documents, layout)
        elsewhere = await self._stored_elsewhere(documents, layout) if once else set()
        missing = [position for position in range(len(documents)) if position not in elsewhere]
        if self._embeddings is not None and layout.vectors and missing:
            # Before the documents are queued: no flush of others waits for the model.
            documents = await with_vectors(documents, self._embeddings)
        # It starts here, so that a slow model does not use it up.
        write = PendingWrite(RetryBudget(self._index.max_retries))
        await self._send(write, documents, missing, layout)
        if write.failures:
            documents, layout = await self._send_again(write, documents, layout)
        if INDICES.layout(self._index.key) is not layout:
            await self._check(write, documents)
        conflicts = {at for at, item in write.items.items() if item["status"] == STATUS_CONFLICT}
        existing = conflicts | elsewhere
        if (elsewhere and self._refresh) or (existing and self._refresh == "wait_for"):
            # What another call has stored waits for no refresh of ours.
            await self._index.refresh()
        if unanswered is not None:
            unanswered |= write.unanswered
        if write.failures:
            raise self._error(documents, dict(sorted(write.failures.items())))
        return existing

    async def _send_again(
        self, write: PendingWrite, documents: Sequence[Document], layout: IndexLayout
    ) -> tuple[Sequence[Document], IndexLayout]:
        """Send what was refused again, without its vector, or after a look at the index.

        Returns:
            The documents as they were sent, and the layout of the index that they were sent with.
        """
        without_vector: set[int] = set()
        prepared_again = False
        while write.failures:
            positions = refused_with_vector(documents, write.failures, layout)
            if positions:
                # The vector is the likely cause: finding a message by words only beats losing it.
                documents = without_vectors(documents, positions)
                without_vector.update(positions)
            else:
                positions = [at for at, failure in write.failures.items() if failure.unprepared]
                if prepared_again:
                    # A pipeline may have sent the others to an index that is not ours.
                    positions = [
                        at for at in positions if write.items[at]["_index"] in layout.indices
                    ]
                delay = write.budget.delay(reached=True) if positions else None
                if delay is None:
                    break
                await asleep(delay)
                layout = await prepare_again(self._index, layout)
                prepared_again = True
            await self._send(write, documents, positions, layout)
        if stored_without := without_vector - write.failures.keys():
            LOGGER.warning(
                "Index %r refuses the vectors of %d messages: they are stored without vectors. "
                "Use the embedding model of the other vectors in the index.",
                self._index.name,
                len(stored_without),
            )
        return documents, layout

    def _labelled(self, documents: Sequence[Document], layout: IndexLayout) -> Sequence[Document]:
        """Return the documents with the metadata of the scope."""
        scope = self._index.scope
        if not scope.clauses:
            return documents
        if not layout.complete:
            raise ChatHistoryError(
                f"Index {self._index.name!r} keeps no metadata, which a scope needs. Nothing is "
                "stored. Let a client with the manage privilege call create_if_missing(), or use "
                "another index."
            )
        return [one._replace(metadata=scope.label(one.metadata)) for one in documents]

    async def _stored_elsewhere(
        self, documents: Sequence[Document], layout: IndexLayout
    ) -> set[int]:
        """Return the positions of the documents that an index behind an alias has.

        In a single index, storing them again tells.
        """
        indices = await indices_of_alias(self._index, layout)
        if len(indices) <= 1:
            return set()
        return set(await self._index.fetch(documents, indices=indices))

    async def _send(
        self,
        write: PendingWrite,
        documents: Sequence[Document],
        positions: Sequence[int],
        layout: IndexLayout,
    ) -> None:
        """Queue documents, and lead flushes or wait until the outcome of each is known."""
        if not positions:
            return
        signal = AsyncSignal()
        write.add(self._lines(documents, positions, layout), signal)
        self._index.state.check_event_loop(async_event_loop())
        this, queue = async_caller(), self._queue
        try:
            queue = queue.entered_by(this)
            queue.join(write)
            while not write.settled:
                if write.leads:
                    await self._flush(write, queue)
                else:
                    await signal.wait()
        finally:
            queue.leave(write)
            queue.left_by(this)

    async def _flush(self, leader: PendingWrite, queue: FlushQueue) -> None:
        # Even a pause of nothing lets those run who were just woken and have more to write.
        await asleep(queue.pause())
        batch = queue.take()
        if not batch:
            # Another leader has taken these documents along.
            queue.step_down(leader)
            return
        try:
            failures = await self._store_batch(batch)
            queue.settle(batch, failures, reached=self._index.state.reached)
        except BaseException:
            # The others' documents must go on: with the next leader, under the same ids.
            queue.requeue(batch)
            raise

    async def _store_batch(self, batch: Batch) -> Sequence[Failure | None]:
        lines: list[Any] = [write.lines[position] for write, position in batch]
        others = self._queue.others
        refreshes_apart = self._refresh is True and others.active
        try:
            if refreshes_apart:
                items = await self._store_then_refresh(lines)
            else:
                items = await self._bulk(lines, self._policy())
        except (ApiError, TransportError) as error:
            self._index.answered(error)
            with_hint(error)
            may_return = self._index.login.may_return()
            failure = failure_of_request(error, len(batch), may_return=may_return)
            if refreshes_apart or may_have_stored(error):
                for write, position in batch:
                    write.unanswered.add(position)
            return [failure] * len(batch)
        self._index.answered()
        others.note(items)
        self._note_layout(items)
        for (write, position), item in zip(batch, items, strict=True):
            write.items[position] = item
        return [failure_of_created(item) for item in items]

    async def _store_then_refresh(self, lines: list[Any]) -> list[dict[str, Any]]:
        """Send lines, and refresh with a request that finds done what another has done."""
        items = await self._bulk(lines, False)
        if await self._refreshed(items):
            return items
        # This stores nothing twice, and forces the refresh.
        again = await self._bulk(lines, True)
        return [
            first if first["status"] == STATUS_CREATED else second
            for first, second in zip(items, again, strict=True)
        ]

    async def _bulk(self, lines: list[Any], refresh: Refresh) -> list[dict[str, Any]]:
        answer = await self._index.client.bulk(
            index=self._index.name,
            operations=lines,
            refresh=refresh,
            filter_path=FILTER_PATH,
        )
        return created_in(from_elasticsearch(answer).body)

    async def _refreshed(self, items: Sequence[Mapping[str, Any]]) -> bool:
        """Refresh the indices that documents are in; tell whether that is done."""
        indices = sorted({item["_index"] for item in items})
        try:
            answer = await self._index.client.indices.refresh(
                index=indices, filter_path="_shards.failed"
            )
        except AuthorizationException:
            # It takes the maintenance privilege; a bulk request may refresh without that.
            self._queue.others.ignore()
            return False
        except (ApiError, TransportError) as error:
            LOGGER.debug("Index %r is not refreshed: %s", self._index.name, describe(error))
            return False
        return not from_elasticsearch(answer)["_shards"]["failed"]

    def _note_layout(self, items: Sequence[Mapping[str, Any]]) -> None:
        key = self._index.key
        layout = INDICES.layout(key)
        if layout is None:
            return
        empty_is_another = INDICES.may_be_another(key, layout)
        if shows_another_index(items, layout, empty_is_another=empty_is_another):
            # All whose documents are under way look again before they return.
            INDICES.forget(key, layout)

    async def _check(self, write: PendingWrite, documents: Sequence[Document]) -> None:
        """Look at the index again, as documents were stored in one that is not the same.

        Notes which of them cannot be found there.
        """
        layout = await prepare(self._index)
        stored = {
            position: item["_index"]
            for position, item in write.items.items()
            if position not in write.failures
        }
        for position, index in stored.items():
            if index not in layout.indices:
                write.failures[position] = failure_elsewhere(index)
        if layout.added:
            # A mapping that takes any field may not have indexed them.
            found = [position for position in stored if position not in write.failures]
            write.failures.update(await self._index_again(documents, stored, found, layout))

    async def _index_again(
        self,
        documents: Sequence[Document],
        stored: Mapping[int, str],
        positions: Sequence[int],
        layout: IndexLayout,
    ) -> dict[int, Failure]:
        at = {documents[position].id: position for position in positions}
        updates = [
            Update(
                stored[position],
                documents[position].id,
                self._index.routing_of(documents[position].session_id),
                documents[position].source(layout),
                detect_noop=False,
            )
            for position in positions
        ]
        failures: dict[int, Failure] = {}
        async with aclosing(self._index.update(updates, self._refresh)) as parts:
            async for outcomes in parts:
                for update, outcome in outcomes:
                    failure = failure_of_item(outcome)
                    # What was removed meanwhile is not missed.
                    if failure is not None and outcome["status"] != STATUS_NOT_FOUND:
                        reason = f"stored, but not indexed: {failure.reason}"
                        failures[at[update.id]] = Failure(reason)
        return failures

    def _policy(self) -> Refresh:
        # As Elasticsearch does beyond `index.max_refresh_listeners`: one more flush does not wait
        # but forces a refresh, which also ends the wait of the others.
        if self._refresh == "wait_for" and self._queue.leaders > MAX_WAITING_FLUSHES:
            return True
        return self._refresh

    def _lines(
        self, documents: Sequence[Document], positions: Sequence[int], layout: IndexLayout
    ) -> dict[int, bytes]:
        lines = {}
        for position in positions:
            document = documents[position]
            layout.check_lengths(self._index.name, document.session_id, document.metadata)
            routing = self._index.routing_of(document.session_id)
            lines[position] = lines_of(document, layout, routing=routing)
        return lines

    def _error(self, documents: Sequence[Document], failures: dict[int, Failure]) -> Exception:
        first = next(iter(failures.values()))
        refused_as_a_whole = len(failures) == len(documents) and (
            first.unauthorized or not first.retriable
        )
        if refused_as_a_whole and first.cause is not None:
            return first.cause
        error = MessagesNotStoredError(
            self._index.name,
            documents[0].session_id,
            {position: failure.reason for position, failure in failures.items()},
            [position for position in range(len(documents)) if position not in failures],
        )
        error.__cause__ = first.cause
        return error
