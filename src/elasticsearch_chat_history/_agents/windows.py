"""What a model sees of earlier runs: only calls with all their results, and results with calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    ToolMessage,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from elasticsearch_chat_history._results import StoredMessage

RESULTS = (ToolMessage, FunctionMessage)
# LangChain marks its summaries so. Those of its older versions only begin so.
SUMMARY = ("lc_source", "summarization")
SUMMARY_BEGINNING = "Here is a summary of the conversation to date:\n\n"


def is_original(messages: Sequence[BaseMessage], position: int) -> bool:
    """Tell whether a message of a state was said by somebody, and is no summary or removal."""
    message = messages[position]
    key, value = SUMMARY
    if isinstance(message, RemoveMessage) or message.additional_kwargs.get(key) == value:
        return False
    summarised = (
        position == 0
        and len(messages) > 1
        and isinstance(message, HumanMessage)
        and isinstance(message.content, str)
        and message.content.startswith(SUMMARY_BEGINNING)
    )
    return not summarised


def call_ids(message: BaseMessage) -> list[str | None]:
    """Return the ids of the calls in a message, also of those that are no valid JSON."""
    if not isinstance(message, AIMessage):
        return []
    return [call["id"] for call in (*message.tool_calls, *message.invalid_tool_calls)]


def first_of(stored: Sequence[StoredMessage], ids: Collection[str]) -> int | None:
    """Return the position of the first stored message whose own id is one of `ids`."""
    for position, one in enumerate(stored):
        if one.message.id is not None and one.message.id in ids:
            return position
    return None


def whole_steps(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return messages so that each result follows its call, and each call has all its results.

    Model providers reject other lists. A run that failed, or two runs at once, leave some: what is
    not whole is left out, and results that others wrote between are moved to their call.
    """
    whole: list[BaseMessage] = []
    for position, message in enumerate(messages):
        if isinstance(message, (*RESULTS, RemoveMessage)):
            continue
        results = _results_of(messages, position)
        if results is not None:
            whole += [message, *results]
    return whole


def _results_of(messages: Sequence[BaseMessage], position: int) -> list[BaseMessage] | None:
    """Return the results of the calls in a message, none if it has no calls; None if one lacks."""
    message = messages[position]
    found: list[BaseMessage] = []
    for call_id in call_ids(message):
        result = _result_of(messages, position, call_id)
        if result is None:
            return None
        found.append(result)
    if isinstance(message, AIMessage) and message.additional_kwargs.get("function_call"):
        # The older form, with one call and no id.
        following = messages[position + 1 : position + 2]
        if not following or not isinstance(following[0], FunctionMessage):
            return None
        found.append(following[0])
    return found


def _result_of(
    messages: Sequence[BaseMessage], position: int, call_id: str | None
) -> ToolMessage | None:
    for message in messages[position + 1 :]:
        if call_id in call_ids(message):
            # Some providers number the calls of each turn anew.
            return None
        if isinstance(message, ToolMessage) and message.tool_call_id == call_id:
            return message
    return None
