"""The clock that puts messages into their order."""

import itertools
import threading

from hypothesis import given
from hypothesis import strategies as st

from elasticsearch_chat_history._documents.clock import (
    MAX_DRIFT,
    MAX_RUN_AHEAD,
    SPACING,
    HybridLogicalClock,
    Ticks,
    system_microseconds,
)

NOW = 1_700_000_000_000_000


def stopped(time: int = NOW, **options: int) -> HybridLogicalClock:
    return HybridLogicalClock(lambda: time, **options)


def test_it_follows_the_system_clock() -> None:
    times = iter([NOW, NOW + 5_000, NOW + 9_000])
    clock = HybridLogicalClock(lambda: next(times))
    assert [*clock.tick("s"), *clock.tick("s"), *clock.tick("t")] == [
        NOW,
        NOW + 5_000,
        NOW + 9_000,
    ]


def test_messages_of_a_session_are_a_millisecond_apart() -> None:
    clock = stopped()
    assert list(clock.tick("s", 2)) == [NOW, NOW + SPACING]
    assert list(clock.tick("s")) == [NOW + 2 * SPACING]


def test_a_session_does_not_push_the_others_ahead() -> None:
    clock = stopped()
    clock.tick("s", 1000)
    assert clock.tick("t")[0] == NOW + 1


def test_sessions_never_share_a_value() -> None:
    clock = stopped()
    values = [value for number in range(300) for value in clock.tick(number, 1 + number % 9)]
    assert len(set(values)) == len(values)


def test_so_many_messages_at_once_do_not_run_ahead_without_end() -> None:
    clock = stopped()
    clock.tick("s", 2 * MAX_RUN_AHEAD // SPACING)
    last = clock.tick("s", 100_000)[-1]
    assert list(clock.tick("s", 2)) == [last + 1, last + 2]
    assert last < NOW + 3 * MAX_RUN_AHEAD


def test_sessions_that_the_time_has_caught_up_with_are_forgotten() -> None:
    times = itertools.count(NOW, 10 * SPACING)
    clock = HybridLogicalClock(lambda: next(times))
    for number in range(100):
        clock.tick(number, 2)
    assert len(clock._last_of_session) < 5


def test_it_goes_on_when_the_system_clock_steps_back() -> None:
    times = itertools.count(NOW, -3_600_000_000)
    clock = HybridLogicalClock(lambda: next(times))
    assert [clock.tick("s")[0] for _ in range(4)] == [NOW, NOW + 1, NOW + 2, NOW + 3]
    assert clock.tick("t")[0] > NOW


def test_it_goes_past_what_was_read() -> None:
    clock = stopped()
    clock.observe("s", NOW + 1_000)
    assert clock.tick("s")[0] == NOW + 1_001
    clock.observe("s", NOW)
    assert clock.tick("s")[0] == NOW + 1_001 + SPACING


def test_what_is_a_little_ahead_moves_all_sessions() -> None:
    clock = stopped()
    clock.observe("s", NOW + MAX_DRIFT)
    assert clock.tick("t")[0] == NOW + MAX_DRIFT + 1


def test_what_is_far_ahead_moves_its_own_session_only() -> None:
    clock = stopped()
    ahead = NOW + 9 * MAX_RUN_AHEAD
    clock.observe("s", ahead)
    assert list(clock.tick("s", 2)) == [ahead + 1, ahead + 2]
    assert clock.tick("t")[0] < NOW + SPACING
    assert clock.tick("s")[0] == ahead + 3


def test_a_session_ahead_joins_the_others_when_they_have_caught_up() -> None:
    times = iter([NOW, NOW + 2 * MAX_DRIFT, NOW])
    clock = HybridLogicalClock(lambda: next(times))
    clock.observe("s", NOW + MAX_DRIFT + 1)
    assert clock.tick("s")[0] == NOW + 2 * MAX_DRIFT
    assert clock.tick("s")[0] == NOW + 2 * MAX_DRIFT + SPACING


def test_an_older_value_from_far_ahead_changes_nothing() -> None:
    clock = stopped()
    clock.observe("s", NOW + 9 * MAX_RUN_AHEAD)
    clock.observe("s", NOW + 5 * MAX_RUN_AHEAD)
    assert clock.tick("s")[0] == NOW + 9 * MAX_RUN_AHEAD + 1


def test_the_session_ahead_that_was_not_used_for_longest_is_forgotten() -> None:
    clock = stopped(max_sessions=2)
    ahead = NOW + 2 * MAX_RUN_AHEAD
    clock.observe("a", ahead)
    clock.observe("b", ahead)
    clock.tick("a")
    clock.observe("c", ahead)
    assert clock.tick("a")[0] == ahead + 2
    assert clock.tick("b")[0] < NOW + SPACING


def test_threads_never_get_the_same_value() -> None:
    clock = stopped()
    given_out: list[int] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(500):
            given_out.extend(clock.tick("s", 3))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given_out)) == len(given_out) == 8 * 500 * 3


def test_with_too_many_calls_ahead_sessions_may_share_values_but_go_on() -> None:
    clock = stopped()
    for number in range(SPACING + 1):
        clock.tick(number, 2 * SPACING)
    assert clock.tick("s")[0] < clock.tick("s")[0]


def test_what_was_read_counts_for_a_session_ahead_when_the_system_clock_steps_back() -> None:
    times = iter([NOW, NOW, NOW - 2 * MAX_RUN_AHEAD])
    clock = HybridLogicalClock(lambda: next(times))
    clock.tick("s")
    clock.observe("s", NOW + 5)
    assert clock.tick("s")[0] > NOW + 5


Step = tuple[str, str, int]
steps: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(["tick", "observe"]), st.sampled_from("st"), st.integers(-(10**8), 10**8)
)


@given(st.lists(steps, max_size=30))
def test_whatever_happens_a_session_only_moves_on(taken: list[Step]) -> None:
    time = NOW
    clock = HybridLogicalClock(lambda: time)
    past = {"s": 0, "t": 0}
    for what, session, number in taken:
        if what == "observe":
            clock.observe(session, NOW + number)
            past[session] = max(past[session], NOW + number)
        else:
            time += number
            values = clock.tick(session, 1 + abs(number) % 3)
            assert list(values) == sorted(set(values))
            assert all(value > past[session] for value in values)
            past[session] = max([past[session], *values])


def test_the_system_gives_microseconds() -> None:
    assert system_microseconds() > NOW


def test_the_same_call_at_the_same_time_has_the_same_values() -> None:
    clock = HybridLogicalClock()
    first = clock.ticks_of_call("s", "k", 3)
    assert clock.ticks_of_call("s", "k", 3) is first
    others = [
        clock.ticks_of_call("s", "l", 3),
        clock.ticks_of_call("t", "k", 3),
        clock.ticks_of_call("s", None, 3),
        clock.ticks_of_call("s", None, 3),
    ]
    assert len({one.values for one in [first, *others]}) == 5
    values = first.values
    del first
    assert clock.ticks_of_call("s", "k", 3).values[0] > values[-1]


def test_threads_that_make_the_same_call_at_once_have_the_same_values() -> None:
    clock = HybridLogicalClock()
    barrier = threading.Barrier(8)
    found: list[Ticks] = []

    def call() -> None:
        barrier.wait()
        found.append(clock.ticks_of_call("s", "k", 2))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.values for one in found}) == 1
