"""What a caller waits on until another has sent its documents."""

import threading

from elasticsearch_chat_history._acompat import AsyncSignal, Signal


async def test_a_wake_up_ends_one_wait_of_a_task() -> None:
    signal = AsyncSignal()
    waiting = signal.wait()
    assert not waiting.done()
    signal.wake()
    await waiting
    assert not signal.wait().done()


async def test_a_wake_up_before_the_wait_of_a_task_is_not_lost() -> None:
    signal = AsyncSignal()
    signal.wake()
    signal.wake()
    await signal.wait()
    assert not signal.wait().done()


async def test_a_wake_up_after_a_cancelled_wait_is_not_lost() -> None:
    signal = AsyncSignal()
    cancelled = signal.wait()
    cancelled.cancel()
    signal.wake()
    await signal.wait()
    assert cancelled.cancelled()


def test_a_wake_up_before_the_wait_of_a_thread_is_not_lost() -> None:
    signal = Signal()
    signal.wake()
    signal.wake()
    signal.wait()
    waiting = threading.Thread(target=signal.wait)
    waiting.start()
    signal.wake()
    waiting.join(30)
    assert not waiting.is_alive()
