"""A hybrid logical clock: the source of `seq`, the order of messages.

After Kulkarni et al., "Logical Physical Clocks and Consistent Snapshots in Globally Distributed
Databases" (2014): physical time where possible, one more than the last value where not.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# Clocks kept by NTP differ by less than a second; what is further ahead comes from a broken one.
MAX_DRIFT = 10_000_000
# Sessions that a broken clock wrote to; the longest unused ones are forgotten first.
MAX_SESSIONS_AHEAD = 10_000


def system_microseconds() -> int:
    """Return the system's time in microseconds since 1970."""
    return time.time_ns() // 1000


class HybridLogicalClock:
    """Gives microsecond time stamps that never repeat and never go backwards.

    A value that was read (`observe`) pushes the clock past it, so that whatever is written
    afterwards sorts after it. A value from further in the future than `max_drift` does so for its
    own session only: one broken clock in the cluster must not drag all sessions along.
    """

    def __init__(
        self,
        now: Callable[[], int] = system_microseconds,
        *,
        max_drift: int = MAX_DRIFT,
        max_sessions_ahead: int = MAX_SESSIONS_AHEAD,
    ) -> None:
        self._now = now
        self._max_drift = max_drift
        self._max_sessions_ahead = max_sessions_ahead
        self._lock = threading.Lock()
        self._last = 0
        self._sessions_ahead: OrderedDict[Hashable, int] = OrderedDict()

    def tick(self, session: Hashable, count: int = 1) -> range:
        """Return the next `count` values for `session`, in ascending order."""
        with self._lock:
            first = max(self._now(), self._last + 1)
            ahead = self._sessions_ahead.pop(session, 0)
            if ahead >= first:
                values = range(ahead + 1, ahead + 1 + count)
                self._remember(session, values[-1] if values else ahead)
                return values
            values = range(first, first + count)
            self._last = values[-1] if values else self._last
            return values

    def observe(self, session: Hashable, value: int) -> None:
        """Make all later values of `session` greater than `value`."""
        with self._lock:
            if value <= self._last:
                return
            if value <= self._now() + self._max_drift:
                self._last = value
            elif value > self._sessions_ahead.get(session, 0):
                self._remember(session, value)

    def _remember(self, session: Hashable, value: int) -> None:
        self._sessions_ahead[session] = value
        self._sessions_ahead.move_to_end(session)
        if len(self._sessions_ahead) > self._max_sessions_ahead:
            self._sessions_ahead.popitem(last=False)


# One for the process: two histories of one session must share their order.
CLOCK = HybridLogicalClock()
