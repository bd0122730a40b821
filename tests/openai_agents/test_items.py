"""Items of every type come back as they were, and read as a conversation."""

import uuid
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history._documents.items import items_of_message, message_of_item
from elasticsearch_chat_history.openai_agents import ElasticsearchSession
from tests.support.messages import any_text, json_values

PICTURE = "data:image/png;base64,QUJD"
Item = Any

# Each with the message that a history returns for it: its class, text and calls.
ITEMS: list[tuple[Item, type[BaseMessage], str, list[Any]]] = [
    ({"role": "user", "content": "Grüße, 世界 🌍"}, HumanMessage, "Grüße, 世界 🌍", []),
    (
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is"},
                {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
                {"type": "input_text", "text": "this?"},
            ],
        },
        HumanMessage,
        "What is\nthis?",
        [],
    ),
    ({"role": "system", "content": "Be brief."}, SystemMessage, "Be brief.", []),
    ({"role": "developer", "content": "Be polite."}, SystemMessage, "Be polite.", []),
    ({"role": "critic", "content": "Objection!"}, ChatMessage, "Objection!", []),
    ({"role": "assistant", "content": "Hi!"}, AIMessage, "Hi!", []),
    (
        {
            "id": "msg_68a1b2c3d4e5f60718293a4b5c6d7e8f",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "A cat.", "annotations": []}],
        },
        AIMessage,
        "A cat.",
        [],
    ),
    (
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I will not."}]},
        AIMessage,
        "I will not.",
        [],
    ),
    (
        {
            "id": "rs_68a1b2c3d4e5f60718293a4b5c6d7e8f",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "It has ears."}],
            "encrypted_content": "gAAAAB==",
        },
        AIMessage,
        "",
        [],
    ),
    (
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
        AIMessage,
        "",
        [("add", {"a": 1}, "c1")],
    ),
    (
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{not JSON"},
        AIMessage,
        "",
        [],
    ),
    ({"type": "function_call_output", "call_id": "c1", "output": "3"}, ToolMessage, "3", []),
    (
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": [
                {"type": "input_text", "text": "See:"},
                {"type": "input_image", "image_url": PICTURE},
            ],
        },
        ToolMessage,
        "See:",
        [],
    ),
    (
        {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "SELECT 1"},
        AIMessage,
        "",
        [("sql", {"input": "SELECT 1"}, "c2")],
    ),
    (
        {"type": "computer_call", "id": "cu_1", "call_id": "c3", "action": {"type": "click"}},
        AIMessage,
        "",
        [("computer", {"type": "click"}, "c3")],
    ),
    (
        {
            "type": "computer_call_output",
            "call_id": "c3",
            "output": {"type": "computer_screenshot", "image_url": PICTURE},
        },
        ToolMessage,
        "",
        [],
    ),
    (
        {"type": "shell_call", "call_id": "c4", "action": {"commands": ["ls"]}},
        AIMessage,
        "",
        [("shell", {"commands": ["ls"]}, "c4")],
    ),
    (
        {
            "type": "shell_call_output",
            "call_id": "c4",
            "output": [{"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit"}}],
        },
        ToolMessage,
        "a.txt",
        [],
    ),
    ({"type": "local_shell_call_output", "id": "c5", "output": "ok"}, ToolMessage, "ok", []),
    (
        {"type": "apply_patch_call", "call_id": "c6", "operation": {"path": "a.txt"}},
        AIMessage,
        "",
        [("apply_patch", {"path": "a.txt"}, "c6")],
    ),
    (
        {"type": "web_search_call", "id": "ws_1", "action": {"query": "shard"}},
        AIMessage,
        "",
        [],
    ),
    (
        {"type": "file_search_call", "id": "fs_1", "queries": ["shard"], "results": None},
        AIMessage,
        "",
        [],
    ),
    ({"type": "image_generation_call", "id": "ig_1", "result": "QUJD"}, AIMessage, "", []),
    ({"type": "code_interpreter_call", "id": "ci_1", "code": "1 + 1"}, AIMessage, "", []),
    ({"type": "mcp_list_tools", "id": "mcpl_1", "tools": []}, AIMessage, "", []),
    ({"type": "mcp_call", "id": "mcp_1", "name": "find", "arguments": "{}"}, AIMessage, "", []),
    ({"type": "mcp_approval_request", "id": "mcpr_1", "name": "find"}, AIMessage, "", []),
    ({"type": "mcp_approval_response", "approve": True}, AIMessage, "", []),
    ({"type": "item_reference", "id": "msg_1"}, AIMessage, "", []),
    ({"type": "compaction", "encrypted_content": "gAAAAB=="}, AIMessage, "", []),
    ({"type": "of_the_future", "number": 1.0, "deep": [[{}]]}, AIMessage, "", []),
    ({}, AIMessage, "", []),
]

_parts = st.one_of(
    json_values,
    st.fixed_dictionaries({"type": any_text, "text": json_values}),
    st.fixed_dictionaries({"type": any_text, "refusal": any_text}),
)
_contents = json_values | any_text | st.lists(_parts, max_size=3)
_types = any_text | st.sampled_from(
    ["message", "reasoning", *(str(item["type"]) for item, *_ in ITEMS if "type" in item)]
)
_roles = json_values | st.sampled_from(["user", "assistant", "system", "developer"])
_known = {
    "type": json_values | _types,
    "role": _roles,
    "id": json_values | any_text,
    "call_id": json_values | any_text,
    "name": json_values | any_text,
    "content": _contents,
    "summary": _contents,
    "output": _contents,
    "arguments": json_values | any_text | st.sampled_from(["{}", '{"a": 1}', "[]", "NaN"]),
    "action": json_values,
    "input": json_values,
}
items: st.SearchStrategy[Item] = st.builds(
    lambda given, more: {**more, **given},
    st.fixed_dictionaries({}, optional=_known),
    st.dictionaries(any_text, json_values, max_size=2),
)


