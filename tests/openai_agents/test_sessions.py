"""What a session does with its items, apart from what they hold."""

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from agents import SessionSettings
from agents.memory import Session
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ChatHistoryError,
    ElasticsearchChatStore,
)
from elasticsearch_chat_history.openai_agents import ElasticsearchSession
from tests.support.client_requests import recorded
from tests.support.documents import BEGIN


def user(text: str, **more: Any) -> Any:
    return {"role": "user", "content": text, **more}


def assistant(text: str, **more: Any) -> Any:
    return {"role": "assistant", "content": text, **more}


def output(text: str) -> Any:
    return {"type": "function_call_output", "call_id": "c", "output": text}


def asked(text: str) -> Any:
    return {"type": "function_call", "call_id": "c", "name": "f", "arguments": text}


UNIQUE = "msg_68a1b2c3d4e5f60718293a4b5c6d7e8f"


def test_it_is_a_session_of_the_sdk(session: ElasticsearchSession) -> None:
    checked: Session = session
    assert isinstance(checked, Session)
    assert session.session_settings == SessionSettings()
    assert session.session_id in repr(session)


async def test_the_limit_is_exact(session_id: str, store: AsyncElasticsearchChatStore) -> None:
    settings = SessionSettings(limit=2)
    session = ElasticsearchSession(session_id, store, session_settings=settings)
    added = [user("a"), asked("{}"), output("b"), output("c"), assistant("d")]
    await session.add_items(added)
    for limit in range(1, 8):
        assert await session.get_items(limit) == added[-limit:]
    assert await session.get_items(0) == []
    assert await session.get_items(-1) == []
    assert await session.get_items() == added[-2:]
    session.session_settings = SessionSettings(limit=0)
    assert await session.get_items() == []
    session.session_settings = None
    assert await session.get_items() == added


async def test_the_history_size_of_a_store_is_not_that_of_its_sessions(
    session_id: str, shared_index: str, async_client: AsyncElasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client, history_size=1)
    session = ElasticsearchSession(session_id, store)
    await session.add_items([user("a"), assistant("b")])
    assert await session.get_items() == [user("a"), assistant("b")]


async def test_an_empty_session(session: ElasticsearchSession) -> None:
    assert await session.get_items() == []
    assert await session.get_items(limit=3) == []
    assert await session.pop_item() is None
    await session.clear_session()
    await session.add_items([])
    assert await session.get_items() == []


async def test_a_session_on_an_index_that_does_not_exist(
    index: str, async_client: AsyncElasticsearch
) -> None:
    session = ElasticsearchSession("s", AsyncElasticsearchChatStore(index, client=async_client))
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.add_items([user("a")])
    assert await session.get_items() == [user("a")]


async def test_concurrent_pops_never_return_the_same(session: ElasticsearchSession) -> None:
    await session.add_items([user("q"), *(output(str(number)) for number in range(9))])
    popped = await asyncio.gather(*(session.pop_item() for _ in range(12)))
    found = [json.dumps(item) for item in popped if item is not None]
    assert sorted(found) == sorted(
        json.dumps(item) for item in [user("q"), *(output(str(number)) for number in range(9))]
    )
    assert await session.get_items() == []


async def test_the_session_is_cleared(session: ElasticsearchSession) -> None:
    await session.add_items([user("a"), assistant("b", id=UNIQUE)])
    await session.clear_session()
    assert await session.get_items() == []
    # What is gone is no repetition.
    await session.add_items([user("a"), assistant("b", id=UNIQUE)])
    assert len(await session.get_items()) == 2


