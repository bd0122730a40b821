"""How long to wait before a request is tried again, and when to give up.

tenacity keeps the state of a retry with the call. Here several calls share one request, and each
has its own budget, so the state must be a value that any of them can continue with.
"""

from __future__ import annotations

import random
import time
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_DELAY = 0.1
LONGEST_DELAY = 6.0
# Time-outs and slow responses may use up this much, or the sum of all delays if that is more.
RETRY_SECONDS = 30.0
# If a server has never answered, its address is more likely wrong than that it restarts.
FIRST_CONTACT_SECONDS = 3.0


def delay_before(attempt: int) -> float:
    """Return the seconds to wait before retry number `attempt` (from 1), without jitter."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt - 1, 60))


@cache
def longest_wait(max_retries: int) -> float:
    """Return the seconds that all delays of a call together may take."""
    return sum(delay_before(attempt + 1) for attempt in range(max_retries))


def jittered(delay: float) -> float:
    """Return between half and all of `delay`, so that clients do not retry all at once."""
    return delay * random.uniform(0.5, 1.0)  # noqa: S311  # not a secret


class RetryBudget:
    """How often and how long one call is retried.

    The ten retries of the default take about 30 seconds. Time-outs count too: no attempt starts
    after 30 seconds, or after the sum of all delays if that is more.
    """

    __slots__ = ("_attempts", "_begin", "_max_retries", "_now")

    def __init__(self, max_retries: int, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._max_retries = max_retries
        self._attempts = 0
        self._begin = now()

    def delay(self, *, reached: bool) -> float | None:
        """Count a failed attempt; return the seconds to wait for the next, or None to give up.

        Args:
            reached: Whether the server has ever answered this client.
        """
        self._attempts += 1
        allowed = FIRST_CONTACT_SECONDS
        if reached:
            allowed = max(RETRY_SECONDS, longest_wait(self._max_retries))
        if self._attempts > self._max_retries or self._now() - self._begin >= allowed:
            return None
        return jittered(delay_before(self._attempts))
