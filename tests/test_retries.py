"""What is tried again, how long after, and for how long."""

import pytest
from elasticsearch import ConnectionError as EsConnectionError
from elasticsearch import ConnectionTimeout, SSLError

from elasticsearch_chat_history._requests.failures import is_retriable
from elasticsearch_chat_history._requests.retries import (
    FIRST_CONTACT_SECONDS,
    LONGEST_DELAY,
    UNAUTHORIZED_SECONDS,
    RetryBudget,
    delay_before,
    jittered,
)
from tests.support.api_errors import refusal


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_or_absent_server_is_asked_again(status: int) -> None:
    assert is_retriable(refusal("x", status))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500])
def test_a_refusal_is_final(status: int) -> None:
    assert not is_retriable(refusal("x", status))


def test_a_failed_connection_is_made_again_unless_it_is_not_trusted() -> None:
    assert is_retriable(EsConnectionError("away"))
    assert is_retriable(ConnectionTimeout("slow"))
    assert not is_retriable(SSLError("unknown certificate"))
    assert not is_retriable(KeyError())


def test_delays_double_up_to_the_longest() -> None:
    delays = [delay_before(attempt) for attempt in range(1, 11)]
    assert delays[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert delays[-1] == LONGEST_DELAY
    assert delay_before(10**6) == LONGEST_DELAY
    assert 25 <= sum(delays) <= 35


def test_jitter_leaves_at_least_half() -> None:
    delays = {jittered(1.0) for _ in range(100)}
    assert all(0.5 <= delay <= 1.0 for delay in delays)
    assert len(delays) > 1


def test_a_budget_ends_after_its_retries() -> None:
    budget = RetryBudget(3, now=lambda: 0.0)
    delays = [budget.delay(reached=True) for _ in range(5)]
    assert [delay is None for delay in delays] == [False, False, False, True, True]


def test_credentials_that_were_accepted_before_are_tried_for_a_while() -> None:
    times = iter([0.0, 1.0, 1.0, 5.0, 5.0, 1.0 + UNAUTHORIZED_SECONDS])
    budget = RetryBudget(10, now=lambda: next(times))
    assert budget.delay(reached=True, unauthorized=True) is not None
    assert budget.delay(reached=True, unauthorized=True) is not None
    assert budget.delay(reached=True, unauthorized=True) is None


def test_no_retries_means_none() -> None:
    assert RetryBudget(0, now=lambda: 0.0).delay(reached=True) is None


def test_a_budget_ends_when_its_time_is_used_up() -> None:
    times = iter([0.0, 10.0, 29.0, 60.0])
    budget = RetryBudget(10, now=lambda: next(times))
    assert budget.delay(reached=True) is not None
    assert budget.delay(reached=True) is not None
    assert budget.delay(reached=True) is None


def test_a_server_that_never_answered_is_given_up_sooner() -> None:
    times = iter([0.0, FIRST_CONTACT_SECONDS, FIRST_CONTACT_SECONDS])
    budget = RetryBudget(10, now=lambda: next(times))
    assert budget.delay(reached=False) is None
    assert budget.delay(reached=True) is not None
