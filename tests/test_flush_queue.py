"""The book-keeping of shared flushes, step by step."""

import pytest

from elasticsearch_chat_history._requests import flush_queue
from elasticsearch_chat_history._requests.bulk import MAX_BYTES
from elasticsearch_chat_history._requests.failures import Failure
from elasticsearch_chat_history._requests.flush_queue import (
    GROWTH_BYTES,
    Batch,
    FlushQueue,
    PendingWrite,
)
from elasticsearch_chat_history._requests.retries import FIRST_DELAY, RetryBudget

OVERLOAD = Failure("es_rejected_execution_exception (429)", retriable=True, overload=True)
LOST = Failure("ConnectionError", retriable=True)
REJECTED = Failure("document_parsing_exception (400)")


class CountingSignal:
    """Counts wake-ups."""

    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1


def pending(*lines: bytes, max_retries: int = 10) -> PendingWrite:
    write = PendingWrite(RetryBudget(max_retries))
    write.add(dict(enumerate(lines or (b"line",))), CountingSignal())
    return write


def wakes(write: PendingWrite) -> int:
    assert isinstance(write.signal, CountingSignal)
    return write.signal.wakes


def joined(queue: FlushQueue, *writes: PendingWrite) -> None:
    for write in writes:
        queue.join(write)


def stored(queue: FlushQueue, batch: Batch) -> None:
    queue.settle(batch, [None] * len(batch), reached=True)


def test_only_the_first_caller_leads() -> None:
    queue = FlushQueue()
    first, second = pending(), pending()
    joined(queue, first, second)
    assert first.leads
    assert not second.leads


def test_a_leader_takes_along_all_that_is_queued() -> None:
    queue = FlushQueue()
    first, second = pending(b"1", b"2"), pending(b"3")
    joined(queue, first, second)
    assert queue.take() == [(first, 0), (first, 1), (second, 0)]
    assert queue.take() == []


def test_each_caller_is_woken_when_its_own_documents_are_settled() -> None:
    queue = FlushQueue()
    leader, follower, late = pending(), pending(), pending()
    joined(queue, leader, follower)
    batch = queue.take()
    queue.join(late)
    assert wakes(follower) == 0
    stored(queue, batch)
    assert follower.settled
    assert wakes(follower) == 1
    assert not late.settled
    assert wakes(late) == 0


def test_a_leader_that_is_done_hands_over_to_one_who_waits() -> None:
    queue = FlushQueue()
    leader, late = pending(), pending()
    queue.join(leader)
    stored(queue, queue.take()[:1])
    queue.join(late)
    queue.leave(leader)
    assert late.leads
    assert wakes(late) == 1
    assert queue.leaders == 1


def test_with_nobody_waiting_the_next_caller_leads_at_once() -> None:
    queue = FlushQueue()
    leader, next_caller = pending(), pending()
    queue.join(leader)
    stored(queue, queue.take())
    queue.leave(leader)
    assert queue.leaders == 0
    queue.join(next_caller)
    assert next_caller.leads


def test_leadership_given_to_a_caller_that_leaves_goes_on_to_the_next() -> None:
    queue = FlushQueue()
    leader, cancelled, waiting = pending(), pending(), pending()
    queue.join(leader)
    stored(queue, queue.take())
    joined(queue, cancelled, waiting)
    queue.leave(leader)
    assert cancelled.leads
    queue.leave(cancelled)
    assert not cancelled.leads
    assert waiting.leads
    assert queue.take() == [(waiting, 0)]


def test_a_caller_that_leaves_before_the_flush_sends_nothing() -> None:
    queue = FlushQueue()
    leader, cancelled = pending(), pending()
    joined(queue, leader, cancelled)
    queue.leave(cancelled)
    assert queue.take() == [(leader, 0)]


def test_what_a_cancelled_leader_took_along_is_finished_by_another() -> None:
    queue = FlushQueue()
    leader, follower = pending(), pending()
    joined(queue, leader, follower)
    batch = queue.take()
    queue.requeue(batch)
    queue.leave(leader)
    assert follower.leads
    assert queue.take() == [(follower, 0)]


def test_what_a_caller_took_with_it_when_it_left_is_not_sent_again() -> None:
    queue = FlushQueue()
    leader, gone = pending(), pending()
    joined(queue, leader, gone)
    batch = queue.take()
    queue.leave(gone)
    queue.settle(batch, [LOST, LOST], reached=True)
    assert queue.take() == [(leader, 0)]


def test_a_rejected_document_fails_its_own_caller_only() -> None:
    queue = FlushQueue()
    leader, follower = pending(b"1", b"2"), pending(b"3")
    joined(queue, leader, follower)
    queue.settle(queue.take(), [None, REJECTED, None], reached=True)
    assert leader.settled
    assert leader.failures == {1: REJECTED}
    assert follower.settled
    assert not follower.failures


def test_what_was_refused_can_be_sent_again() -> None:
    queue = FlushQueue()
    write = pending(b"1", b"2")
    queue.join(write)
    queue.settle(queue.take(), [None, REJECTED], reached=True)
    queue.leave(write)
    write.add({1: b"other"}, CountingSignal())
    queue.join(write)
    assert write.leads
    for outcome in (LOST, None):
        batch = queue.take()
        assert [write.lines[position] for _, position in batch] == [b"other"]
        queue.settle(batch, [outcome], reached=True)
    assert write.settled
    assert not write.failures


