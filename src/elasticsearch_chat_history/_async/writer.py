"""Writing: documents go out in bulk requests that concurrent callers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._acompat import AsyncSignal, asleep
from elasticsearch_chat_history._documents.vectors import refused_with_vector, without_vectors
from elasticsearch_chat_history._errors import MessagesNotStoredError
from elasticsearch_chat_history._reporting import LOGGER
from elasticsearch_chat_history._requests.bulk import (
    FILTER_PATH,
    Failure,
    existing_in,
    failure_of_request,
    failures_in,
    lines_of,
)
from elasticsearch_chat_history._requests.flush_queue import Batch, FlushQueue, PendingWrite
from elasticsearch_chat_history._requests.retries import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_chat_history._arguments import Refresh
    from elasticsearch_chat_history._async.index import AsyncChatIndex
    from elasticsearch_chat_history._documents.document import Document
    from elasticsearch_chat_history._documents.fields import IndexLayout

# Each waits on a connection until the next refresh; the pool has ten by default, and reads and
# the flush that does not wait need some.
MAX_WAITING_FLUSHES = 4


class AsyncWriter:
    """Stores documents in one index with one refresh policy."""

    def __init__(self, index: AsyncChatIndex, refresh: Refresh) -> None:
        self._index = index
        self._refresh = refresh
        # Writers over the same client share one queue.
        self._queue: FlushQueue = index.state.queue(
            (index.client, index.name, refresh),
            max_leaders=MAX_WAITING_FLUSHES + 1 if refresh == "wait_for" else 1,
        )

    async def store(self, documents: Sequence[Document]) -> set[int]:
        """Return when all documents are stored; gives the positions of those that were before.

        Raises:
            MessagesNotStoredError: Some are not stored, or it is not known whether they are.
            ApiError: Elasticsearch refused the request as a whole; nothing is stored.
        """
        budget = RetryBudget(self._index.max_retries)
        layout = await self._index.prepare()
        existing: set[int] = set()
        everything = range(len(documents))
        failures = await self._write(documents, everything, layout, budget, existing)
        bare: set[int] = set()
        while failures:
            positions = refused_with_vector(documents, failures, layout)
            if positions:
                # Most likely because of it: better found by its words only than not stored.
                documents = without_vectors(documents, positions)
                bare.update(positions)
            elif any(failure.unprepared for failure in failures.values()):
                delay = budget.delay(reached=True)
                if delay is None:
                    break
                await asleep(delay)
                layout = await self._index.prepare_again(layout)
                positions = list(failures)
            else:
                break
            for position in positions:
                del failures[position]
            failures.update(await self._write(documents, positions, layout, budget, existing))
        if stored_bare := bare - failures.keys():
            LOGGER.warning(
                "Index %r does not take the vectors of %d messages: they are stored without. "
                "Use the embedding model that the other vectors of the index are from.",
                self._index.name,
                len(stored_bare),
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
        existing: set[int],
    ) -> dict[int, Failure]:
        """Queue documents, lead flushes or wait until they are settled, and return what failed.

        The positions of those that were there before are added to `existing`.
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
        existing.update(positions[at] for at in write.existing)
        return {positions[at]: failure for at, failure in sorted(write.failures.items())}

    async def _flush(self, leader: PendingWrite) -> None:
        # Even a pause of nothing lets those run who were just woken and have more to write.
        await asleep(self._queue.pause())
        batch = self._queue.take()
        if not batch:
            # Another leader has taken these documents along.
            self._queue.step_down(leader)
            return
        try:
            failures = await self._send(batch)
            self._queue.settle(batch, failures, reached=self._index.state.reached)
        except BaseException:
            # The others' documents must go on: with the next leader, under the same ids.
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
            return [failure_of_request(error, len(batch), let_in=state.let_in)] * len(batch)
        state.answered()
        for place in existing_in(answer.body):
            write, position = batch[place]
            write.existing.add(position)
        return failures_in(answer.body, len(batch))

    def _policy(self) -> Refresh:
        # Like Elasticsearch itself beyond `index.max_refresh_listeners`: who would have to wait
        # for those that wait asks for a refresh, which also ends their wait.
        if self._refresh == "wait_for" and self._queue.leaders > MAX_WAITING_FLUSHES:
            return True
        return self._refresh

    def _lines(self, document: Document, layout: IndexLayout) -> bytes:
        return lines_of(document, layout, routing=self._index.routing_of(document.session_id))

    def _error(self, documents: Sequence[Document], failures: dict[int, Failure]) -> Exception:
        first = next(iter(failures.values()))
        refused_as_a_whole = len(failures) == len(documents) and (
            first.shut_out or not first.retriable
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
