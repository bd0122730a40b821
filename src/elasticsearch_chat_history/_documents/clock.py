"""A hybrid logical clock: the source of `seq`, the order of messages.

After Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed
Databases" (2014): physical time if possible, otherwise one step more than the last value.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from elasticsearch_chat_history._forking import restart_in_children

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, MutableMapping

# Messages of one session get a millisecond each: langchain-elasticsearch, which may read them
# too, pages by `created_at` alone and loses messages that share one.
SPACING = 1_000
# How far a session may run ahead of the time; beyond that its messages share milliseconds.
MAX_RUN_AHEAD = 10_000_000
# Clocks synchronized by NTP differ by less; what is further ahead comes from a broken clock.
MAX_DRIFT = 1_000_000
# Sessions that are ahead of the time; the least recently used ones are forgotten first.
MAX_SESSIONS = 10_000


def system_microseconds() -> int:
    """Return the system's time in microseconds since 1970."""
    return time.time_ns() // 1000


class Ticks:
    """The values of one call, or of several attempts at the same call."""

    __slots__ = ("__weakref__", "values")

    def __init__(self, values: range) -> None:
        self.values = values


class HybridLogicalClock:
    """Gives microsecond time stamps that never go backwards, and never repeat in a session.

    A value that was read (`observe`) moves the clock past it, so that what is written afterwards
    sorts after it. A value further in the future than `max_drift` does so for its own session
    only: one broken clock in the cluster must not affect all sessions.
    """

    def __init__(
        self,
        now: Callable[[], int] = system_microseconds,
        *,
        max_drift: int = MAX_DRIFT,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        self._now = now
        self._max_drift = max_drift
        self._max_sessions = max_sessions
        self._turns = 0
        self._last = 0
        # The last value of each session that is ahead of the time.
        self._last_of_session: OrderedDict[Hashable, int] = OrderedDict()
        # Values of one call differ by whole milliseconds, so two calls have no value in common if
        # their microseconds within the millisecond differ. For each of these: the last value.
        self._ends = [0] * SPACING
        self.restart()
        restart_in_children(self)

    def restart(self) -> None:
        """Begin with new locks in a child process; the values go on."""
        # A signal handler may ask while its own thread is in here.
        self._lock = threading.RLock()
        self._calls_lock = threading.RLock()
        self._ticks_of_calls: MutableMapping[Hashable, Ticks] = WeakValueDictionary()

    def tick(self, session: Hashable, count: int = 1) -> range:
        """Return the next `count` (at least 1) values for `session`, in ascending order."""
        with self._lock:
            while True:
                turn = self._turns
                values = self._next(session, count)
                # Else a signal handler has got values meanwhile, maybe the same.
                if self._turns == turn:
                    self._turns += 1
                    return values

    def ticks_of_call(self, session: Hashable, key: Hashable | None, count: int) -> Ticks:
        """Return `count` values for a call, the same for all calls with its key at the same time.

        If the same call is made twice at once, each may store some of the messages. With the same
        values, it does not matter which. The values are shared as long as a call holds them.

        Args:
            session: The session.
            key: What the call is known by, or None if it can only be made once.
            count: How many values it needs, at least 1.
        """
        if key is None:
            return Ticks(self.tick(session, count))
        call = (session, key, count)
        with self._calls_lock:
            ticks = self._ticks_of_calls.get(call)
            if ticks is None:
                ticks = self._ticks_of_calls[call] = Ticks(self.tick(session, count))
            return ticks

    def observe(self, session: Hashable, value: int) -> None:
        """Make all later values of `session` greater than `value`."""
        with self._lock:
            if value <= self._last:
                return
            if value <= self._now() + self._max_drift:
                self._last = value
            elif value > self._last_of_session.get(session, 0):
                self._remember(session, value)

    def _next(self, session: Hashable, count: int) -> range:
        now = self._now()
        self._forget_passed(now)
        self._last = max(now, self._last + 1)
        last = self._last_of_session.get(session, 0)
        if last > now + MAX_RUN_AHEAD:
            start = max(last + 1, self._last)
            values = range(start, start + count)
        else:
            start = self._unused(max(self._last, last + SPACING))
            values = range(start, start + count * SPACING, SPACING)
            self._ends[start % SPACING] = values[-1]
        self._remember(session, values[-1])
        return values

    def _unused(self, start: int) -> int:
        for candidate in range(start, start + SPACING):
            if self._ends[candidate % SPACING] < candidate:
                return candidate
        return start

    def _remember(self, session: Hashable, value: int) -> None:
        self._last_of_session.pop(session, None)
        self._last_of_session[session] = value
        if len(self._last_of_session) > self._max_sessions:
            self._last_of_session.popitem(last=False)

    def _forget_passed(self, now: int) -> None:
        while self._last_of_session:
            session, value = next(iter(self._last_of_session.items()))
            if value + SPACING > now:
                return
            self._last_of_session.pop(session, None)


# One for the process: two histories of one session must share their order.
CLOCK = HybridLogicalClock()
