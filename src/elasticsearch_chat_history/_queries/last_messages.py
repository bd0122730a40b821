"""Finding the last messages of a session without visiting all that came before.

A search for the newest few visits every message of the session, because a segment keeps them
oldest first: each one is better than those before. So a search stops after a number of messages.
Where that was not enough, the times of what it found say from when on to look, and the next search
looks from there, or, as that may still be far back, from somewhere between there and now.
"""

from __future__ import annotations

import math
from itertools import dropwhile
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage, ToolMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from elasticsearch_chat_history._documents.document import Hit

# Each shard visits so many messages at most, which takes a few milliseconds. It is more than any
# limit, so that a search that stops has found enough of them.
MOST_VISITED = 20_000
# By then what is left to look through is short, or all of one moment.
MOST_SEARCHES = 20


class LastMessages:
    """The search for the last `limit` messages: where the next one begins, and whether it is done.

    Args:
        limit: How many messages are wanted.
        now: The time in milliseconds.
        since: A time that was early enough before, if one is known.
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
        self.since = since
        self.most_visited: int | None = MOST_VISITED

    def finished(self, hits: Sequence[Hit], *, stopped: bool) -> bool:
        """Tell whether `hits` are the last messages; else say where to search next.

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
            # As many messages are not older than this, so neither is any of the last.
            self._early = max(self._early or 0, int(hits[self._limit - 1]["sort"][0]))
        self._searches += 1
        self.since = self._next_since(stopped=stopped)
        return False

    def _next_since(self, *, stopped: bool) -> int | None:
        if self._early is None:
            # Messages were deleted since the time was learnt.
            return None
        width = self._late - self._early
        if self._searches > MOST_SEARCHES or width <= 1:
            # Nothing is left to halve: visit all from here on.
            self.most_visited = None
            return self._early
        if self._ended:
            # One that stopped some time ago: gallop from what was found, and past its end halve.
            self._passed |= bool(self._stride) and not stopped
            self._stride = width // 2 if self._passed else (self._stride * 8 or math.isqrt(width))
            since = self._early + self._stride
        elif self._searches % 3:
            # One that goes on: its end is near to now, by the logarithm of the distance.
            oldest, youngest = self._now - self._early, max(1, self._now - self._late)
            since = self._now - math.isqrt(max(0, oldest) * youngest)
        else:
            since = self._early + width // 2
        return min(max(since, self._early + 1), self._late - 1)


def without_leading_orphans(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """Return `messages` without the tool results at the start: their call was cut off.

    Model providers reject a list that opens with the result of a call that is not before it. The
    same id in a later call says nothing, as some providers count the calls of each turn anew.
    """
    return list(dropwhile(lambda message: isinstance(message, ToolMessage), messages))