def shown(message: BaseMessage) -> tuple[type[BaseMessage], str, list[Any]]:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return (
        type(message),
        str(message.text),
        [(call["name"], call["args"], call["id"]) for call in calls],
    )


async def test_every_type_comes_back_and_reads_as_a_message(
    session: ElasticsearchSession, store: AsyncElasticsearchChatStore
) -> None:
    await session.add_items([item for item, *_ in ITEMS])
    assert await session.get_items() == [item for item, *_ in ITEMS]
    messages = await store.session(session.session_id).aget_messages()
    assert [shown(message) for message in messages] == [tuple(expected) for _, *expected in ITEMS]


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(listed=st.lists(items, min_size=1, max_size=4))
async def test_any_item_comes_back(
    shared_index: str, async_client: AsyncElasticsearch, listed: list[Item]
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client)
    session = ElasticsearchSession(uuid.uuid4().hex, store)
    await session.add_items(listed)
    # As a text, as 1 and 1.0 and True are equal.
    assert repr(await session.get_items()) == repr(listed)
    assert repr(await session.get_items(limit=1)) == repr(listed[-1:])
    assert repr(await session.pop_item()) == repr(listed[-1])


@given(item=items)
def test_any_item_has_a_message(item: Item) -> None:
    message = message_of_item(item)
    assert items_of_message(message) == [item]


async def test_the_text_of_items_is_found(
    session: ElasticsearchSession, store: AsyncElasticsearchChatStore
) -> None:
    await session.add_items([item for item, *_ in ITEMS])
    history = store.session(session.session_id)
    for words in ("Objection", "cat", "See", "this", "a.txt", "will not"):
        assert len(await history.asearch(words, operator="and")) == 1, words


FOREIGN: list[tuple[BaseMessage, list[Item]]] = [
    (HumanMessage("Hello"), [{"role": "user", "content": "Hello"}]),
    (
        HumanMessage(
            [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "base64": "QUJD", "mime_type": "image/png"},
                {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
                {"type": "file", "base64": "QUJD", "mime_type": "application/pdf"},
                {"type": "file", "url": "https://a.example/b.pdf"},
            ]
        ),
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": PICTURE, "detail": "auto"},
                    {
                        "type": "input_image",
                        "image_url": "https://a.example/b.png",
                        "detail": "auto",
                    },
                    {
                        "type": "input_file",
                        "file_data": "data:application/pdf;base64,QUJD",
                        "filename": "file",
                    },
                    {"type": "input_file", "file_url": "https://a.example/b.pdf"},
                ],
            }
        ],
    ),
    (SystemMessage("Be brief."), [{"role": "system", "content": "Be brief."}]),
    (
        SystemMessage("Be brief.", additional_kwargs={"__openai_role__": "developer"}),
        [{"role": "developer", "content": "Be brief."}],
    ),
    (ChatMessage(content="Hm.", role="assistant"), [{"role": "assistant", "content": "Hm."}]),
    (
        ChatMessage(content="Objection!", role="lawyer"),
        [{"role": "user", "content": "Objection!"}],
    ),
    (
        AIMessage(
            "Let me see.",
            tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1"}],
            invalid_tool_calls=[
                {
                    "name": "add",
                    "args": "{",
                    "id": None,
                    "error": None,
                    "type": "invalid_tool_call",
                }
            ],
        ),
        [
            {"role": "assistant", "content": "Let me see."},
            {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
            {"type": "function_call", "call_id": "", "name": "add", "arguments": "{"},
        ],
    ),
    (AIMessage(""), [{"role": "assistant", "content": ""}]),
    (
        ToolMessage("3", tool_call_id="c1"),
        [{"type": "function_call_output", "call_id": "c1", "output": "3"}],
    ),
    (FunctionMessage(content="3", name="add"), [{"role": "assistant", "content": "3"}]),
    (RemoveMessage("m1"), []),
    (
        HumanMessage("Hello", additional_kwargs={"openai_agents_item": "no item"}),
        [{"role": "user", "content": "Hello"}],
    ),
]


async def test_messages_of_a_history_are_items_too(
    session: ElasticsearchSession, store: AsyncElasticsearchChatStore
) -> None:
    await store.session(session.session_id).aadd_messages([message for message, _ in FOREIGN])
    expected = [item for _, found in FOREIGN for item in found]
    assert await session.get_items() == expected
    for limit in range(len(expected) + 2):
        assert await session.get_items(limit=limit) == expected[max(0, len(expected) - limit) :]
    # One by one, though one message is several items.
    for item in reversed(expected):
        assert await session.pop_item() == item
    assert await session.pop_item() is None


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"role": "user", "content": {1, 2}}, "content is of type set"),
        ({"role": "user", "content": object()}, "content is of type object"),
        ("Hello", "not a str"),
        (None, "not a NoneType"),
    ],
)
async def test_what_is_no_item_is_refused(
    session: ElasticsearchSession, item: Any, named: str
) -> None:
    with pytest.raises(TypeError, match=rf"items\[1\] .*{named}"):
        await session.add_items([{"role": "user", "content": "Hello"}, item])
    assert await session.get_items() == []
