"""What one run has seen and not stored yet, and what a process remembers."""

from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)

from elasticsearch_chat_history._agents.runs import AgentRun, KnownMessages
from elasticsearch_chat_history._agents.settings import Place
from elasticsearch_chat_history._agents.windows import is_original, whole_steps
from tests.support.agents import calling


def human(message_id: str) -> HumanMessage:
    return HumanMessage(message_id, id=message_id)


def calls(message_id: str, *names: str) -> AIMessage:
    return calling(*names).model_copy(update={"id": message_id})


def result(number: int, message_id: str | None = None) -> ToolMessage:
    return ToolMessage("", tool_call_id=f"call-{number}", id=message_id)


def new_run(known: KnownMessages | None = None) -> AgentRun[None]:
    return AgentRun(None, "s", known or KnownMessages(), remembers=True, loads=True)


def test_results_are_pending_in_the_order_of_their_calls() -> None:
    run = new_run()
    state = [human("h"), calls("a", "x", "y")]
    assert not run.see_result(state, result(2, "r2"))
    assert list(run.pending()) == ["h", "a", "r2"]
    assert run.see_result(state, result(1, "r1"))
    assert list(run.pending()) == ["h", "a", "r1", "r2"]


def test_what_is_gone_from_the_state_is_pending_before_what_is_left() -> None:
    run = new_run()
    run.see([human("1"), human("2"), human("3")])
    run.see([human("3"), human("4")])
    assert list(run.pending()) == ["1", "2", "3", "4"]


def test_the_same_call_id_in_a_later_step_is_another_call() -> None:
    run = new_run()
    first = [calls("a", "x"), result(1, "r1")]
    run.see(first)
    run.stored(run.pending())
    second = [*first, calls("b", "x")]
    assert run.see_result(second, result(1, "r2"))
    run.stored(run.pending())
    run.see([*second, result(1, "another id")])
    assert not run.pending()


def test_a_result_of_no_call_waits_for_the_state() -> None:
    run = new_run()
    assert not run.see_result([human("h")], result(1))
    assert list(run.pending()) == ["h"]


def test_sessions_that_were_used_longest_ago_are_forgotten_first() -> None:
    known = KnownMessages(most=4)
    known.add("a", ["1", "2"])
    known.add("b", ["3"])
    known.add("a", ["1"])
    known.add("c", ["4", "5"])
    assert [known.of(name) for name in "abc"] == [{"1", "2"}, set(), {"4", "5"}]


def test_what_a_run_stores_is_known_to_the_next() -> None:
    known = KnownMessages()
    run = new_run(known)
    run.see([human("1")])
    run.stored(run.pending())
    following = new_run(known)
    following.see([human("1"), human("2")])
    assert list(following.pending()) == ["2"]


SUMMARY = "Here is a summary of the conversation to date:\n\nTea."


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([HumanMessage(SUMMARY), human("1")], False),
        ([HumanMessage(SUMMARY)], True),
        ([HumanMessage("x", additional_kwargs={"lc_source": "summarization"})], False),
        ([RemoveMessage("1")], False),
        ([human("1"), human("2")], True),
    ],
)
def test_a_summary_is_no_original(messages: list[BaseMessage], *, expected: bool) -> None:
    assert is_original(messages, 0) == expected


INVALID = AIMessage(
    "",
    invalid_tool_calls=[
        {"name": "x", "args": "{", "id": "call-1", "error": "", "type": "invalid_tool_call"}
    ],
)
OLD_CALL = AIMessage("", additional_kwargs={"function_call": {"name": "x", "arguments": ""}})
OLD_RESULT = FunctionMessage(content="", name="x")


@pytest.mark.parametrize(
    ("messages", "kept"),
    [
        ([result(1), human("h")], [1]),
        ([calls("a", "x", "y"), result(1), human("h")], [2]),
        ([calls("a", "x"), human("h"), result(1)], [0, 2, 1]),
        # A later call has the same id.
        ([calls("a", "x"), calls("b", "x"), result(1)], [1, 2]),
        ([calls("a", "x", "y"), result(2), result(1), result(1)], [0, 2, 1]),
        ([INVALID, human("h")], [1]),
        ([INVALID, result(1), human("h")], [0, 1, 2]),
        ([OLD_CALL, OLD_RESULT, human("h"), OLD_CALL], [0, 1, 2]),
        ([OLD_RESULT, human("h"), RemoveMessage("h")], [1]),
    ],
)
def test_a_window_has_whole_steps_only(messages: list[BaseMessage], kept: list[int]) -> None:
    found = whole_steps(messages)
    assert len(found) == len(kept)
    assert all(one is messages[position] for one, position in zip(found, kept, strict=True))


@pytest.mark.parametrize(
    ("messages", "is_kept"),
    [
        ([human("1")], False),
        ([human("1"), AIMessage("2", id="2"), human("3")], True),
        ([HumanMessage("x", additional_kwargs={"lc_source": "summarization"}), human("1")], True),
    ],
)
def test_a_graph_around_an_agent_may_keep_its_thread(
    messages: list[BaseMessage], *, is_kept: bool
) -> None:
    values: dict[str, Any] = {"__pregel_checkpointer": object(), "checkpoint_ns": "a:1|b:2"}
    assert Place.of({"configurable": values}).keeps(messages) == is_kept
    assert not Place.of({"configurable": {"checkpoint_ns": "b:2"}}).keeps(messages)
    assert Place.of({"configurable": {**values, "checkpoint_ns": "b:2"}}).keeps(messages)


def test_without_a_config_the_runtime_tells_the_thread() -> None:
    info = SimpleNamespace(thread_id="t", checkpoint_ns="a:1|b:2")
    runtime = SimpleNamespace(execution_info=info)
    assert Place.of(None, runtime) == Place("t", has_checkpointer=True, is_within=True)
    assert Place.of(None, SimpleNamespace()) == Place(None, has_checkpointer=True, is_within=False)
