"""Lists of sessions: positions, aggregations and summaries."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, message_to_dict

from elasticsearch_chat_history import SessionSummary, StoredMessage
from elasticsearch_chat_history._queries.selection import messages_only
from elasticsearch_chat_history._queries.session_lists import (
    behind,
    checked_after,
    keys_by_id,
    positions_of,
    recent_order,
    summaries_by_id,
    summaries_of,
    summary_of,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def listed(session_id: str, milliseconds: int) -> SessionSummary:
    at = EPOCH + timedelta(milliseconds=milliseconds)
    return SessionSummary(
        session_id, 1, at, at, StoredMessage("d", session_id, at, HumanMessage("Hello"), {})
    )


# In the order of Elasticsearch: newest first, then by the bytes of the ids.
HITS: list[dict[str, Any]] = [
    {"sort": [str(created_at), session_id, 7]}
    for created_at, session_id in [
        (1_700_000_000_002, "b"),
        (1_700_000_000_001, "A"),
        (1_700_000_000_001, "a"),
        (1_700_000_000_001, "aa"),
        (1_700_000_000_001, "\uffff"),
        (1_700_000_000_001, "🌍"),
        (1_700_000_000_000, "0"),
        (-5, "old"),
    ]
]


def test_a_page_begins_behind_the_last_session_of_the_one_before() -> None:
    positions = positions_of(HITS)
    assert positions == sorted(positions)
    assert behind(positions, None) == positions
    for number, hit in enumerate(HITS):
        created_at, session_id, _ = hit["sort"]
        here = listed(session_id, int(created_at))
        assert behind(positions, checked_after(here)) == positions[number + 1 :]


@pytest.mark.parametrize(
    ("session_id", "milliseconds", "passed"),
    [
        ("z", 1_700_000_000_003, 0),
        ("", 1_700_000_000_001, 1),
        ("a0", 1_700_000_000_001, 3),
        ("zz", 1_700_000_000_000, 7),
        ("z", -6, 8),
    ],
)
def test_a_page_begins_where_a_session_was_that_has_moved_or_gone(
    session_id: str, milliseconds: int, passed: int
) -> None:
    positions = positions_of(HITS)
    here = checked_after(listed(session_id, milliseconds))
    assert behind(positions, here) == positions[passed:]


def test_the_most_recent_come_by_time_and_then_by_id() -> None:
    time, session = recent_order()
    assert (time["created_at"]["order"], time["created_at"]["format"]) == ("desc", "epoch_millis")
    assert session == {"session_id": {"order": "asc"}}


def test_an_aggregation_by_id_goes_on_behind_a_key() -> None:
    first, next_ = keys_by_id(5, None), summaries_by_id(5, "s")
    assert "after" not in first["sessions"]["composite"]
    assert next_["sessions"]["composite"]["after"] == {"session_id": "s"}
    assert next_["sessions"]["composite"]["size"] == 5


def test_every_shard_is_asked_for_all_sessions_of_a_page() -> None:
    assert summaries_of(["a", "b"])["sessions"]["terms"]["size"] == 2


def test_filters_stay_in_the_query() -> None:
    clause = {"prefix": {"session_id": "a"}}
    assert clause in messages_only([clause])["bool"]["filter"]


@pytest.mark.parametrize("key", ["s", {"session_id": "s"}])
def test_a_summary_tells_what_the_answer_says(key: Any) -> None:
    history = json.dumps(message_to_dict(HumanMessage("Hello")))
    source = {"session_id": "s", "history": history, "metadata": {"user": "u1"}}
    hit = {"_id": "d", "_source": source, "sort": ["1700000000123", 1_700_000_000_123_004, 9]}
    bucket = {
        "key": key,
        "doc_count": 3,
        "first": {"hits": {"hits": [{**hit, "_id": "c", "sort": ["1699999999999", None, 2]}]}},
        "last": {"hits": {"hits": [hit]}},
    }
    first_at = EPOCH + timedelta(milliseconds=1_699_999_999_999)
    last_at = EPOCH + timedelta(milliseconds=1_700_000_000_123)
    summary = summary_of(bucket)
    assert checked_after(summary.cursor) == (-1_700_000_000_123, "s")
    assert summary == SessionSummary(
        "s",
        3,
        first_at,
        last_at,
        StoredMessage("d", "s", last_at, HumanMessage("Hello"), {"user": "u1"}),
        StoredMessage("c", "s", first_at, HumanMessage("Hello"), {"user": "u1"}),
        summary.cursor,
    )
