"""Does with langchain-elasticsearch what the tests ask for: a JSON line in, a JSON line out.

It runs on the Python of an environment that has that package, and imports nothing of ours.
"""

import asyncio
import inspect
import json
import sys
from contextlib import ExitStack
from itertools import count
from typing import Any
from unittest.mock import patch

from langchain_core.messages import message_to_dict, messages_from_dict
from langchain_elasticsearch import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)

CLASSES = {
    "sync": ElasticsearchChatMessageHistory,
    "async": AsyncElasticsearchChatMessageHistory,
}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": asyncio.run(perform(**request))}
        except Exception as error:  # noqa: BLE001  # the test that asked tells of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)  # noqa: T201  # that is its answer


async def perform(
    kind: str,
    action: str,
    arguments: dict[str, Any],
    messages: list[dict[str, Any]],
    clock: dict[str, int] | None,
) -> Any:
    """Read, add or clear with a history of the class of this kind."""
    history = CLASSES[kind](**arguments)
    methods = {
        "sync": {"read": "get_messages", "add": "add_messages", "clear": "clear"},
        "async": {"read": "aget_messages", "add": "aadd_messages", "clear": "aclear"},
    }
    method = getattr(history, methods[kind][action])
    given = [messages_from_dict(messages)] if action == "add" else []
    with ExitStack() as stack:
        if clock is not None:
            name = f"langchain_elasticsearch._{kind}.chat_history.time"
            stack.enter_context(patch(name, slow_clock(**clock)))
        found = method(*given)
        if inspect.isawaitable(found):
            found = await found
    closed = history.client.close()
    if inspect.isawaitable(closed):
        await closed
    return [message_to_dict(message) for message in found or []]


def slow_clock(first_millisecond: int, calls_per_millisecond: int) -> Any:
    """Return a `time` that goes on by one millisecond after some calls."""
    calls = count()
    return lambda: (first_millisecond + next(calls) // calls_per_millisecond) / 1000


if __name__ == "__main__":
    main()
