"""Places of hits: what a cursor of a search holds, and where a page begins."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import SearchHit, StoredMessage
from elasticsearch_chat_history._queries.cursors import cursor_of
from elasticsearch_chat_history._queries.search_pages import (
    behind,
    checked_place,
    placed,
    search_key,
    without,
)

LONGS = st.integers(-(2**63), 2**63 - 2)
KEY = search_key(["chats", None, "word"])
STORED = StoredMessage("d", "s", datetime(2026, 1, 1, tzinfo=timezone.utc), HumanMessage("Hi"), {})


def hit(name: str, seq_no: int, score: float = 1.5) -> dict[str, Any]:
    return {"_id": name, "_score": score, "sort": ["1700000000000", -(2**63), seq_no]}


def name_of(found: Mapping[str, Any]) -> str:
    return str(found["_id"])


HITS = [hit("a", 7), hit("b", 5), hit("c", 5), hit("d", 5), hit("e", 5, score=1.0)]


def names(found: Any) -> list[str]:
    return [name_of(one) for _, one in found]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), LONGS, LONGS, LONGS)
def test_a_place_comes_back_from_its_cursor(score: float, time: int, seq: int, at: int) -> None:
    found = {"_id": "ä/1", "_score": score, "sort": [str(time), seq, at]}
    ((place, _),) = placed([found], name_of, begin=41, window=100)
    again = checked_place(place.cursor(KEY), KEY)
    assert again == place
    assert (again.rank, again.window) == (42, 100)
    # Inclusive, as hits of other shards may have the same values.
    assert json.loads(json.dumps(again.search_after)) == [score, time, seq, at + 1]


def test_a_page_begins_behind_a_hit_wherever_it_is_now() -> None:
    places = dict(
        zip("abcde", (place for place, _ in placed(HITS, name_of, begin=0)), strict=True)
    )
    moved = placed(HITS[1:], name_of, begin=20)
    assert [place.rank for place, _ in moved] == [21, 22, 23, 24]
    assert names(behind(moved, places["c"])) == ["d", "e"]
    assert behind(moved, places["e"]) == []
    assert behind(moved, places["a"]) is None
    assert names(without(moved, places["c"])) == ["d", "e"]
    assert names(without(moved, places["b"])) == ["c", "d", "e"]
    assert [len(place.tied) for place in places.values()] == [1, 1, 2, 3, 1]


def test_lists_of_one_search_are_equal_in_any_order() -> None:
    one = search_key(["q", {"a": [1, {"b": "x"}], "c": None}])
    assert one == search_key(["q", {"c": None, "a": [{"b": "x"}, 1]}])
    others: list[list[object]] = [
        ["q", {"a": [1, {"b": "y"}], "c": None}],
        [{"a": 1}, "q"],
        ["q"],
        ["q", None],
    ]
    assert len({one, *map(search_key, others)}) == 5


def test_the_first_page_has_no_place() -> None:
    assert checked_place(None, KEY) is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rank": 0}, "no search has a hit there"),
        ({"rank": 2**63}, "no search has a hit there"),
        ({"names": "a.b"}, "no search has a hit there"),
        ({"window": -1}, "no search has a hit there"),
        ({"window": 10_001}, "no search has a hit there"),
        ({"score": float("nan")}, "no search has a hit there"),
        ({"score": float("inf")}, "no search has a hit there"),
        ({"time": 2**63}, "no search has a hit there"),
        ({"seq": -(2**63) - 1}, "no search has a hit there"),
        ({"seq_no": 2**63 - 1}, "no search has a hit there"),
        ({"rank": 1.0}, "cursor of other calls"),
        ({"rank": True}, "cursor of other calls"),
        ({"score": 1}, "cursor of other calls"),
    ],
)
def test_what_is_no_place_is_refused(changed: dict[str, Any], says: str) -> None:
    place = {"rank": 1, "names": "a", "window": 0, "score": 1.5, "time": 1, "seq": 1, "seq_no": 1}
    assert checked_place(cursor_of("hit", KEY, *place.values()), KEY)
    with pytest.raises(ValueError, match=says):
        checked_place(cursor_of("hit", KEY, *{**place, **changed}.values()), KEY)


def test_the_cursor_of_another_search_is_refused() -> None:
    ((place, _),) = placed(HITS[:1], name_of, begin=0)
    with pytest.raises(ValueError, match=r"cursor of another search: .* only limit may differ"):
        checked_place(place.cursor(search_key(["other"])), KEY)


def test_a_hit_without_a_cursor_is_refused() -> None:
    with pytest.raises(ValueError, match="as a search returned it, with its cursor"):
        checked_place(SearchHit(1.5, STORED), KEY)
    with pytest.raises(TypeError, match="is a StoredMessage"):
        checked_place(STORED, KEY)
