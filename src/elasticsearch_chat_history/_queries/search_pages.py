"""Pages of a search: where one ended, as a cursor, and what comes next.

The scores of all messages change a little with each write to the index, as they depend on how
often a word is used in it. So a page begins after a hit that is looked for where it was by its
rank; only where it cannot be found, what comes after its score.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._queries.cursors import cursor_of, values_in
from elasticsearch_chat_history._queries.selection import MAX_HITS
from elasticsearch_chat_history._results import SearchHit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from elasticsearch_chat_history._documents.document import Hit

# Which calls take the cursor of a hit.
CURSOR = "hit"
# By how many ranks the last hit of a page may have moved when the next page is asked for.
OVERLAP = 10
DIGEST_BYTES = 6
SEPARATOR = "."
LONG = range(-(2**63), 2**63)


@dataclass(frozen=True)
class HitPlace:
    """Where a hit was in the list of all hits.

    Attributes:
        rank: Its rank, from 1.
        names: What tells it apart from other hits; before that, the names of those before it with
            the same values of the last four. These are from other shards, in the order of these.
        window: How much of two rankings was combined at first; 0 in a list of one ranking.
        score: Its score.
        time: Its `created_at` in milliseconds.
        seq: Its `seq` as it is sorted.
        seq_no: Its `_seq_no`.
    """

    rank: int
    names: str
    window: int
    score: float
    time: int
    seq: int
    seq_no: int

    @property
    def tied(self) -> list[str]:
        """The names of the hits up to this one that no sort value tells apart."""
        return self.names.split(SEPARATOR)

    def cursor(self, search: str) -> str:
        """Return it as a text for calls of one search, which `search_key` names."""
        return cursor_of(CURSOR, search, *astuple(self))

    @property
    def search_after(self) -> list[Any]:
        """The sort values after which a search continues with this hit and its ties.

        The ties that come after it must not be left out:
        https://www.elastic.co/docs/reference/elasticsearch/rest-apis/paginate-search-results
        """
        return [self.score, self.time, self.seq, self.seq_no + 1]

    @property
    def is_possible(self) -> bool:
        """Whether a search can have had a hit there."""
        return (
            self.rank >= len(self.tied)
            and self.rank in LONG
            and len(self.tied) < MAX_HITS
            and 0 <= self.window <= MAX_HITS
            and math.isfinite(self.score)
            and all(one in LONG for one in (self.time, self.seq, self.seq_no + 1))
        )


PlacedHit = tuple[HitPlace, "Hit"]


def search_key(arguments: Iterable[object]) -> str:
    """Return a short digest of the arguments that two pages of one search have in common.

    Args:
        arguments: JSON values; in lists of these the order does not count.
    """
    text = json.dumps([_canonical(one) for one in arguments])
    return hashlib.blake2s(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def checked_place(after: object, search: str) -> HitPlace | None:
    """Return the place of a hit of the previous page, or of its cursor.

    Args:
        after: The hit or its cursor; None for the first page.
        search: The `search_key` of the call.

    Raises:
        TypeError: It is neither.
        ValueError: It has no cursor, or one that was changed, or that of other calls.
    """
    if after is None:
        return None
    if isinstance(after, SearchHit):
        if not after.cursor:
            raise ValueError("after must be a SearchHit as a search returned it, with its cursor")
        after = after.cursor
    if not isinstance(after, str):
        raise TypeError(
            "after must be the last SearchHit of the previous page or its cursor, "
            f"but is a {type(after).__name__}"
        )
    types = (str, int, str, int, float, int, int, int)
    found, *values = values_in(after, CURSOR, *types)
    if found != search:
        raise ValueError(
            "after is a cursor of another search: give it to a call with the same query, mode, "
            "options and filters, of the same index and scope; only limit may differ"
        )
    place = HitPlace(*values)
    if not place.is_possible:
        raise ValueError("after is no cursor: no search has a hit there")
    return place


def placed(
    hits: Sequence[Hit], name_of: Callable[[Hit], str], *, begin: int, window: int = 0
) -> list[PlacedHit]:
    """Return hits with their places.

    Args:
        hits: Hits that follow each other in the list, with the sort values of the total order.
        name_of: Returns what tells a hit apart from others.
        begin: How many hits come before the first.
        window: How much of two rankings was combined at first.
    """
    found: list[PlacedHit] = []
    previous: tuple[float, int, int, int] | None = None
    names: list[str] = []
    for rank, hit in enumerate(hits, start=begin + 1):
        time, seq, seq_no = map(int, hit["sort"][:3])
        order = (float(hit["_score"]), time, seq, seq_no)
        name = _digest(name_of(hit))
        names = [*names, name] if order == previous else [name]
        previous = order
        found.append((HitPlace(rank, SEPARATOR.join(names), window, *order), hit))
    return found


def behind(hits: list[PlacedHit], after: HitPlace) -> list[PlacedHit] | None:
    """Return what comes after the hit that had a place; None if it is not among `hits`."""
    for number, (place, _) in enumerate(hits, start=1):
        if place.tied[-1] == after.tied[-1]:
            return hits[number:]
    return None


def without(hits: list[PlacedHit], seen: HitPlace) -> list[PlacedHit]:
    """Return `hits` without those before a place that no sort value tells apart from it."""
    names = set(seen.tied)
    return [(place, hit) for place, hit in hits if place.tied[-1] not in names]


def too_far(index: str, most: int) -> ChatHistoryError:
    """Return the error for a page beyond the last one of a list that cannot be searched deeper."""
    return ChatHistoryError(
        f"In index {index!r} only the best {most:,} hits of this search can be paged through. "
        "mode='text' without per_session has no limit; or find fewer, with since, until, types, "
        "metadata or session_id."
    )


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return [[key, _canonical(below)] for key, below in sorted(value.items())]
    if isinstance(value, (list, tuple)):
        return sorted(map(_canonical, value), key=json.dumps)
    return value


def _digest(text: str) -> str:
    data = text.encode(errors="surrogatepass")
    return hashlib.blake2s(data, digest_size=DIGEST_BYTES).hexdigest()
