"""Messages of every kind, and hypothesis strategies that make them."""

import json
from typing import Any

from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)
from langchain_core.messages.ai import UsageMetadata

CALL = {"name": "add", "args": {"a": 1, "b": [2.5, None]}, "id": "call-1", "type": "tool_call"}
BROKEN_CALL = {
    "name": "add",
    "args": "{not JSON",
    "id": "call-2",
    "error": "no JSON",
    "type": "invalid_tool_call",
}
USAGE: UsageMetadata = {
    "input_tokens": 3,
    "output_tokens": 5,
    "total_tokens": 8,
    "input_token_details": {"cache_read": 1},
    "output_token_details": {"reasoning": 2},
}

EVERY_TYPE: list[BaseMessage] = [
    HumanMessage("Grüße, 世界 🌍", id="m1", name="Ada"),
    HumanMessage([{"type": "text", "text": "See"}, {"type": "image", "base64": "QUJD"}]),
    AIMessage(
        "On it.",
        tool_calls=[CALL],
        invalid_tool_calls=[BROKEN_CALL],
        usage_metadata=USAGE,
        response_metadata={"model_name": "m", "logprobs": [{"token": "On", "logprob": -0.1}]},
        additional_kwargs={"deep": {"deeper": [{"deepest": [[], {}]}]}},
    ),
    AIMessage([{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "Yes."}]),
    SystemMessage("Be brief."),
    ChatMessage(content="Objection!", role="lawyer"),
    FunctionMessage(content="3", name="add"),
    ToolMessage("3", tool_call_id="call-1", artifact={"raw": [1, 2]}, status="error"),
    RemoveMessage("m1"),
    HumanMessageChunk(content="Hel"),
    AIMessageChunk(content="Hi", usage_metadata=USAGE, chunk_position="last"),
    AIMessageChunk(
        content="",
        tool_call_chunks=[
            {
                "name": "add",
                "args": '{"a": 1',
                "id": "c",
                "index": 0,
                "type": "tool_call_chunk",
            }
        ],
    ),
    SystemMessageChunk(content="Be"),
    ChatMessageChunk(content="Obj", role="lawyer"),
    FunctionMessageChunk(content="3", name="add"),
    ToolMessageChunk(content="3", tool_call_id="call-1", artifact=["raw"]),
]


def numbered(count: int, first: int = 0) -> list[BaseMessage]:
    """Return messages whose texts count on from `first`."""
    return [HumanMessage(str(number)) for number in range(first, first + count)]


def texts(messages: list[BaseMessage]) -> list[str]:
    """Return the texts of messages."""
    return [str(message.text) for message in messages]


def _survives_json(text: str) -> bool:
    # JSON has one form for a character beyond the first plane and for its two surrogates.
    return bool(json.loads(json.dumps(text)) == text)


# All of Unicode, with lone surrogates.
any_text = st.text(st.characters()).filter(_survives_json)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | any_text,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(any_text, values, max_size=3),
    max_leaves=10,
)
_mappings = st.dictionaries(any_text, json_values, max_size=3)
_blocks = st.one_of(
    any_text,
    st.builds(lambda text: {"type": "text", "text": text}, any_text),
    st.builds(lambda data: {"type": "image", "base64": data}, any_text),
    st.builds(lambda text: {"type": "reasoning", "reasoning": text}, any_text),
    st.builds(lambda url: {"type": "image_url", "image_url": {"url": url}}, any_text),
    st.builds(lambda value: {"type": "non_standard", "value": value}, _mappings),
)
_contents = any_text | st.lists(_blocks, max_size=3)
_tool_calls = st.fixed_dictionaries(
    {
        "name": any_text,
        "args": _mappings,
        "id": st.none() | any_text,
        "type": st.just("tool_call"),
    }
)
_invalid_tool_calls = st.fixed_dictionaries(
    {
        "name": st.none() | any_text,
        "args": st.none() | any_text,
        "id": st.none() | any_text,
        "error": st.none() | any_text,
        "type": st.just("invalid_tool_call"),
    }
)
_counts = st.integers(0, 2**53)
_usage: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"input_tokens": _counts, "output_tokens": _counts, "total_tokens": _counts}
)
_common: dict[str, st.SearchStrategy[Any]] = {
    "content": _contents,
    "id": st.none() | any_text,
    "name": st.none() | any_text,
    "additional_kwargs": _mappings,
    "response_metadata": _mappings,
}

messages: st.SearchStrategy[BaseMessage] = st.one_of(
    st.builds(HumanMessage, **_common),
    st.builds(SystemMessage, **_common),
    st.builds(
        AIMessage,
        **_common,
        tool_calls=st.lists(_tool_calls, max_size=2),
        invalid_tool_calls=st.lists(_invalid_tool_calls, max_size=2),
        usage_metadata=st.none() | _usage,
    ),
    st.builds(
        ToolMessage,
        **_common,
        tool_call_id=any_text,
        artifact=json_values,
        status=st.sampled_from(["success", "error"]),
    ),
    st.builds(ChatMessage, **_common, role=any_text),
    st.builds(FunctionMessage, **{**_common, "name": any_text}),
    st.builds(HumanMessageChunk, **_common),
    st.builds(AIMessageChunk, **_common, usage_metadata=st.none() | _usage),
)
