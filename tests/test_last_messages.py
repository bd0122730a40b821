"""The search for the last messages of a long session."""

import random

import pytest

from elasticsearch_chat_history._queries import last_messages
from elasticsearch_chat_history._queries.last_messages import NewestSearch

NOW = 1_700_000_000_000
HOUR = 3_600_000


Message = tuple[int, str]
"""The time of a message, and its session."""


def searched(
    messages: list[Message], limit: int, since: int | None = None
) -> tuple[list[Message], int, int | None]:
    """Search as a shard does that keeps messages in this order.

    Returns:
        The sessions by their newest messages, how many were visited, and the start.
    """
    search = NewestSearch(limit, NOW, since)
    visited_in_all = 0
    while True:
        matching = [one for one in messages if search.since is None or one[0] >= search.since]
        visited = matching[: search.most_visited]
        stopped = search.most_visited is not None and len(matching) >= search.most_visited
        visited_in_all += len(visited)
        newest: dict[str, int] = {}
        for time, session in visited:
            newest[session] = max(time, newest.get(session, 0))
        found = sorted(((time, one) for one, time in newest.items()), reverse=True)[:limit]
        if search.finished([time for time, _ in found], stopped=stopped):
            return found, visited_in_all, search.since


def search(
    times: list[int], limit: int, since: int | None = None
) -> tuple[list[int], int, int | None]:
    """Search for messages, as for sessions of one message each; return times, visits and start."""
    messages = [(time, str(number)) for number, time in enumerate(times)]
    found, visited, start = searched(messages, limit, since)
    return [time for time, _ in found], visited, start


@pytest.fixture(autouse=True)
def few_visits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_messages, "MOST_VISITED", 100)


def test_a_short_session_takes_one_search() -> None:
    times = [NOW - 50 + number for number in range(50)]
    assert search(times, 20) == (times[:-21:-1], 50, None)


def test_a_session_shorter_than_the_limit_is_found_whole() -> None:
    assert search([NOW - 2, NOW - 1], 20)[0] == [NOW - 1, NOW - 2]


@pytest.mark.parametrize("gap", [1, 1000, HOUR])
@pytest.mark.parametrize("age", [0, HOUR, 1000 * HOUR])
def test_a_long_session_is_not_visited_whole(gap: int, age: int) -> None:
    times = [NOW - age - gap * number for number in range(10_000)][::-1]
    found, visited, _ = search(times, 20)
    assert found == times[:-21:-1]
    assert visited < 2_000


def test_one_burst_long_ago_is_found() -> None:
    times = sorted([NOW - 9000 * HOUR + number for number in range(5_000)])
    assert search(times, 20)[0] == times[:-21:-1]


def test_messages_of_one_millisecond_are_found() -> None:
    times = [NOW - HOUR] * 5_000
    assert search(times, 20)[0] == times[:20]


def test_messages_from_the_future_are_found() -> None:
    times = [NOW + number for number in range(5_000)]
    assert search(times, 20)[0] == times[:-21:-1]


def test_a_time_that_was_early_enough_before_takes_one_search() -> None:
    times = [NOW - 1000 * number for number in range(10_000)][::-1]
    assert search(times, 20, since=times[-30]) == (times[:-21:-1], 30, times[-30])


def test_a_time_after_which_messages_were_deleted_costs_a_new_search() -> None:
    times = [NOW - 1000 * number for number in range(10_000)][::-1]
    assert search(times[:-25], 20, since=times[-30])[0] == times[-26:-46:-1]


def test_messages_that_are_deleted_between_two_searches_end_it_too() -> None:
    times = [NOW - 1000 * number for number in range(10_000)][::-1]
    last = NewestSearch(20, NOW)
    assert not last.finished(times[80:100][::-1], stopped=True)
    searches = 0
    while not last.finished([] if last.since else times[9::-1], stopped=False):
        searches += 1
        assert searches < 100


def test_any_session_in_any_order_is_found() -> None:
    chance = random.Random(7)
    for _ in range(200):
        spread = 10 ** chance.randrange(1, 12)
        times = [NOW - chance.randrange(spread) for _ in range(chance.randrange(1, 2000))]
        limit = chance.randrange(1, 60)
        assert search(times, limit)[0] == sorted(times, reverse=True)[:limit]


def sessions(
    messages: list[Message], limit: int, since: int | None = None
) -> tuple[list[Message], int]:
    found, visited, _ = searched(messages, limit, since)
    return found, visited


def test_the_newest_sessions_are_found_without_visiting_all_messages() -> None:
    messages = [(NOW - 1000 * number, f"s{number // 4}") for number in range(20_000)][::-1]
    found, visited = sessions(messages, 20)
    assert found == [(NOW - 4_000 * number, f"s{number}") for number in range(20)]
    assert visited < 2_000
    assert sessions(messages, 20, since=found[-1][0]) == (found, 77)


def test_a_session_that_holds_the_newest_messages_hides_no_other() -> None:
    older = [(NOW - 1000 * number, f"s{number // 10}") for number in range(100, 20_000)]
    messages = [*older[::-1], *((NOW - 1000 * number, "long") for number in range(100))]
    found, visited = sessions(messages, 20)
    assert [session for _, session in found] == ["long", *(f"s{n}" for n in range(10, 29))]
    assert visited < 4_000


def test_the_newest_sessions_of_any_index_are_found() -> None:
    chance = random.Random(8)
    for _ in range(200):
        spread, names = 10 ** chance.randrange(1, 12), chance.randrange(1, 300)
        messages = [
            (NOW - chance.randrange(spread), f"s{chance.randrange(names)}")
            for _ in range(chance.randrange(1, 2000))
        ]
        limit = chance.randrange(1, 60)
        every = {session: time for time, session in sorted(messages)}
        newest = sorted(((time, session) for session, time in every.items()), reverse=True)
        found, _ = sessions(messages, limit)
        assert [time for time, _ in found] == [time for time, _ in newest[:limit]]
