"""What histories share."""

from elasticsearch_chat_history._documents.fields import IndexLayout
from elasticsearch_chat_history._requests.state import (
    WindowStarts,
    forget_layout,
    known_layout,
    remember_layout,
)


def test_a_start_holds_for_the_same_limit_and_smaller_ones() -> None:
    starts = WindowStarts()
    starts.remember("s", 20, 1_000)
    assert starts.get("s", 20) == starts.get("s", 5) == 1_000
    assert starts.get("s", 21) is None
    assert starts.get("t", 1) is None


def test_only_so_many_starts_are_kept() -> None:
    starts = WindowStarts(most=2)
    for session in "abac":
        starts.remember(session, 20, 1_000)
    assert [starts.get(session, 20) for session in "abc"] == [1_000, None, 1_000]


def test_only_the_layout_that_proved_wrong_is_forgotten() -> None:
    stale, fresh = IndexLayout(complete=True), IndexLayout(complete=True)
    remember_layout("index", stale)
    remember_layout("index", fresh)
    assert not forget_layout("index", stale)
    assert known_layout("index") is fresh
    assert forget_layout("index", fresh)
    assert known_layout("index") is None