@pytest.mark.parametrize(
    ("there", "added", "stored"),
    [
        pytest.param([user("a")], [user("a")], False, id="unanswered"),
        pytest.param([assistant("b"), user("a")], [user("a")], False, id="unanswered-later"),
        pytest.param([user("a"), assistant("b")], [user("a")], True, id="answered"),
        pytest.param([user("a"), assistant("")], [user("a")], True, id="answered-with-nothing"),
        pytest.param([user("a"), user("b")], [user("a")], True, id="another-one-in-between"),
        pytest.param([user("a")], [user("A")], True, id="other-words"),
        pytest.param([user("a")], [user("a", name="x")], True, id="other-fields"),
        pytest.param([user("a", n=1)], [user("a", n=1.0)], True, id="other-number"),
        pytest.param([user("a")], [user("a"), user("a")], True, id="twice-in-one-call"),
        pytest.param([user("a"), user("a")], [user("a"), user("a")], False, id="both-again"),
        pytest.param([user("b"), user("a")], [user("b"), user("a")], False, id="list"),
        pytest.param([user("c"), user("a")], [user("b"), user("a")], True, id="other-list"),
        pytest.param([user("a"), asked("{}")], [user("a")], False, id="called"),
        pytest.param([user("a"), asked("{}"), output("b")], [user("a")], False, id="results"),
        pytest.param(
            [user("a"), assistant("Wait."), asked("{}")], [user("a")], False, id="preamble"
        ),
        pytest.param(
            [user("a"), *(output(str(n)) for n in range(250))], [user("a")], False, id="far"
        ),
        pytest.param(
            [user("b"), *(output(str(n)) for n in range(250))], [user("a")], True, id="far-other"
        ),
        pytest.param(
            [user("a"), assistant("b")], [user("a"), assistant("b")], False, id="with-an-answer"
        ),
        pytest.param([assistant("b")], [assistant("b")], True, id="answers"),
        pytest.param([output("b")], [output("b")], True, id="outputs"),
        pytest.param(
            [assistant("b", id=UNIQUE), user("c")], [assistant("b", id=UNIQUE)], False, id="id"
        ),
        pytest.param(
            [assistant("b", id=UNIQUE)], [assistant("c", id=UNIQUE)], True, id="id-changed"
        ),
        pytest.param(
            [assistant("b", id="__fake_id__")],
            [assistant("b", id="__fake_id__")],
            True,
            id="id-of-many",
        ),
    ],
)
async def test_what_is_a_repetition(
    session: ElasticsearchSession, there: list[Any], added: list[Any], stored: bool
) -> None:
    await session.add_items(there)
    await session.add_items(added)
    assert await session.get_items() == there + (added if stored else [])


async def test_a_question_that_a_history_has_stored_is_the_same_question(
    session: ElasticsearchSession, store: AsyncElasticsearchChatStore
) -> None:
    history = store.session(session.session_id)
    await history.aadd_messages([HumanMessage("a")])
    await session.add_items([user("a")])
    assert await session.get_items() == [user("a")]
    await history.aadd_messages([AIMessage("b")])
    await session.add_items([user("a")])
    assert await session.get_items() == [user("a"), assistant("b"), user("a")]


async def test_the_same_item_twice_in_one_call_is_meant(session: ElasticsearchSession) -> None:
    added = [assistant("b", id=UNIQUE), assistant("b", id=UNIQUE), output("c"), output("c")]
    await session.add_items(added)
    assert await session.get_items() == added


async def test_calls_that_repeat_an_input_at_once_store_it_once(
    session: ElasticsearchSession,
) -> None:
    await asyncio.gather(*(session.add_items([user("a"), user("b")]) for _ in range(8)))
    assert await session.get_items() == [user("a"), user("b")]


