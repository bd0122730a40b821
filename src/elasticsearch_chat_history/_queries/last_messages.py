"""Finding the last messages of a session without visiting all earlier ones.

A search for the newest few visits every message of the session, because a segment keeps them
oldest first: each message sorts before the previous ones. So a search stops after a number of
messages. If that was not enough, the times of what it found are a lower bound, and the next search
starts at that time, or, as it may be long ago, at some time between it and now.
"""

from __future__ import annotations

import math
from itertools import dropwhile
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage, FunctionMessage, ToolMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from elasticsearch_chat_history._documents.document import Hit

# Each shard visits at most so many messages, which takes a few milliseconds. It is more than any
# limit, so a search that stops early has found enough messages.
MOST_VISITED = 20_000
# What answers a call of a model; both also as parts of a streamed answer.
RESULTS = (ToolMessage, FunctionMessage)
# By then the remaining interval is short, or all messages have the same time.
MOST_SEARCHES = 20


class LastMessages:
    """The search for the last `limit` messages: from which time to search next, until it is done.

    Args:
        limit: How many messages are wanted.
        now: The time in milliseconds; or an earlier one, if there are no messages after that.
        since: A time that was early enough for an earlier read, if one is known.
    """

    def __init__(self, limit: int, now: int, since: int | None = None) -> None:
        self._limit = limit
        self._now = now
        self._early: int | None = None
        self._late = now + 1
        self._searches = 0
        self._ended = False
        self._stride = 0
        self._passed = False
        self._rate = math.inf
        self.since = since
        self.most_visited: int | None = MOST_VISITED

    def finished(self, hits: Sequence[Hit], *, stopped: bool) -> bool:
        """Tell whether `hits` are the last messages; otherwise set where to search next.

        Args:
            hits: What the search found, newest first.
            stopped: Whether a shard stopped before it had seen all.
        """
        if not stopped:
            if self.since is None or len(hits) >= self._limit:
                return True
            self._late = min(self._late, self.since)
            self._ended = not hits
        elif len(hits) >= self._limit:
            # So many messages are not older than this, so none of the last ones is.
            self._early = max(self._early or 0, int(hits[self._limit - 1]["sort"][0]))
        if hits:
            newest, oldest = int(hits[0]["sort"][0]), int(hits[-1]["sort"][0])
            self._rate = len(hits) / max(1, newest - oldest)
        self._searches += 1
        self.since = self._next_since(stopped=stopped)
        return False

    def _next_since(self, *, stopped: bool) -> int | None:
        if self._early is None:
            # Messages were deleted since that time was found.
            return None
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
