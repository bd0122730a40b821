"""How far a search for sessions by id looks, and where it goes on."""

from typing import Any

import pytest

from elasticsearch_chat_history._queries.sessions_by_id import (
    FEW_MESSAGES_EACH,
    MOST_IDS,
    SearchById,
    id_ahead,
)


def answer(*ids: str, **more: Any) -> dict[str, Any]:
    """Return an answer with these sessions."""
    buckets = [{"key": {"session_id": one}} for one in ids]
    return {"aggregations": {"sessions": {"buckets": buckets}}, **more}


def in_range(**bounds: str) -> list[dict[str, Any]]:
    """Return the clause of a range of ids."""
    return [{"range": {"session_id": bounds}}]


@pytest.mark.parametrize(
    ("terms", "complete", "after", "expected"),
    [
        (["a", "b"], True, None, "b"),
        (["a"], True, None, None),
        ([], True, None, None),
        # A shard did not answer in time: there may be more.
        (["a"], False, None, "a"),
        ([], False, None, None),
        # In UTF-16 the second one comes first.
        (["\uffff", "\U0001f30d"], True, None, "\U0001f30d"),
        (["\U0001f30d", "\uffff"], True, None, "\U0001f30d"),
        (["a", "b"], True, "b", None),
    ],
)
def test_the_last_id_to_look_at_is_ahead_or_there_is_none(
    terms: list[str], complete: bool, after: str | None, expected: str | None
) -> None:
    assert id_ahead({"terms": terms, "complete": complete}, 2, after) == expected


@pytest.mark.parametrize(
    ("after", "prefix", "upto", "expected"),
    [
        (None, None, None, []),
        (None, None, "c", in_range(lte="c")),
        ("a", None, None, in_range(gt="a")),
        ("a", None, "c", in_range(gt="a", lte="c")),
        ("", None, "c", in_range(gt="", lte="c")),
        (None, "b", "bc", in_range(gte="b", lte="bc")),
        ("a", "b", "bc", in_range(gte="b", lte="bc")),
        ("ba", "b", "bc", in_range(gt="ba", lte="bc")),
        ("b", "b", None, in_range(gt="b")),
    ],
)
def test_messages_in_front_of_a_page_and_behind_it_are_not_looked_at(
    after: str | None, prefix: str | None, upto: str | None, expected: list[dict[str, Any]]
) -> None:
    assert SearchById(after, prefix=prefix).clauses(upto) == expected


def test_what_likely_few_match_is_tried_whole_but_not_for_long() -> None:
    search = SearchById(few_match=True)
    assert search.ids_ahead(500) is None
    assert search.clauses(None) == []
    assert search.most_visited(500) == 500 * FEW_MESSAGES_EACH
    assert search.found(answer("a", terminated_early=True), 500, None) == []
    assert not search.ended
    assert search.after is None
    assert search.ids_ahead(500) == 500
    assert search.most_visited(500) is None


def test_it_ends_where_all_were_looked_at_and_no_more_are_found() -> None:
    search = SearchById()
    assert len(search.found(answer("a", "b"), 2, None)) == 2
    assert (search.after, search.ended) == ("b", False)
    assert search.found(answer(), 2, None) == []
    assert search.ended


def test_it_goes_on_behind_the_ids_it_looked_at_and_looks_at_more() -> None:
    search = SearchById()
    assert len(search.found(answer("a"), 2, "c")) == 1
    assert (search.after, search.ended) == ("c", False)
    assert search.ids_ahead(2) == 20
    assert search.found(answer(), 2, "d") == []
    assert search.ids_ahead(2) == 200


def test_ids_behind_the_last_one_to_look_at_are_for_the_next_page() -> None:
    search = SearchById()
    assert len(search.found(answer("a", "d"), 2, "c")) == 1
    assert search.after == "c"


def test_where_few_of_many_ids_match_it_looks_at_all_that_match() -> None:
    search = SearchById()
    while search.ids_ahead(2) != MOST_IDS:
        search.found(answer(), 2, "c")
        assert search.ids_ahead(2) is not None
    search.found(answer("d"), 2, "e")
    assert search.ids_ahead(2) is None
    assert search.clauses(None) == []
    assert search.most_visited(2) is None
    assert search.after == "e"
