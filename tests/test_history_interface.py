"""All that LangChain's histories have is there, with and without LangChain's class."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)
from local_elasticsearch import LocalElasticsearch, RunningElasticsearch
from tests.support.messages import numbered, texts

CLASSES = (AsyncElasticsearchChatMessageHistory, ElasticsearchChatMessageHistory)
TESTS = Path(__file__).parent
WITHOUT_THE_CLASS = """
import sys
sys.modules["langchain_core.chat_history"] = None  # so that it cannot be imported
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("history_class", CLASSES)
def test_a_history_is_one_of_langchain_and_not_shown_as_deprecated(history_class: type) -> None:
    chat_history = pytest.importorskip("langchain_core.chat_history")
    assert issubclass(history_class, chat_history.BaseChatMessageHistory)
    assert not hasattr(history_class, "__deprecated__")


@pytest.mark.parametrize("history_class", CLASSES)
def test_a_history_has_all_methods_of_the_class_by_itself(history_class: type) -> None:
    chat_history = pytest.importorskip("langchain_core.chat_history")
    public = {name for name in vars(chat_history.BaseChatMessageHistory) if name[0] != "_"}
    ours = {name for one in history_class.__mro__[:-1] for name in vars(one)}
    assert {*public, "messages", "__str__"} <= ours


@pytest.mark.heavy
def test_the_histories_work_without_the_class_of_langchain(
    server: RunningElasticsearch | LocalElasticsearch,
) -> None:
    names = ("test_adding.py", "test_reading.py", "test_removing.py", "test_replacing.py")
    files = [str(TESTS / twin / name) for twin in ("_async", "_sync") for name in names]
    options = ("-q", "-W", "error", "-p", "no:cacheprovider", "-k", "not without_the_class")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_THE_CLASS, *options, __file__, *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=TESTS.parent,
        env={**os.environ, **server.environment},
    )
    assert run.returncode == 0, run.stdout[-3_000:] + run.stderr[-3_000:]
    assert " passed" in run.stdout


async def test_the_asynchronous_methods_of_the_synchronous_class_work(
    history: ElasticsearchChatMessageHistory,
) -> None:
    for _ in range(2):
        await history.aadd_messages(numbered(2), idempotency_key="k", metadata={"user": "u1"})
    assert texts(await history.aget_messages()) == ["0", "1"]
    assert texts(await history.aget_messages(limit=1)) == ["1"]
    assert [stored.metadata for stored in history.iter_messages()] == [{"user": "u1"}] * 2
    await history.aclear()
    assert await history.aget_messages() == []


def test_the_methods_for_users_and_models_work(
    history: ElasticsearchChatMessageHistory,
) -> None:
    history.add_user_message("What?")
    history.add_ai_message("That.")
    history.add_ai_message(AIMessage("And that."))
    history.add_message(HumanMessage("Thanks."))
    assert texts(history.messages) == ["What?", "That.", "And that.", "Thanks."]
    assert str(history) == "Human: What?\nAI: That.\nAI: And that.\nHuman: Thanks."


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda history: history.messages, "await history.aget_messages()"),
        (lambda history: history.add_message(HumanMessage("a")), "await history.aadd_message()"),
        (lambda history: history.add_messages(numbered(1)), "await history.aadd_messages()"),
        (lambda history: history.add_user_message("a"), "aadd_message(HumanMessage(...))"),
        (lambda history: history.add_ai_message("a"), "aadd_message(AIMessage(...))"),
        (lambda history: history.clear(), "await history.aclear()"),
    ],
    ids=["messages", "add_message", "add_messages", "add_user", "add_ai", "clear"],
)
async def test_the_synchronous_members_of_the_asynchronous_class_name_what_to_await(
    async_history: AsyncElasticsearchChatMessageHistory,
    call: Callable[[AsyncElasticsearchChatMessageHistory], object],
    instead: str,
) -> None:
    with pytest.raises(NotImplementedError) as caught:
        call(async_history)
    assert instead in str(caught.value)
    assert "ElasticsearchChatMessageHistory" in str(caught.value)
    assert await async_history.aget_messages() == []


async def test_the_asynchronous_class_describes_itself(
    async_client: AsyncElasticsearch,
) -> None:
    history = AsyncElasticsearchChatMessageHistory("chats", "s", client=async_client)
    shown = "AsyncElasticsearchChatMessageHistory(index='chats', session_id='s')"
    assert str(history) == repr(history) == shown


def test_the_synchronous_class_describes_itself(client: Elasticsearch) -> None:
    history = ElasticsearchChatMessageHistory("chats", "s", client=client)
    assert repr(history) == "ElasticsearchChatMessageHistory(index='chats', session_id='s')"


def test_a_client_of_the_other_kind_is_refused(
    client: Elasticsearch, async_client: AsyncElasticsearch
) -> None:
    wrong: Any = client
    with pytest.raises(TypeError, match=r"AsyncElasticsearch, but .*without 'Async'"):
        AsyncElasticsearchChatMessageHistory("chats", "s", client=wrong)
    wrong = async_client
    with pytest.raises(TypeError, match=r"elasticsearch.Elasticsearch, but .*with 'Async'"):
        ElasticsearchChatMessageHistory("chats", "s", es_connection=wrong)


async def test_both_classes_read_what_the_other_wrote(
    history: ElasticsearchChatMessageHistory,
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    written: list[BaseMessage] = []
    for number in range(3):
        pair: list[BaseMessage] = [HumanMessage(f"{number}?"), AIMessage(f"{number}!")]
        history.add_message(pair[0])
        await async_history.aadd_message(pair[1])
        written += pair
    assert history.messages == await async_history.aget_messages() == written