async def test_an_input_whose_first_message_has_expired_is_stored_again(
    session_id: str, shared_index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    whole = AsyncElasticsearchChatStore(shared_index, client=async_client)
    await ElasticsearchSession(session_id, whole).add_items([user("a")])
    (stored,) = await whole.session(session_id).aget_stored_messages()
    earlier = {"created_at": BEGIN, "seq": BEGIN * 1_000}
    admin.update(index=shared_index, id=stored.id, doc=earlier, refresh=True)
    hiding = AsyncElasticsearchChatStore(shared_index, client=async_client, ttl=timedelta(days=1))
    await ElasticsearchSession(session_id, hiding).add_items([user("a")])
    assert await ElasticsearchSession(session_id, whole).get_items() == [user("a")] * 2


@pytest.mark.parametrize("refresh", [True, False, "wait_for"])
async def test_what_is_written_is_seen_by_the_next_call(
    session_id: str, shared_index: str, async_client: AsyncElasticsearch, refresh: Any
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client, refresh=refresh)
    session = ElasticsearchSession(session_id, store)
    await session.add_items([user("a")])
    await session.add_items([user("a")])
    await session.add_items([assistant("b")])
    assert await session.get_items() == [user("a"), assistant("b")]
    await session.pop_item()
    assert await session.get_items() == [user("a")]


async def test_a_scope_is_a_wall(session_id: str, store: AsyncElasticsearchChatStore) -> None:
    one, other = (
        ElasticsearchSession(session_id, store.scoped({"user": name})) for name in ("1", "2")
    )
    await one.add_items([user("a")])
    await other.add_items([user("a")])
    history = store.scoped({"user": "1"}).session(session_id)
    await history.aadd_messages(
        [AIMessage("b", tool_calls=[{"name": "f", "args": {}, "id": "c"}])],
        metadata={"label": "x"},
    )
    # What is left of the message stays within the wall, with its label.
    assert await one.pop_item() == asked("{}")
    assert await one.get_items() == [user("a"), assistant("b")]
    (_, left) = await history.aget_stored_messages()
    assert left.metadata == {"user": "1", "label": "x"}
    assert await other.get_items() == [user("a")]
    await other.clear_session()
    assert len(await one.get_items()) == 2


async def test_how_many_requests_a_turn_takes(
    session: ElasticsearchSession, async_client: AsyncElasticsearch
) -> None:
    await session.add_items([user("a"), assistant("b")])
    requests = recorded(async_client)
    await session.get_items(limit=50)
    assert [request.endpoint for request in requests] == ["_search"]
    await session.add_items([user("c")])
    assert [request.endpoint for request in requests[1:]] == ["_search", "_bulk"]
    await session.add_items([asked("{}"), output("d")])
    assert [request.endpoint for request in requests[3:]] == ["_bulk"]


async def test_wrong_arguments(
    store: AsyncElasticsearchChatStore, client: Elasticsearch, session: ElasticsearchSession
) -> None:
    wrong: Any = ElasticsearchChatStore("chats", client=client)
    with pytest.raises(TypeError, match="must be an AsyncElasticsearchChatStore"):
        ElasticsearchSession("s", wrong)
    for settings in ({"limit": 3}, 3):
        with pytest.raises(TypeError, match="session_settings must be a SessionSettings"):
            ElasticsearchSession("s", store, session_settings=settings)  # type: ignore[arg-type]
    for wrong_id in (None, 3, b"s"):
        with pytest.raises(TypeError, match="session_id"):
            ElasticsearchSession(wrong_id, store)  # type: ignore[arg-type]
    for empty in ("", "x" * 40_000):
        with pytest.raises(ValueError, match="session_id"):
            await ElasticsearchSession(empty, store).add_items([user("a")])
    for limit in ("3", True, 1.0):
        with pytest.raises(TypeError, match="limit must be an int"):
            await session.get_items(limit)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="items"):
        await session.add_items("Hello")  # type: ignore[arg-type]


async def test_a_session_of_a_closed_store_says_so(
    session: ElasticsearchSession, store: AsyncElasticsearchChatStore
) -> None:
    await store.aclose()
    for call in (session.get_items, session.pop_item, session.clear_session):
        with pytest.raises(ChatHistoryError, match="was closed"):
            await call()
    with pytest.raises(ChatHistoryError, match="was closed"):
        await session.add_items([])


PROGRAM = """
import sys
if sys.argv[1:]:
    # None there makes each import of it fail.
    sys.modules["agents"] = None
    import elasticsearch_chat_history.openai_agents
import elasticsearch_chat_history
print([name for name in ("agents", "openai") if name in sys.modules])
"""


def run_program(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False
    )


def test_the_package_imports_nothing_of_the_sdk() -> None:
    assert run_program().stdout == "[]\n"


def test_without_the_sdk_the_import_says_what_to_install() -> None:
    error = run_program("without").stderr
    assert 'pip install "elasticsearch-chat-history[openai-agents]"' in error
