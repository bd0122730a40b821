"""Writing: documents get their vectors, and are sent in bulk requests that callers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._acompat import AsyncSignal, asleep
from elasticsearch_chat_history._async.index.embedding import with_vectors
from elasticsearch_chat_history._async.index.preparing import prepare, prepare_again
from elasticsearch_chat_history._documents.vectors import without_vectors
from elasticsearch_chat_history._errors import MessagesNotStoredError
from elasticsearch_chat_history._reporting import LOGGER
from elasticsearch_chat_history._requests.bulk import (
    FILTER_PATH,
    existing_in,
    failures_in,
    lines_of,
    refused_with_vector,
)
from elasticsearch_chat_history._requests.failures import Failure, failure_of_request
from elasticsearch_chat_history._requests.flush_queue import Batch, FlushQueue, PendingWrite
from elasticsearch_chat_history._requests.retries import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    async def store(self, documents: Sequence[Document]) -> set[int]:
        """Store all documents; return the positions of those that were stored before.

        Raises:
            MessagesNotStoredError: Some are not stored, or it is not known whether they are.
            ApiError: Elasticsearch refused the request as a whole; nothing is stored.
        """
        layout = await prepare(self._index)
        if self._embeddings is not None and layout.vectors:
            # Before the documents are queued: no flush of others waits for the model.
            documents = await with_vectors(documents, self._embeddings)
        # It starts here, so that a slow model does not use it up.
        budget = RetryBudget(self._index.max_retries)
        failures, existing = await self._write(documents, range(len(documents)), layout, budget)
        without_vector: set[int] = set()
        while failures:
            positions = refused_with_vector(documents, failures, layout)
            if positions:
                # The vector is the likely cause: finding a message by words only beats losing it.
                documents = without_vectors(documents, positions)
                without_vector.update(positions)
            elif any(failure.unprepared for failure in failures.values()):
                delay = budget.delay(reached=True)
                if delay is None:
                    break
                await asleep(delay)
                layout = await prepare_again(self._index, layout)
                positions = list(failures)
            else:
                break
            for position in positions:
                del failures[position]
            failed, existed = await self._write(documents, positions, layout, budget)
            failures.update(failed)
            existing |= existed
        if stored := without_vector - failures.keys():
            LOGGER.warning(
                "Index %r refuses the vectors of %d messages: they are stored without vectors. "
                "Use the embedding model of the other vectors in the index.",
                self._index.name,
                len(stored),
            )
        if failures:
            raise self._error(documents, dict(sorted(failures.items())))
        return existing

    async def _write(
        self,
        documents: Sequence[Document],
        positions: Sequence[int],
        layout: IndexLayout,
        budget: RetryBudget,
    ) -> tuple[dict[int, Failure], set[int]]:
        """Queue documents, and lead flushes or wait until the outcome of each is known.

        Returns:
            Why some are not stored, by their positions, and the positions of those that were
            stored before.
        """
        lines = [self._lines(documents[position], layout) for position in positions]
        signal = AsyncSignal()
        write = PendingWrite(lines, signal, budget)
        try:
            self._queue.join(write)
            while not write.settled:
                if write.leads:
                    await self._flush(write)
                else:
                    await signal.wait()
        finally:
            self._queue.leave(write)
        failures = {positions[at]: failure for at, failure in sorted(write.failures.items())}
        return failures, {positions[at] for at in write.existing}

    async def _flush(self, leader: PendingWrite) -> None:
        # Even without a pause, this lets callers run that were just woken and have more to write.
        await asleep(self._queue.pause())
        batch = self._queue.take()
        if not batch:
            # Another leader sends these documents.
            self._queue.step_down(leader)
            return
        try:
            failures = await self._send(batch)
            self._queue.settle(batch, failures, reached=self._index.state.reached)
        except BaseException:
            # The documents of others are sent by the next leader, with the same ids.
            self._queue.requeue(batch)
            raise

    async def _send(self, batch: Batch) -> Sequence[Failure | None]:
        state = self._index.state
        lines: list[Any] = [write.lines[position] for write, position in batch]
        try:
            answer = await self._index.client.bulk(
                index=self._index.name,
                operations=lines,
                refresh=self._policy(),
                filter_path=FILTER_PATH,
            )
        except (ApiError, TransportError) as error:
            state.answered(error)
            return [
                failure_of_request(error, len(batch), authenticated=state.authenticated)
            ] * len(batch)
        state.answered()
        for place in existing_in(answer.body):
            write, position = batch[place]
            write.existing.add(position)
        return failures_in(answer.body, len(batch))

    def _policy(self) -> Refresh:
        # As Elasticsearch does beyond `index.max_refresh_listeners`: one more flush does not wait
        # but forces a refresh, which also ends the wait of the others.
        if self._refresh == "wait_for" and self._queue.leaders > MAX_WAITING_FLUSHES:
            return True
        return self._refresh

    def _lines(self, document: Document, layout: IndexLayout) -> bytes:
        return lines_of(document, layout, routing=self._index.routing_of(document.session_id))

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
