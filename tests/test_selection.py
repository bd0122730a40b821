"""The searches, and what their answers say."""

import time
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import (
    ApiError,
    BadRequestError,
    NotFoundError,
)
from elasticsearch import ConnectionError as EsConnectionError

from elasticsearch_chat_history._documents.sequence import latest_place
from elasticsearch_chat_history._queries.selection import (
    MAX_ROUTING_LENGTH,
    routing_of,
    session_query,
    total_order,
)
from elasticsearch_chat_history._requests.failures import (
    is_lost_point_in_time,
    is_missing_index,
    is_refused_answer,
)
from tests.support.api_errors import refusal


def test_a_session_is_found_by_its_exact_id() -> None:
    assert session_query("a b") == {"bool": {"filter": [{"term": {"session_id": "a b"}}]}}


def test_ttl_bounds_the_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    _, bound = session_query("s", timedelta(hours=1))["bool"]["filter"]
    oldest = bound["range"]["created_at"]["gte"]
    assert before - 3_600_000 <= oldest <= time.time_ns() // 1_000_000 - 3_600_000


def test_newest_first_is_the_exact_reverse() -> None:
    ascending, descending = total_order(), total_order(newest_first=True)
    assert [next(iter(one)) for one in ascending] == ["created_at", "seq", "_seq_no"]
    for up, down in zip(ascending, descending, strict=True):
        (field,) = up
        assert down.keys() == {field}
        assert (up[field]["order"], down[field]["order"]) == ("asc", "desc")
    assert ascending[1]["seq"]["missing"] == "_first"
    assert descending[1]["seq"]["missing"] == "_last"


@pytest.mark.parametrize(
    ("sorts", "latest"),
    [
        ([], None),
        ([["1700000000000", 1_700_000_000_000_123, 0]], 1_700_000_000_000_123),
        ([[1_700_000_000_000, -(2**63), 0]], 1_700_000_000_000_000),
        ([[1_700_000_000_000, None, 0]], 1_700_000_000_000_000),
        ([[5, 5_001, 0], [6, 6_002, 0], [7, -(2**63), 0]], 7_000),
        ([[7, 7_003, 0], [6, 6_002, 0], [5, 5_001, 0]], 7_003),
    ],
)
def test_the_latest_of_some_hits_is_found(sorts: list[list[Any]], latest: int | None) -> None:
    assert latest_place([{"sort": values} for values in sorts]) == latest


def test_a_routing_value_is_the_session_id_where_it_fits() -> None:
    assert routing_of("s") == "s"
    assert routing_of("s" * MAX_ROUTING_LENGTH) == "s" * MAX_ROUTING_LENGTH
    for session_id in ("a,b", "s" * (MAX_ROUTING_LENGTH + 1)):
        assert len(routing_of(session_id)) == 64
        assert "," not in routing_of(session_id)
    assert routing_of("a,b") != routing_of("a,c")


def test_a_missing_index_is_told_from_other_errors() -> None:
    assert is_missing_index(refusal("index_not_found_exception", 404, of_class=NotFoundError))
    assert not is_missing_index(refusal("index_closed_exception", of_class=BadRequestError))
    assert not is_missing_index(refusal("resource_not_found_exception", 404))
    assert not is_missing_index(ApiError("x", refusal("x").meta, "<html>not found</html>"))
    assert not is_missing_index(ApiError("x", refusal("x").meta, {"error": "no handler"}))
    assert not is_missing_index(EsConnectionError("away"))


def test_what_a_smaller_page_may_mend_is_told_from_other_errors() -> None:
    tripped = refusal("search_phase_execution_exception", 429, cause="circuit_breaking_exception")
    assert is_refused_answer(tripped)
    cancelled = refusal("search_phase_execution_exception", cause="task_cancelled_exception")
    assert is_refused_answer(cancelled)
    assert not is_refused_answer(EsConnectionError("away"))
    assert not is_refused_answer(refusal("es_rejected_execution_exception", 429))


def test_a_lost_snapshot_is_told_from_other_errors() -> None:
    assert is_lost_point_in_time(
        refusal("search_phase_execution_exception", 404, cause="search_context_missing_exception")
    )
    assert not is_lost_point_in_time(refusal("index_not_found_exception", 404))
