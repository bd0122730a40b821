"""What a window of messages may open with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from elasticsearch_chat_history._queries.last_messages import without_leading_orphans

KINDS: dict[str, BaseMessage] = {
    "h": HumanMessage("h"),
    "a": AIMessage("a"),
    "c": AIMessage("c", tool_calls=[{"name": "f", "args": {}, "id": "1", "type": "tool_call"}]),
    "t": ToolMessage("t", tool_call_id="1"),
    "u": ToolMessage("u", tool_call_id="2"),
}


def window(kinds: str) -> str:
    found = without_leading_orphans([KINDS[kind] for kind in kinds])
    return "".join(str(message.content) for message in found)


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        ("", ""),
        ("h", "h"),
        ("hcta", "hcta"),
        ("cta", "cta"),
        ("ta", "a"),
        ("tua", "a"),  # results of parallel calls
        ("tu", ""),
        ("htua", "htua"),  # behind something else nothing is left out
        ("thct", "hct"),  # a later call with the same id is another call
    ],
)
def test_results_without_their_call_are_left_out_at_the_start(kinds: str, left: str) -> None:
    assert window(kinds) == left


@given(st.text("hactu"))
def test_only_leading_results_are_left_out(kinds: str) -> None:
    assert window(kinds) == kinds.lstrip("tu")
