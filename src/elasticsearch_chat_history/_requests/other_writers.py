"""Whether others write to the index at the same time: the numbers of our documents tell.

A bulk request that forces a refresh makes one of its own, even if another's has just shown its
documents. A refresh that is asked for afterwards finds nothing left to do then. That takes a
second request, so it pays only where others write more than we do.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

RECENT_SECONDS = 1.0
# What a shard stores for all, in relation to what it stores for us.
MUCH_MORE = 3


class OtherWriters:
    """Whether others wrote twice as much as we did since our last bulk request, a moment ago.

    A shard numbers all its changes, so that numbers which are missing between ours were given to
    others. Where our documents go to several shards, the others have to write more to be seen.
    https://www.elastic.co/docs/reference/elasticsearch/rest-apis/optimistic-concurrency-control

    Args:
        now: A clock, in seconds.

    Attributes:
        active: Whether it is so.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._index = ""
        self._number = 0
        self._noted_at = -RECENT_SECONDS
        self.active = False
        self._ignored = False

    def ignore(self) -> None:
        """Look for no others from now on."""
        self._ignored = True
        self.active = False

    def note(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Note what became of each document of a bulk request of ours."""
        stored = [item for item in items if "_seq_no" in item]
        if not stored:
            return
        index, now = stored[-1]["_index"], self._now()
        number = max(item["_seq_no"] for item in stored)
        self.active = (
            not self._ignored
            and index == self._index
            and now - self._noted_at <= RECENT_SECONDS
            and number - self._number >= MUCH_MORE * len(stored)
        )
        self._index, self._number, self._noted_at = index, number, now
