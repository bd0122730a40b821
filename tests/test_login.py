"""How long credentials are tried again that the server refuses."""

import pytest
from elasticsearch import ConnectionTimeout, Elasticsearch

from elasticsearch_chat_history._requests.login import UNAUTHORIZED_SECONDS, Login
from elasticsearch_chat_history._requests.state import login_of
from tests.support.api_errors import refusal

REFUSED = refusal("security_exception", 401)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(clock: Clock) -> Login:
    """Credentials that were accepted, and are refused from second 100 on."""
    login = Login(now=clock)
    login.answered()
    assert not login.may_return()
    clock.now = 100.0
    login.answered(REFUSED)
    return login


def test_what_was_accepted_may_return_for_a_while(login: Login, clock: Clock) -> None:
    assert login.may_return()
    clock.now += UNAUTHORIZED_SECONDS - 1
    login.answered(REFUSED)
    assert login.may_return()
    clock.now += 1
    assert not login.may_return()


def test_each_further_refusal_is_final(login: Login, clock: Clock) -> None:
    for _ in range(3):
        clock.now += UNAUTHORIZED_SECONDS
        login.answered(REFUSED)
        assert not login.may_return()


@pytest.mark.parametrize("status", [None, 403, 404, 409])
def test_an_accepted_request_begins_anew(login: Login, clock: Clock, status: int | None) -> None:
    clock.now += UNAUTHORIZED_SECONDS
    login.answered(refusal("x", status) if status else None)
    login.answered(REFUSED)
    assert login.may_return()


@pytest.mark.parametrize("status", [400, 413, 429, 500, 502, 503, 504])
def test_an_answer_that_may_be_a_proxys_says_nothing(
    login: Login, clock: Clock, status: int
) -> None:
    clock.now += UNAUTHORIZED_SECONDS
    login.answered(refusal("x", status))
    login.answered(ConnectionTimeout("slow"))
    login.answered(REFUSED)
    assert not login.may_return()


def test_what_was_never_accepted_is_wrong(clock: Clock) -> None:
    login = Login(now=clock)
    login.answered(refusal("x", 502))
    login.answered(REFUSED)
    assert not login.may_return()


def test_each_client_has_credentials_of_its_own() -> None:
    client = Elasticsearch("http://localhost:9200")
    other = client.options(api_key="other")
    assert login_of(client) is login_of(client)
    assert login_of(client) is not login_of(other)
