"""The clauses of filters: what they let through, exactly."""

from datetime import datetime, timedelta, timezone

import pytest

from elasticsearch_chat_history._queries.filters import age_filters, checked_time, portions_of

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("milliseconds", [0, -1, 1_655_000_000_001, 1_700_000_000_123])
def test_a_time_of_whole_milliseconds_is_that_time(milliseconds: int) -> None:
    time = EPOCH + timedelta(milliseconds=milliseconds)
    assert checked_time("since", time) == milliseconds
    assert checked_time("since", time + timedelta(microseconds=1)) == milliseconds + 1
    assert checked_time("since", time - timedelta(microseconds=1)) == milliseconds


def test_no_time_is_off_by_what_a_float_rounds() -> None:
    for milliseconds in range(1_700_000_000_000, 1_700_000_002_000):
        time = EPOCH + timedelta(milliseconds=milliseconds)
        assert checked_time("until", time) == milliseconds


def test_a_bound_is_the_same_in_every_time_zone() -> None:
    time = datetime(2026, 1, 1, tzinfo=timezone.utc)
    elsewhere = time.astimezone(timezone(timedelta(hours=-7)))
    assert age_filters(time) == age_filters(elsewhere)


def test_ids_are_cut_into_portions_by_number_and_size() -> None:
    ids = [str(number) for number in range(7)]
    assert list(portions_of(ids, most=3)) == [ids[:3], ids[3:6], ids[6:]]
    assert list(portions_of(ids, most_bytes=2)) == [ids[:2], ids[2:4], ids[4:6], ids[6:]]
    assert list(portions_of(["ää", "b", "c"], most_bytes=3)) == [["ää"], ["b", "c"]]
    assert list(portions_of(["a", "b", "a"])) == [["a", "b"]]
    assert list(portions_of([])) == []
