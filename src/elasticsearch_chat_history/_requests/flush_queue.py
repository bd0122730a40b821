"""The queue of bulk requests that concurrent callers share: who sends which documents.

Group commit, as database engines do with their log (DeWitt et al., "Implementation Techniques for
Main Memory Database Systems", 1984): the first caller leads and sends what is queued. What arrives
meanwhile is sent with the next flush, led by one of the waiting callers. Nothing here waits or
sends requests, so the twins share it. Every method holds the lock for a few instructions only.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from elasticsearch_chat_history._forking import restart_in_children
from elasticsearch_chat_history._requests.bulk import MAX_BYTES, MAX_DOCUMENTS
from elasticsearch_chat_history._requests.other_writers import OtherWriters
from elasticsearch_chat_history._requests.retries import delay_before, jittered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from elasticsearch_chat_history._requests.failures import Failure
    from elasticsearch_chat_history._requests.retries import RetryBudget

SHRINK = 4
GROWTH_BYTES = 50_000


class Wakeable(Protocol):
    """What a caller waits on."""

    def wake(self) -> None:
        """End the wait."""


class PendingWrite:
    """What one caller writes, and what became of each of its documents, by their positions.

    Args:
        budget: How often and how long it is retried.

    Attributes:
        signal: What the caller waits on.
        lines: The lines of a bulk request that create a document.
        unsent: The documents that wait for a request.
        in_flight: How many are in a request now.
        items: What Elasticsearch last said of a document.
        failures: Why a document is not stored.
        unanswered: Those that were in a request without an answer, which may have stored them.
        queued: Whether it is in the queue.
        leads: Whether its caller leads a flush.
        gone: Whether its caller no longer waits.
    """

    # With hundreds of callers, the garbage collector visits all of this with each answer.
    __slots__ = (
        *("signal", "budget", "lines", "unsent", "in_flight", "items"),
        *("failures", "unanswered", "queued", "leads", "gone"),
    )

    signal: Wakeable

    def __init__(self, budget: RetryBudget) -> None:
        self.budget = budget
        self.lines: dict[int, bytes] = {}
        self.unsent: deque[int] = deque()
        self.in_flight = 0
        self.items: dict[int, Mapping[str, Any]] = {}
        self.failures: dict[int, Failure] = {}
        self.unanswered: set[int] = set()
        self.queued = False
        self.leads = False
        self.gone = False

    def add(self, lines: Mapping[int, bytes], signal: Wakeable) -> None:
        """Add documents to send, or to send once more; the caller waits on `signal`."""
        self.signal = signal
        self.lines.update(lines)
        self.unsent.extend(lines)
        for position in lines:
            self.failures.pop(position, None)

    @property
    def settled(self) -> bool:
        """Whether the outcome of each document is known."""
        return not self.unsent and not self.in_flight


Batch = list[tuple[PendingWrite, int]]


class FlushQueue:
    """The writes that wait for a flush, and who leads it.

    Args:
        max_leaders: How many flushes may be under way at once.
        now: A clock, in seconds.

    Attributes:
        others: Whether others write to the index, too.
    """

    def __init__(self, max_leaders: int = 1, now: Callable[[], float] = time.monotonic) -> None:
        self._max_leaders = max_leaders
        self._now = now
        self.others = OtherWriters(now)
        self.restart()
        restart_in_children(self)

    def restart(self) -> None:
        """Begin anew in a child process, or in another event loop: nobody waits or leads."""
        self._lock = threading.Lock()
        self._callers: set[int] = set()
        self._waiting: deque[PendingWrite] = deque()
        self._leaders = 0
        self._max_bytes = MAX_BYTES
        self._refusals = 0
        self._resume_at = 0.0

    @property
    def leaders(self) -> int:
        """How many callers lead a flush now."""
        return self._leaders

    def entered_by(self, caller: int | None) -> FlushQueue:
        """Return this queue, or one of its own for a thread that is in this one already.

        So is a signal handler of a thread that writes: it would wait for itself.
        """
        if caller is None:
            return self
        if caller in self._callers:
            return FlushQueue(now=self._now)
        self._callers.add(caller)
        return self

    def left_by(self, caller: int | None) -> None:
        """Note that a caller that has entered this queue is done."""
        if caller is not None:
            self._callers.discard(caller)

    def join(self, write: PendingWrite) -> None:
        """Queue a write; its caller becomes the leader if there is none."""
        with self._lock:
            write.gone = False
            write.queued = True
            self._waiting.append(write)
            if self._leaders < self._max_leaders:
                self._leaders += 1
                write.leads = True

    def pause(self) -> float:
        """Return how many seconds to wait, after the cluster refused a request."""
        return max(0.0, self._resume_at - self._now())

    def take(self) -> Batch:
        """Return the documents of the next bulk request, those that wait longest first.

        A write that does not fit continues after those that wait, so that none of them waits for
        all of it.
        """
        batch: Batch = []
        size = 0
        with self._lock:
            for _ in range(len(self._waiting)):
                write = self._waiting[0]
                taken = 0
                while write.unsent and len(batch) < MAX_DOCUMENTS:
                    length = len(write.lines[write.unsent[0]])
                    if batch and size + length > self._max_bytes:
                        break
                    # In this order, because its caller may check at any time if it is settled.
                    write.in_flight += 1
                    batch.append((write, write.unsent.popleft()))
                    size += length
                    taken += 1
                if not taken:
                    break
                self._waiting.popleft()
                write.queued = bool(write.unsent)
                if write.queued:
                    self._waiting.append(write)
                    break
        return batch

    def settle(self, batch: Batch, failures: Sequence[Failure | None], *, reached: bool) -> None:
        """Note the outcome of each document, and wake the callers whose documents are settled."""
        failed: dict[PendingWrite, dict[int, Failure]] = {}
        for (write, position), failure in zip(batch, failures, strict=True):
            if failure is not None:
                failed.setdefault(write, {})[position] = failure
        with self._lock:
            shared = batch[0][0] is not batch[-1][0]
            retried = [
                self._retry_or_fail(write, of_write, reached=reached, shared=shared)
                for write, of_write in failed.items()
            ]
            self._adapt(batch, failures)
            self._set_pause(refused=any(retried), all_refused=None not in failures)
            # Last, because its caller may check at any time if it is settled.
            for write, _ in batch:
                write.in_flight -= 1
            writes = dict.fromkeys(write for write, _ in batch)
            # What is settled is not queued again, whatever interrupts the leader from now on.
            batch.clear()
            for write in writes:
                if write.settled:
                    write.signal.wake()

    def requeue(self, batch: Batch) -> None:
        """Queue again what a leader could not finish: the outcome of its request is not known.

        The documents keep their ids, so those that were stored nevertheless are not duplicated.
        """
        with self._lock:
            for write, position in batch:
                write.unanswered.add(position)
                self._put_back(write, [position])
                write.in_flight -= 1
            batch.clear()

    def step_down(self, write: PendingWrite) -> None:
        """Hand leadership to the caller that waits longest, if there is one."""
        with self._lock:
            self._step_down(write)

    def leave(self, write: PendingWrite) -> None:
        """Remove a write whose caller was cancelled or has its outcomes."""
        with self._lock:
            write.gone = True
            write.unsent.clear()
            if write.queued:
                write.queued = False
                self._waiting.remove(write)
            self._step_down(write)

    def _step_down(self, write: PendingWrite) -> None:
        if not write.leads:
            return
        write.leads = False
        successor = next((other for other in self._waiting if not other.leads), None)
        if successor is None:
            self._leaders -= 1
        else:
            successor.leads = True
            successor.signal.wake()

    def _retry_or_fail(
        self, write: PendingWrite, failed: dict[int, Failure], *, reached: bool, shared: bool
    ) -> bool:
        retriable = [position for position, failure in failed.items() if failure.retriable]
        # A request of several callers may be too large because of one of them. The next requests
        # are smaller, down to one document, so this ends.
        not_counted = shared and all(failed[position].overload for position in retriable)
        again = bool(retriable) and (
            not_counted or write.budget.delay(reached=reached) is not None
        )
        if again:
            self._put_back(write, retriable)
        for position, failure in failed.items():
            if not again or not failure.retriable:
                write.failures[position] = failure
        return again

    def _put_back(self, write: PendingWrite, positions: Sequence[int]) -> None:
        if write.gone:
            return
        write.unsent.extend(positions)
        if not write.queued:
            write.queued = True
            self._waiting.appendleft(write)

    def _adapt(self, batch: Batch, failures: Sequence[Failure | None]) -> None:
        # A node without room for a request may have room for a part of it. Decrease by a factor
        # and increase by a constant, as TCP does, so that the limit is rarely hit.
        if any(failure is not None and failure.overload for failure in failures):
            size = sum(len(write.lines[position]) for write, position in batch)
            self._max_bytes = max(1, min(size, self._max_bytes) // SHRINK)
        else:
            self._max_bytes = min(MAX_BYTES, self._max_bytes + GROWTH_BYTES)

    def _set_pause(self, *, refused: bool, all_refused: bool) -> None:
        # For the queue, not for each write: a new write must not end the pause, nor the write with
        # the most failures prolong it for all.
        if not refused:
            self._refusals = 0
            self._resume_at = 0.0
            return
        self._refusals = self._refusals + 1 if all_refused else 1
        self._resume_at = self._now() + jittered(delay_before(self._refusals))
