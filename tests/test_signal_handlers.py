"""A signal handler that stores a message while its own thread is in a call."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import ElasticsearchChatMessageHistory
from elasticsearch_chat_history._documents.clock import HybridLogicalClock
from tests.support.client_requests import Request, before_each

pytestmark = pytest.mark.faults

HANG_SECONDS = 30


class HangError(Exception):
    """A call did not return."""


@pytest.fixture
def handler() -> Iterator[Callable[[Callable[[], Any]], None]]:
    """A function that sets what the handler of a signal does, and ends a call that hangs."""

    def hang(*_: object) -> None:
        raise HangError

    usual = signal.getsignal(signal.SIGUSR1), signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANG_SECONDS)

    def handle(act: Callable[[], Any]) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: act())

    yield handle
    signal.alarm(0)
    signal.signal(signal.SIGUSR1, usual[0])
    signal.signal(signal.SIGALRM, usual[1])


@pytest.mark.parametrize("endpoint", ["_field_caps", "_bulk"])
def test_a_handler_stores_a_message_while_its_thread_writes(
    index: str,
    client: Elasticsearch,
    handler: Callable[[Callable[[], Any]], None],
    endpoint: str,
) -> None:
    history = ElasticsearchChatMessageHistory(index, "s", client=client)
    interrupted: list[str] = []

    def interrupt(request: Request) -> None:
        if request.endpoint == endpoint and not interrupted:
            interrupted.append(endpoint)
            signal.raise_signal(signal.SIGUSR1)

    before_each(client, interrupt)
    handler(lambda: history.add_message(HumanMessage("stopped")))
    history.add_messages([HumanMessage("one"), HumanMessage("two")])
    assert interrupted == [endpoint]
    history.add_message(HumanMessage("three"))
    texts = [message.text for message in history.messages]
    assert sorted(texts) == ["one", "stopped", "three", "two"]
    assert [text for text in texts if text != "stopped"] == ["one", "two", "three"]


def test_a_handler_gets_other_values_of_the_clock_than_its_thread(
    handler: Callable[[Callable[[], Any]], None],
) -> None:
    values: list[int] = []
    signals = iter([True])

    def now() -> int:
        if next(signals, False):
            signal.raise_signal(signal.SIGUSR1)
        return 1_700_000_000_000_000

    clock = HybridLogicalClock(now)
    handler(lambda: values.extend(clock.tick("s", 3)))
    values.extend(clock.tick("s", 3))
    assert len(set(values)) == 6
