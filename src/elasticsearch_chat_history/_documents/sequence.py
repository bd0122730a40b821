"""The place of a message in the order: its `seq`, or its time if it has none.

What upstream wrote keeps its order: by `created_at`, then by `seq` with missing ones first, then
in the order of writing. So a run, the messages of one millisecond without `seq`, gets values below
those of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from elasticsearch_chat_history._documents.clock import SPACING
from elasticsearch_chat_history._documents.document import Hit

# A session and a time in milliseconds, within which `seq` defines the order.
Moment = tuple[str, int]


def seqs_of_run(time: int, count: int, next_seq: int | None = None) -> range:
    """Return the values for the `count` messages of a run.

    Args:
        time: Their time in milliseconds.
        count: How many they are. More than 1,000 get values beyond their millisecond.
        next_seq: The smallest value that a message of that millisecond has already.
    """
    start = time * 1000
    if next_seq is not None:
        start = min(start, next_seq - count)
    return range(start, start + count)


def seqs_of_call(found: Mapping[int, int]) -> dict[int, int]:
    """Return where the messages of one call belong if several attempts have stored them.

    All attempts get the same result, so it does not matter which of them moves the messages.

    Args:
        found: The `seq` of the messages that are stored, at least one, by position in the call.

    Returns:
        The `seq` of those that have to move to where the earliest attempt would have put them.
    """
    first = min(seq - position * SPACING for position, seq in found.items())
    return {
        position: first + position * SPACING
        for position, seq in found.items()
        if seq != first + position * SPACING
    }


def seqs_in_order(found: Mapping[int, int]) -> dict[int, int]:
    """Return where messages belong that come later than one that follows them in the call.

    Calls that overlap may each have stored some of the messages. All get the same result.

    Args:
        found: The `seq` of the messages that are stored, by position in the call.

    Returns:
        The `seq` of those that have to move to just before the next one.
    """
    moves: dict[int, int] = {}
    following: int | None = None
    for position in sorted(found, reverse=True):
        seq = found[position]
        if following is not None and seq >= following:
            seq = moves[position] = following - SPACING
        following = seq
    return moves


def place_of(seq: int | None, time: int) -> int:
    """Return the place of a message in the order: its `seq`, or its time if it has none.

    Args:
        seq: Its `seq`.
        time: Its time in milliseconds.
    """
    return seq or time * 1000


def seq_of(hit: Hit) -> int | None:
    """Return the `seq` of a hit in the total order; None if it has none."""
    seq = hit["sort"][1]
    # A missing one comes back as the smallest long.
    return int(seq) if seq is not None and seq > 0 else None


def latest_place(hits: Sequence[Hit]) -> int | None:
    """Return the later place of the first and the last of hits in the total order."""
    if not hits:
        return None
    first, last = (place_of(seq_of(hit), int(hit["sort"][0])) for hit in (hits[0], hits[-1]))
    return max(first, last)


class SequenceFiller:
    """Gives `seq` to hits that come oldest first, in pages; the last run waits for more."""

    def __init__(self) -> None:
        self._time = 0
        self._run: list[Hit] = []

    def completed(self, hits: Iterable[Hit]) -> Iterator[tuple[Hit, int]]:
        """Yield the hits of a page whose `seq` is known, each with its `seq`."""
        for hit in hits:
            time, seq = int(hit["sort"][0]), seq_of(hit)
            if time != self._time:
                yield from self.rest()
                self._time = time
            if seq is None:
                self._run.append(hit)
            else:
                yield from self.rest(seq)
                yield hit, seq

    def rest(self, next_seq: int | None = None) -> Iterator[tuple[Hit, int]]:
        """Yield the hits that still wait, each with its `seq`."""
        run, self._run = self._run, []
        yield from zip(run, seqs_of_run(self._time, len(run), next_seq), strict=True)
