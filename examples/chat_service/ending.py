"""The signals that end a service, told to it at once.

uvicorn ends the lifespan of an application when all its streams have ended, and until then keeps
the signal to itself: https://uvicorn.dev/server-behavior/#graceful-process-shutdown
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def told_of_the_end(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` in the event loop when a signal ends the process, beside what else is done.

    In another thread than the main one there are no signals, and nothing is called.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        others = earlier[signal.Signals(number)]
        if callable(others):
            others(number, frame)

    for number in earlier:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, others in earlier.items():
            signal.signal(number, others)
