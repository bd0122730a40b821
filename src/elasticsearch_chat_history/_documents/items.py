"""Items of the OpenAI Agents SDK as messages of LangChain, and back.

An item is a dict of the Responses API: https://platform.openai.com/docs/api-reference/responses
Its message has the text and the calls, for whoever reads or searches the session. The item itself
is kept beside them, so that it comes back as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from elasticsearch_chat_history._arguments import checked_list
from elasticsearch_chat_history._documents.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Iterable

Item: TypeAlias = dict[str, Any]

# Where a message keeps its item, in `additional_kwargs`.
ITEM = "openai_agents_item"
# What a part of a content, or of the output of a tool, has its text under.
TEXTS = ("text", "refusal", "transcript", "stdout", "stderr")
CALL, OUTPUT = "_call", "_output"
# What the calls of tools other than functions have in place of arguments.
ACTIONS = ("action", "operation", "input")


def checked_items(items: object) -> list[Item]:
    """Return copies of items, as JSON gives them back.

    Raises:
        TypeError: They are no list, or one is no dict or cannot be written as JSON.
    """
    return [
        _checked_item(position, item)
        for position, item in enumerate(checked_list("items", "items", items))
    ]


def message_of_item(item: Item) -> BaseMessage:
    """Return a message that reads like an item, and holds it."""
    message = _message_like(item)
    message.additional_kwargs[ITEM] = item
    return message


def items_of_messages(messages: Iterable[BaseMessage]) -> list[Item]:
    """Return the items that messages hold, or items that say the same."""
    return [item for message in messages for item in items_of_message(message)]


def items_of_message(message: BaseMessage) -> list[Item]:
    """Return the item that a message holds, or items that say the same.

    An answer with text and calls of tools is one item for each. A `RemoveMessage` is none.
    """
    item = message.additional_kwargs.get(ITEM)
    if isinstance(item, dict):
        return [item]
    if isinstance(message, RemoveMessage):
        return []
    if isinstance(message, ToolMessage):
        return [
            {
                "type": "function_call_output",
                "call_id": message.tool_call_id,
                "output": str(message.text),
            }
        ]
    if isinstance(message, AIMessage):
        return _items_of_answer(message)
    return [{"role": _role_of(message), "content": _input_content(message)}]


def text_of(content: object) -> str:
    """Return the text of a content, which is a str or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part for part in content if isinstance(part, Mapping)]
    found = [part.get(name) for part in parts for name in TEXTS]
    return "\n".join(text for text in found if isinstance(text, str) and text)


def _checked_item(position: int, item: object) -> Item:
    if not isinstance(item, Mapping):
        raise TypeError(
            f"items[{position}] must be a dict, such as "
            f'{{"role": "user", "content": "Hello"}}, not a {type(item).__name__}. Nothing is '
            "stored."
        )
    try:
        copy: Item = json.loads(json_text(dict(item)))
    except ValueError as error:
        raise TypeError(
            f"items[{position}] cannot be written as JSON: {error}. Nothing is stored; put only "
            "JSON values into it."
        ) from None
    return copy


def _message_like(item: Item) -> BaseMessage:
    kind, role, call_id = (_str(item.get(name)) for name in ("type", "role", "call_id"))
    content = text_of(item.get("content"))
    if role:
        return _message_of_role(role, content)
    if kind.endswith(OUTPUT):
        output = text_of(item.get("output"))
        return ToolMessage(output, tool_call_id=call_id or _str(item.get("id")))
    if kind.endswith(CALL) and call_id:
        return _message_of_call(item, kind, call_id)
    summary = text_of(item.get("summary"))
    if kind == "reasoning" and summary:
        # LangChain's block for it, so that nobody takes it for a part of the answer.
        return AIMessage([{"type": "reasoning", "reasoning": summary}])
    return AIMessage("" if kind == "reasoning" else content)


def _message_of_role(role: str, content: str) -> BaseMessage:
    if role == "user":
        return HumanMessage(content)
    if role == "assistant":
        return AIMessage(content)
    if role == "system":
        return SystemMessage(content)
    if role == "developer":
        # As langchain-openai marks it.
        return SystemMessage(content, additional_kwargs={"__openai_role__": role})
    return ChatMessage(content=content, role=role)


def _message_of_call(item: Item, kind: str, call_id: str) -> AIMessage:
    name = _str(item.get("name")) or kind.removesuffix(CALL)
    written = item.get("arguments")
    arguments: Any
    if isinstance(written, str):
        try:
            arguments = json.loads(written)
        except (ValueError, RecursionError):
            arguments = None
    else:
        arguments = next((item[one] for one in ACTIONS if one in item), {})
        if not isinstance(arguments, dict):
            arguments = {"input": arguments}
    if isinstance(arguments, dict):
        return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": call_id}])
    return AIMessage(
        "",
        invalid_tool_calls=[
            {
                "name": name,
                "args": written,
                "id": call_id,
                "error": "The arguments are no JSON object.",
                "type": "invalid_tool_call",
            }
        ],
    )


def _items_of_answer(message: AIMessage) -> list[Item]:
    calls = [
        (call["name"], json.dumps(call["args"]), call["id"]) for call in message.tool_calls
    ] + [(call["name"], call["args"], call["id"]) for call in message.invalid_tool_calls]
    items: list[Item] = [
        {
            "type": "function_call",
            "call_id": call_id or "",
            "name": name or "",
            "arguments": arguments or "",
        }
        for name, arguments, call_id in calls
    ]
    text = str(message.text)
    if text or not items:
        items.insert(0, {"role": "assistant", "content": text})
    return items


def _role_of(message: BaseMessage) -> str:
    if isinstance(message, SystemMessage):
        developer = message.additional_kwargs.get("__openai_role__") == "developer"
        return "developer" if developer else "system"
    if isinstance(message, ChatMessage) and message.role in {"system", "developer", "assistant"}:
        return message.role
    # The result of a function in LangChain's oldest form names no call.
    return "assistant" if message.type.startswith(("function", "Function")) else "user"


def _input_content(message: BaseMessage) -> str | list[Item]:
    if isinstance(message.content, str) or not isinstance(message, HumanMessage):
        return str(message.text)
    parts = [part for block in message.content_blocks for part in _input_parts(dict(block))]
    return parts or str(message.text)


def _input_parts(block: Mapping[str, Any]) -> list[Item]:
    """Return the part of an input that a block of LangChain is; none for other blocks.

    https://docs.langchain.com/oss/python/langchain/messages#multimodal
    """
    kind, data = block.get("type"), block.get("base64")
    if kind == "text":
        return [{"type": "input_text", "text": _str(block.get("text"))}]
    address = block.get("url") or (data and f"data:{block.get('mime_type')};base64,{data}")
    if kind == "image" and address:
        return [{"type": "input_image", "image_url": address, "detail": "auto"}]
    if kind == "file" and data:
        return [{"type": "input_file", "file_data": address, "filename": "file"}]
    if kind == "file" and address:
        return [{"type": "input_file", "file_url": address}]
    return []


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
