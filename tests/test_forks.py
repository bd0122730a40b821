"""Child processes that are forked while threads of the parent write."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import ElasticsearchChatMessageHistory
from tests.support.client_requests import Request, before_each
from tests.support.concurrency import Running, until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

HANG_SECONDS = 30


def in_child(act: Callable[[], Any]) -> int:
    """Run `act` in a forked child, and return its exit status; a child that hangs is killed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(HANG_SECONDS)
            act()
            status = 0
        except BaseException:  # noqa: BLE001  # a child must not go on with the parent's tests
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture(params=["inherited", "own"])
def in_a_child(
    request: pytest.FixtureRequest, client_arguments: dict[str, Any]
) -> Callable[[ElasticsearchChatMessageHistory, str], None]:
    """A function that adds a message in a child, with the inherited client or one of its own."""

    def add(history: ElasticsearchChatMessageHistory, text: str) -> None:
        if request.param == "own":
            own = Elasticsearch(**client_arguments)
            history = ElasticsearchChatMessageHistory(history._session.index.name, "s", client=own)
        history.add_message(HumanMessage(text))
        assert text in [message.text for message in history.messages]

    return add


@pytest.mark.parametrize("endpoint", ["_field_caps", "_bulk"])
def test_a_child_writes_that_was_forked_while_a_thread_writes(
    index: str,
    client: Elasticsearch,
    in_a_child: Callable[[ElasticsearchChatMessageHistory, str], None],
    endpoint: str,
) -> None:
    history = ElasticsearchChatMessageHistory(index, "s", client=client)
    parent = os.getpid()
    arrived, go_on = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if os.getpid() == parent and request.endpoint == endpoint and not arrived.is_set():
            arrived.set()
            assert go_on.wait(HANG_SECONDS)

    before_each(client, hold)
    with Running(lambda: history.add_message(HumanMessage("parent"))):
        until(arrived.is_set)
        try:
            assert in_child(lambda: in_a_child(history, "child")) == 0
        finally:
            go_on.set()
    assert sorted(message.text for message in history.messages) == ["child", "parent"]


def test_pre_forked_workers_share_no_connection(
    index: str,
    client: Elasticsearch,
    in_a_child: Callable[[ElasticsearchChatMessageHistory, str], None],
) -> None:
    history = ElasticsearchChatMessageHistory(index, "s", client=client)
    history.add_message(HumanMessage("parent"))

    def work(number: int) -> None:
        for turn in range(10):
            in_a_child(history, f"{number}.{turn}")

    with Running(*(lambda number=number: _checked(work, number) for number in range(4))):
        for turn in range(10):
            history.add_message(HumanMessage(f"parent.{turn}"))
    expected = {f"{worker}.{turn}" for worker in (*range(4), "parent") for turn in range(10)}
    assert {message.text for message in history.messages} == {"parent", *expected}


def test_processes_of_multiprocessing_write(
    index: str,
    client: Elasticsearch,
    in_a_child: Callable[[ElasticsearchChatMessageHistory, str], None],
) -> None:
    history = ElasticsearchChatMessageHistory(index, "s", client=client)
    history.add_message(HumanMessage("parent"))
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=in_a_child, args=(history, str(number)), daemon=True)
        for number in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(HANG_SECONDS)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(message.text for message in history.messages) == ["0", "1", "2", "parent"]


def _checked(work: Callable[[int], None], number: int) -> None:
    assert in_child(lambda: work(number)) == 0
