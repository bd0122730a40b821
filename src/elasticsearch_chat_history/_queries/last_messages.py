"""Finding the last messages of a session, or the newest sessions, without visiting all others.

A search for the newest few visits every message, because a segment keeps them oldest first: each
message sorts before the previous ones. So a search stops after a number of messages. If that was
not enough, the times of what it found are a lower bound, and the next search starts at that time,
or, as it may be long ago, at some time between it and now.

The same holds for the sessions with the newest messages: what was found of a session is not newer
than its last message.
"""

from __future__ import annotations

import math
from itertools import dropwhile
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage, FunctionMessage, ToolMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Each shard visits at most so many messages, which takes a few milliseconds. It is more than any
# limit, so a search for messages that stops early has found enough of them.
MOST_VISITED = 20_000
# How many times more to visit, or further to go back, where that was too little.
MORE = 8
# What answers a call of a model; both also as parts of a streamed answer.
RESULTS = (ToolMessage, FunctionMessage)
# Lucene's own limit.
MOST_IN_A_SHARD = 2**31 - 1
# How often to go back that many times further from a time that was not early enough.
MOST_WIDENED = 3
# By then the remaining interval is short, or all messages have the same time.
MOST_SEARCHES = 20


class NewestSearch:
    """The search for the newest messages or sessions: from which time to search next, if at all.

    Args:
        limit: How many are wanted.
        now: The time in milliseconds; or an earlier one, if there are no messages after that.
        since: A time that may be early enough, if one is known.
    """

    def __init__(self, limit: int, now: int, since: int | None = None) -> None:
        self._limit = limit
        self._now = now
        self._early: int | None = None
        self._late = now + 1
        self._searches = 0
        self._widened = 0
        self._ended = False
        self._stride = 0
        self._passed = False
        self._rate = math.inf
        self.since = since
        # A time that is known is worth more: usually there are few messages after it.
        self.most_visited: int | None = MOST_VISITED * (1 if since is None else MORE)

    def ends_at(self, time: int) -> None:
        """Take the time of the newest message in milliseconds for that of the search."""
        self._now, self._late = time, time + 1
        if self._early is not None:
            self.since = self._next_since(stopped=True)

    def finished(self, times: Sequence[int], *, stopped: bool) -> bool:
        """Tell whether a search has found the newest; otherwise set where to search next.

        Args:
            times: The times of what it found in milliseconds, newest first.
            stopped: Whether a shard stopped before it had seen all.
        """
        if not stopped:
            if self.since is None or len(times) >= self._limit:
                return True
            if self._early is not None and self.since <= self._early:
                self._early = None  # some were deleted since
            self._late = min(self._late, self.since)
            self._ended = not times
        elif len(times) >= self._limit:
            # So many are not older than this, so none of the newest ones is.
            self._early = max(self._early or 0, times[self._limit - 1])
            self.most_visited = MOST_VISITED
        elif self.most_visited is not None:
            # The messages are of few sessions; a later time would find even fewer.
            self.most_visited = min(self.most_visited * MORE, MOST_IN_A_SHARD)
            return False
        if times:
            self._rate = len(times) / max(1, times[0] - times[-1])
        self._searches += 1
        self.since = self._next_since(stopped=stopped)
        return False

    def _next_since(self, *, stopped: bool) -> int | None:
        if self._early is None:
            # Not early enough, or messages were deleted since.
            self._widened += 1
            width = MORE * (self._now - self._late)
            return self._now - width if width > 0 and self._widened <= MOST_WIDENED else None
        width = self._late - self._early
        if self._searches > MOST_SEARCHES or width <= 1:
            # The interval cannot be halved: visit all messages from here.
            self.most_visited = None
            return self._early
        if self._rate * (self._now - self._early) < MOST_VISITED // 2:
            # If they are as dense as those that were found, one search visits them all.
            return self._early
        if self._ended:
            # A session that ended some time ago: exponential search for its end, then bisection.
            self._passed |= bool(self._stride) and not stopped
            self._stride = width // 2 if self._passed else (self._stride * 8 or math.isqrt(width))
            since = self._early + self._stride
        elif self._searches % 3:
            # A session that goes on: its end is close to now, on a logarithmic scale.
            oldest, youngest = self._now - self._early, max(1, self._now - self._late)
            since = self._now - math.isqrt(max(0, oldest) * youngest)
        else:
            since = self._early + width // 2
        return min(max(since, self._early + 1), self._late - 1)


def without_leading_orphans(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """Return `messages` without the tool or function results at the start: their call is missing.

    Model providers reject a list that starts with the result of a call that is not in it. A later
    call with the same id does not count, as some providers number the calls of each turn anew.
    """
    return list(dropwhile(lambda message: isinstance(message, RESULTS), messages))
