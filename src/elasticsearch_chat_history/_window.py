"""The last k messages of a session, in a form that model providers accept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

if TYPE_CHECKING:
    from collections.abc import Sequence


def without_leading_orphans(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return `messages` without the tool results at the start whose call was cut off.

    Model providers reject a list that opens with the result of a call that is not in it.
    """
    called = {
        call["id"]
        for message in messages
        if isinstance(message, AIMessage)
        for call in (*message.tool_calls, *message.invalid_tool_calls)
    }
    for position, message in enumerate(messages):
        if not isinstance(message, ToolMessage) or message.tool_call_id in called:
            return list(messages[position:])
    return []
