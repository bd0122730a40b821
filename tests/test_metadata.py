"""Metadata is checked against what the index can hold, merged, and turned into filters."""

from collections import UserDict, deque
from types import MappingProxyType
from typing import Any

import pytest

from elasticsearch_chat_history._arguments import MAX_TERM_BYTES
from elasticsearch_chat_history._documents.metadata import (
    MAX_METADATA_DEPTH,
    checked_metadata,
    merged_metadata,
)
from elasticsearch_chat_history._queries.filters import metadata_filters


def test_metadata_is_copied_to_plain_json() -> None:
    inner = ["b", deque(["c"])]
    given = MappingProxyType({"a": UserDict({"b": (1, 2.5, None, True)}), "c": inner[:1]})
    checked = checked_metadata(given)
    assert checked == {"a": {"b": [1, 2.5, None, True]}, "c": ["b"]}
    assert checked is not None
    assert type(checked["a"]) is dict
    assert checked_metadata({}) is None
    assert checked_metadata(None) is None


def test_metadata_that_changes_later_stays_as_it_was_checked() -> None:
    given: dict[str, Any] = {"a": {"b": [1]}}
    checked = checked_metadata(given)
    given["a"]["b"].append(object())
    given["c"] = object()
    assert checked == {"a": {"b": [1]}}


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {"a": 1}


@pytest.mark.parametrize(
    "metadata",
    [
        {"": 1},
        {1: 1},
        {"\0": 1},
        {"\ud800": 1},
        {"a": "\ud800"},
        {"a": b"b"},
        {"a": {1, 2}},
        {"a": [object()]},
        {"a": float("nan")},
        {"a": [float("inf")]},
        {"a": "b" * MAX_TERM_BYTES},
        {"a": {"b": "c" * (MAX_TERM_BYTES - 3)}},
        nested(MAX_METADATA_DEPTH),
    ],
)
def test_metadata_that_the_index_cannot_hold_is_refused(metadata: Any) -> None:
    with pytest.raises(ValueError, match="metadata"):
        checked_metadata(metadata)


def test_metadata_up_to_the_limits_is_taken() -> None:
    assert checked_metadata(nested(MAX_METADATA_DEPTH - 1))
    assert checked_metadata({"a": {"b": "c" * (MAX_TERM_BYTES - 4)}})


def test_the_special_goes_before_the_general() -> None:
    assert merged_metadata({"a": 1, "b": 1}, {"b": 2}) == {"a": 1, "b": 2}
    assert merged_metadata(None, {"b": 2}) == {"b": 2}
    assert merged_metadata({"a": 1}, None) == {"a": 1}
    assert merged_metadata(None, None) is None
    assert merged_metadata({}, {}) is None


@pytest.mark.parametrize(
    ("metadata", "clauses"),
    [
        (None, []),
        ({}, []),
        ({"a": "b"}, [{"terms": {"metadata.a": ["b"]}}]),
        ({"a": ["b", "c"]}, [{"terms": {"metadata.a": ["b", "c"]}}]),
        ({"a": {"b": {"c": "d"}}}, [{"terms": {"metadata.a.b.c": ["d"]}}]),
        ({"a": [5, 1.0, True]}, [{"terms": {"metadata.a": ["5", "1.0", "true"]}}]),
        ({"a": None}, [{"bool": {"must_not": {"exists": {"field": "metadata.a"}}}}]),
        (
            {"a": ["b", None]},
            [
                {
                    "bool": {
                        "should": [
                            {"terms": {"metadata.a": ["b"]}},
                            {"bool": {"must_not": {"exists": {"field": "metadata.a"}}}},
                        ]
                    }
                }
            ],
        ),
    ],
)
def test_metadata_becomes_one_clause_for_each_key(metadata: Any, clauses: Any) -> None:
    assert metadata_filters(metadata) == clauses


@pytest.mark.parametrize("metadata", [{"a": []}, {"a": {}}, {"a": [["b"]]}, {"a": [{"b": "c"}]}])
def test_a_filter_that_would_find_nothing_or_everything_by_mistake_is_refused(
    metadata: Any,
) -> None:
    with pytest.raises(ValueError, match=r"metadata\.a"):
        metadata_filters(metadata)
