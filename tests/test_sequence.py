"""Messages without `seq` get one that leaves their order as it is."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticsearch_chat_history._documents.clock import SPACING
from elasticsearch_chat_history._documents.sequence import (
    SequenceFiller,
    seq_of,
    seqs_of_call,
    seqs_of_run,
)

MISSING = -(2**63)


def hit(time: int, seq: int | None) -> dict[str, Any]:
    return {"sort": [str(time), MISSING if seq is None else seq, 1]}


def filled(pages: Sequence[Sequence[dict[str, Any]]]) -> list[tuple[int, int]]:
    """Return time and `seq` of all hits, in the order in which they become certain."""
    filler = SequenceFiller()
    completed = [one for page in pages for one in filler.completed(page)]
    return [(int(one["sort"][0]), seq) for one, seq in [*completed, *filler.rest()]]


def test_values_begin_with_the_millisecond() -> None:
    assert list(seqs_of_run(5, 3)) == [5_000, 5_001, 5_002]
    assert list(seqs_of_run(5, 3, 5_003)) == [5_000, 5_001, 5_002]


def test_values_lie_before_those_that_are_taken() -> None:
    assert list(seqs_of_run(5, 3, 5_002)) == [4_999, 5_000, 5_001]
    assert list(seqs_of_run(5, 1, 4_000)) == [3_999]


@pytest.mark.parametrize(("sort", "seq"), [(MISSING, None), (None, None), (7, 7)])
def test_a_missing_value_is_known(sort: int | None, seq: int | None) -> None:
    assert seq_of({"sort": ["5", sort, 1]}) == seq


def test_a_run_waits_for_the_page_that_ends_it() -> None:
    filler = SequenceFiller()
    assert list(filler.completed([hit(5, None), hit(5, None)])) == []
    assert [seq for _, seq in filler.completed([hit(5, 5_001), hit(6, None)])] == [
        4_999,
        5_000,
        5_001,
    ]
    assert [seq for _, seq in filler.rest()] == [6_000]
    assert list(filler.rest()) == []


@given(
    st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(0, 999))),
    st.integers(1, 5),
)
def test_the_order_stays_as_it_is(messages: list[tuple[int, int | None]], page: int) -> None:
    in_order = sorted(
        {(time, None if micro is None else time * 1000 + micro) for time, micro in messages},
        key=lambda one: (one[0], MISSING if one[1] is None else one[1]),
    )
    hits = [hit(time, seq) for time, seq in in_order for _ in range(3 if seq is None else 1)]
    found = filled([hits[at : at + page] for at in range(0, len(hits), page)])
    assert [time for time, _ in found] == [int(one["sort"][0]) for one in hits]
    assert found == sorted(set(found))
    assert {seq for _, seq in in_order if seq is not None} <= {seq for _, seq in found}


@given(
    begins=st.lists(st.integers(1, 10**16), min_size=1, max_size=3),
    attempts=st.lists(st.integers(0, 2), min_size=1, max_size=10),
)
def test_a_call_of_several_attempts_is_put_where_the_earliest_began(
    begins: list[int], attempts: list[int]
) -> None:
    used = [begins[attempt % len(begins)] for attempt in attempts]
    found = {position: begin + position * SPACING for position, begin in enumerate(used)}
    moved = {**found, **seqs_of_call(found)}
    assert moved == {position: min(used) + position * SPACING for position in found}
    assert seqs_of_call(moved) == {}


def test_what_is_missing_of_a_call_keeps_its_place() -> None:
    assert seqs_of_call({1: 10_000, 3: 12_000}) == {}
    assert seqs_of_call({1: 10_000, 3: 50_000}) == {3: 12_000}
