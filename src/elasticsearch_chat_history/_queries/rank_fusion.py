"""Combining several rankings into one, by reciprocal rank fusion.

After Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
Rank Learning Methods" (2009): an item gets 1 / (60 + rank) for its rank in each ranking, counted
from 1, and the sum of these is its score. The scores of the rankings need not be comparable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

Item = TypeVar("Item")

RANK_CONSTANT = 60
# How many times more of both rankings to combine for later pages.
STEP = 4


def windows_for(first: int, wanted: int, most: int) -> list[int]:
    """Return how much of both rankings to combine, one after the other, until there is enough.

    Args:
        first: How much of both was combined for the first page.
        wanted: How many items are needed.
        most: How much of a ranking is available.
    """
    windows = [first]
    while windows[-1] < min(wanted, most):
        windows.append(min(most, windows[-1] * STEP))
    return windows


def fused_in_windows(
    rankings: Sequence[Sequence[Item]], key: Callable[[Item], Hashable], windows: Sequence[int]
) -> list[tuple[float, Item]]:
    """Return the items of the first window as `fused` does, then those that each next one adds.

    An item further down has a higher score if more of the other ranking is combined. So that no
    item of a later page moves to an earlier one, the list for few windows begins each longer one.
    """
    found: dict[Hashable, tuple[float, Item]] = {}
    for window in windows:
        for score, item in fused([ranking[:window] for ranking in rankings], key):
            found.setdefault(key(item), (score, item))
    return list(found.values())


def fused(
    rankings: Sequence[Sequence[Item]], key: Callable[[Item], Hashable]
) -> list[tuple[float, Item]]:
    """Return the items of all rankings with their scores, best first.

    Args:
        rankings: Each with its best item first, and with each key only once.
        key: Tells which items of two rankings are the same.

    Returns:
        Of items with the same key, the one with the highest rank, or the one of the earlier
        ranking if the ranks are equal. Items with equal scores are sorted by their highest rank,
        then by ranking.
    """
    scores: dict[Hashable, float] = {}
    highest: dict[Hashable, tuple[int, int, Item]] = {}
    for number, ranking in enumerate(rankings):
        for rank, item in enumerate(ranking, start=1):
            name = key(item)
            scores[name] = scores.get(name, 0) + 1 / (RANK_CONSTANT + rank)
            if name not in highest or rank < highest[name][0]:
                highest[name] = (rank, number, item)
    best = sorted(highest, key=lambda name: (-scores[name], *highest[name][:2]))
    return [(scores[name], highest[name][2]) for name in best]