def test_a_retriable_failure_is_queued_again_after_a_pause() -> None:
    queue = FlushQueue(now=lambda: 0.0)
    write = pending(b"1", b"2")
    queue.join(write)
    queue.settle(queue.take(), [None, LOST], reached=True)
    assert not write.settled
    assert queue.pause() > 0
    assert queue.take() == [(write, 1)]


def test_a_caller_without_retries_left_gets_the_failure_and_others_go_on() -> None:
    queue = FlushQueue()
    impatient, patient = pending(max_retries=0), pending()
    joined(queue, impatient, patient)
    queue.settle(queue.take(), [LOST, LOST], reached=True)
    assert impatient.failures == {0: LOST}
    assert impatient.settled
    assert not patient.settled
    assert queue.take() == [(patient, 0)]


def test_pauses_get_longer_while_nothing_is_stored() -> None:
    queue = FlushQueue(now=lambda: 0.0)
    pauses = []
    for _ in range(6):
        # Newcomers with all their retries left do not make it short again.
        queue.join(pending())
        batch = queue.take()
        queue.settle(batch, [LOST] * len(batch), reached=True)
        pauses.append(queue.pause())
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10 * pauses[0]


def test_a_flush_that_is_stored_in_part_does_not_make_the_pause_longer() -> None:
    queue = FlushQueue(now=lambda: 0.0)
    for _ in range(5):
        queue.join(pending(b"1", b"2"))
        batch = queue.take()
        queue.settle(batch, [None, *[LOST] * (len(batch) - 1)], reached=True)
        assert 0 < queue.pause() <= FIRST_DELAY


def test_an_interrupt_after_the_answer_puts_nothing_back() -> None:
    queue = FlushQueue()
    write = pending()
    queue.join(write)
    batch = queue.take()
    stored(queue, batch)
    queue.requeue(batch)
    assert write.settled
    assert queue.take() == []


def test_success_ends_the_pause() -> None:
    queue = FlushQueue()
    write = pending()
    queue.join(write)
    queue.settle(queue.take(), [LOST], reached=True)
    stored(queue, queue.take())
    assert queue.pause() == 0


def test_bulks_keep_to_the_limit_of_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flush_queue, "MAX_DOCUMENTS", 2)
    queue = FlushQueue()
    write = pending(b"1", b"2", b"3")
    queue.join(write)
    assert [len(queue.take()), len(queue.take()), len(queue.take())] == [2, 1, 0]


def test_bulks_keep_to_the_limit_of_bytes_but_for_a_single_document() -> None:
    queue = FlushQueue()
    half, huge = b"x" * 2_000_000, b"x" * 9_000_000
    write = pending(half, half, b"1", huge)
    queue.join(write)
    assert [position for _, position in queue.take()] == [0, 1]
    assert [position for _, position in queue.take()] == [2]
    assert [position for _, position in queue.take()] == [3]


def test_a_large_write_does_not_hold_up_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flush_queue, "MAX_DOCUMENTS", 2)
    queue = FlushQueue()
    large, small = pending(*[b"1"] * 5), pending(b"2")
    joined(queue, large, small)
    queue.take()
    assert (small, 0) in queue.take()


def test_after_an_overload_bulks_get_smaller_and_grow_again_with_success() -> None:
    queue = FlushQueue()
    lines = [b"x" * 1_000_000] * 4
    write = pending(*lines)
    queue.join(write)
    batch = queue.take()
    assert len(batch) == 4
    queue.settle(batch, [OVERLOAD] * 4, reached=True)
    sizes = []
    while batch := queue.take():
        sizes.append(len(batch))
        stored(queue, batch)
    assert sizes == [1, 1, 1, 1]
    for _ in range(MAX_BYTES // GROWTH_BYTES):
        queue.join(pending())
        stored(queue, queue.take())
    queue.join(pending(*lines))
    assert len(queue.take()) == 4


def test_a_neighbours_overload_does_not_use_up_the_retries_of_others() -> None:
    queue = FlushQueue()
    large, small = pending(b"x" * 1_000_000), pending(max_retries=0)
    joined(queue, large, small)
    queue.settle(queue.take(), [OVERLOAD, OVERLOAD], reached=True)
    assert not small.settled
    while not small.settled:
        batch = queue.take()
        refused = [None if write is small else OVERLOAD for write, _ in batch]
        assert len(batch) == 1
        queue.settle(batch, refused, reached=True)
    assert not small.failures


def test_several_leaders_may_flush_at_once() -> None:
    queue = FlushQueue(max_leaders=2)
    first, second, third = pending(), pending(), pending()
    queue.join(first)
    batch = queue.take()
    joined(queue, second, third)
    assert second.leads
    assert not third.leads
    queue.take()
    stored(queue, batch)
    queue.leave(first)
    assert first.settled
    assert not second.settled


def test_a_leader_whose_documents_went_with_another_waits_for_them() -> None:
    queue = FlushQueue(max_leaders=2)
    first, second = pending(), pending()
    joined(queue, first, second)
    batch = queue.take()
    assert queue.take() == []
    queue.step_down(second)
    assert queue.leaders == 1
    stored(queue, batch)
    assert wakes(second) == 1


def test_an_answer_of_the_wrong_length_changes_nothing() -> None:
    queue = FlushQueue()
    write = pending(b"1", b"2")
    queue.join(write)
    batch = queue.take()
    with pytest.raises(ValueError, match="shorter"):
        queue.settle(batch, [None], reached=True)
    queue.requeue(batch)
    assert queue.take() == [(write, 0), (write, 1)]
