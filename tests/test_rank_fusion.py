"""Rankings are put together by reciprocal rank fusion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticsearch_chat_history._queries.rank_fusion import fused, fused_in_windows, windows_for

rankings = st.lists(st.lists(st.integers(0, 20), unique=True, max_size=15), max_size=4)


def names(ranked: list[tuple[float, str]]) -> list[str]:
    return [name for _, name in ranked]


def test_what_is_high_in_both_goes_first() -> None:
    ranked = fused([["a", "b", "c"], ["c", "b", "d"]], str)
    # b is second in both; a and d are in one each.
    assert names(ranked) == ["c", "b", "a", "d"]
    assert [score for score, _ in ranked] == pytest.approx(
        [1 / 63 + 1 / 61, 1 / 62 + 1 / 62, 1 / 61, 1 / 63]
    )


def test_one_ranking_keeps_its_order() -> None:
    assert names(fused([["c", "a", "b"], []], str)) == ["c", "a", "b"]
    assert fused([], str) == []


def test_equal_scores_are_in_the_order_of_the_rankings() -> None:
    assert names(fused([["a", "b"], ["c", "d"]], str)) == ["a", "c", "b", "d"]
    assert names(fused([["a", "b"], ["b", "a"]], str)) == ["a", "b"]


def test_of_the_same_items_the_highest_represents_them() -> None:
    def letter(item: str) -> str:
        return item[0]

    assert names(fused([["a1", "b1"], ["b2", "a2"]], letter)) == ["a1", "b2"]
    assert names(fused([["a1"], ["a2"]], letter)) == ["a1"]


@given(rankings)
def test_every_item_is_there_once_best_first(ranked: list[list[int]]) -> None:
    found = fused(ranked, int)
    items = [item for _, item in found]
    assert sorted(items) == sorted({item for ranking in ranked for item in ranking})
    scores = [score for score, _ in found]
    assert scores == sorted(scores, reverse=True)
    for score, item in found:
        ranks = [ranking.index(item) + 1 for ranking in ranked if item in ranking]
        assert score == pytest.approx(sum(1 / (60 + rank) for rank in ranks))


def test_windows_grow_until_there_is_enough() -> None:
    assert windows_for(100, 7, 10_000) == [100]
    assert windows_for(100, 101, 10_000) == [100, 400]
    assert windows_for(100, 9_000, 10_000) == [100, 400, 1_600, 6_400, 10_000]
    assert windows_for(100, 10_020, 10_000)[-1] == 10_000


@given(st.lists(st.permutations(range(60)), min_size=2, max_size=2), st.integers(1, 30))
def test_the_list_for_a_few_windows_begins_that_for_more(
    rankings: list[list[int]], first: int
) -> None:
    longest = fused_in_windows(rankings, int, windows_for(first, 60, 60))
    assert sorted(item for _, item in longest) == list(range(60))
    for wanted in range(1, 60):
        windows = windows_for(first, wanted, 60)
        cut = [ranking[: windows[-1]] for ranking in rankings]
        shorter = fused_in_windows(cut, int, windows)
        assert len(shorter) >= wanted
        assert shorter == longest[: len(shorter)]
    assert longest[:first] == fused([ranking[:first] for ranking in rankings], int)[:first]
