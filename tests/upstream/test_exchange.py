"""What one side writes, the other side reads; what one side clears is gone for the other."""

import asyncio
import time
from typing import Any

import pytest
from elasticsearch import Elasticsearch
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

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)
from tests.support.both_histories import History, Ours, Upstream

PLAIN: list[BaseMessage] = [HumanMessage("Hello"), AIMessage("Hi!"), HumanMessage("Bye")]

UNICODE: list[BaseMessage] = [
    HumanMessage("Füße, 東京, עברית, हिन्दी, 👩‍👩‍👧 \u2028 \x00 \ufffe"),
    AIMessage(""),
    HumanMessage(' \t\n"quoted" \\ {"a": 1} '),
    AIMessage("a lone surrogate: \ud83d"),
]

RICH: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage(
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        ],
        id="h1",
        name="Ada",
    ),
    AIMessage(
        "",
        tool_calls=[{"name": "look", "args": {"at": ["x", 1, None, 2.5]}, "id": "call-1"}],
        invalid_tool_calls=[{"name": "look", "args": "{", "id": "call-2", "error": "not JSON"}],
        usage_metadata={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        response_metadata={"model": "m", "finish_reason": "tool_calls"},
    ),
    ToolMessage("a cat", tool_call_id="call-1", artifact={"pixels": [1, 2]}, status="success"),
    AIMessage([{"type": "text", "text": "A cat."}], additional_kwargs={"deep": {"er": [{}]}}),
    ChatMessage(content="Indeed.", role="critic"),
    FunctionMessage(content="4", name="add"),
    RemoveMessage(id="h1"),
]

MESSAGES = {"plain": PLAIN, "unicode": UNICODE, "rich": RICH}


@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES.keys())
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_upstream_reads_what_we_wrote(
    ours: Ours, theirs: Upstream, messages: list[BaseMessage], ensure_ascii: bool
) -> None:
    ours.arguments["ensure_ascii"] = ensure_ascii
    ours.add("s", messages)
    assert theirs.read("s") == messages


@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES.keys())
def test_we_read_what_upstream_wrote(
    ours: Ours, theirs: Upstream, messages: list[BaseMessage]
) -> None:
    theirs.add("s", messages)
    assert ours.read("s") == messages
    assert ours.iterated("s", batch_size=2) == messages
    assert ours.read("s", limit=3) == messages[-3:]


def test_upstream_reads_a_long_list_that_we_wrote(ours: Ours, theirs: Upstream) -> None:
    messages = [HumanMessage(str(number)) for number in range(1000)]
    ours.add("s", messages)
    assert theirs.read("s") == messages


def test_we_read_what_upstream_wrote_without_escapes(ours: Ours, theirs: Upstream) -> None:
    theirs.arguments["ensure_ascii"] = False
    messages = UNICODE[:-1]  # upstream itself can't store a lone surrogate that way
    theirs.add("s", messages)
    assert ours.read("s") == messages


def test_writers_alternate_in_one_session(ours: Ours, theirs: Upstream) -> None:
    written: list[BaseMessage] = []
    parties: list[History] = [ours, theirs]
    for turn in range(6):
        messages = [HumanMessage(f"question {turn}"), AIMessage(f"answer {turn}")]
        parties[turn % 2].add("s", messages)
        written += messages
    assert ours.read("s") == written
    assert theirs.read("s") == written
    assert ours.read("s", limit=5) == written[-5:]


def test_we_continue_within_the_millisecond_that_upstream_wrote_in(
    ours: Ours, theirs: Upstream
) -> None:
    written = [HumanMessage(str(number)) for number in range(20)]
    theirs.add("s", written, clock=milliseconds_ahead(3_000))
    answer = AIMessage("an answer to that")
    assert ours.read("s") == written
    ours.add("s", [answer])
    assert ours.read("s") == [*written, answer]
    assert ours.read("s", limit=3) == [*written[-2:], answer]


def test_we_continue_after_upstream_even_if_its_clock_is_wrong(
    ours: Ours, theirs: Upstream
) -> None:
    theirs.add("s", PLAIN, clock=milliseconds_ahead(30 * 60 * 1000))
    answer = AIMessage("an answer to that")
    assert ours.read("s") == PLAIN
    ours.add("s", [answer])
    assert ours.read("s") == theirs.read("s") == [*PLAIN, answer]


def milliseconds_ahead(milliseconds: int) -> dict[str, int]:
    """Return a clock for upstream that is ahead of ours."""
    now = time.time_ns() // 1_000_000
    return {"first_millisecond": now + milliseconds, "calls_per_millisecond": 7}


def test_sessions_stay_apart(ours: Ours, theirs: Upstream) -> None:
    ours.add("a", PLAIN[:1])
    theirs.add("b", PLAIN[1:])
    assert theirs.read("a") == ours.read("a") == PLAIN[:1]
    assert theirs.read("b") == ours.read("b") == PLAIN[1:]


def test_upstream_clears_what_we_wrote(ours: Ours, theirs: Upstream) -> None:
    ours.add("s", PLAIN)
    ours.add("other", PLAIN)
    theirs.clear("s")
    assert ours.read("s") == []
    assert ours.read("other") == PLAIN


def test_we_clear_what_upstream_wrote(ours: Ours, theirs: Upstream) -> None:
    theirs.add("s", PLAIN)
    theirs.add("other", PLAIN)
    ours.clear("s")
    assert theirs.read("s") == []
    assert theirs.read("other") == PLAIN


def test_an_index_that_we_made_works_for_upstream(
    theirs: Upstream, arguments: dict[str, Any], client: Elasticsearch
) -> None:
    with ElasticsearchChatMessageHistory(session_id="s", **arguments) as history:
        history.create_if_missing()
        mapping = fields(client, arguments["index"])
        theirs.add("s", PLAIN)
        assert theirs.read("s") == history.get_messages() == PLAIN
    assert fields(client, arguments["index"]) == mapping


def test_an_index_that_upstream_made_gets_the_missing_fields(
    theirs: Upstream, arguments: dict[str, Any], client: Elasticsearch
) -> None:
    theirs.add("s", PLAIN)
    before = fields(client, arguments["index"])
    assert set(before) == {"session_id", "created_at", "history"}

    with ElasticsearchChatMessageHistory(
        session_id="s", metadata={"tenant": "a"}, **arguments
    ) as history:
        history.get_messages()
        assert fields(client, arguments["index"]) == before, "reading changes nothing"
        history.add_message(AIMessage("new"))

    assert fields(client, arguments["index"]) == {
        **before,
        "seq": {"type": "long"},
        "content": {"type": "text"},
        "type": {"type": "keyword"},
        "metadata": {"type": "flattened"},
    }
    assert theirs.read("s") == [*PLAIN, AIMessage("new")]


def test_create_if_missing_completes_the_index_too(
    theirs: Upstream, arguments: dict[str, Any], client: Elasticsearch
) -> None:
    theirs.add("s", PLAIN)

    async def create() -> None:
        async with AsyncElasticsearchChatMessageHistory(session_id="s", **arguments) as history:
            await history.create_if_missing()

    asyncio.run(create())
    assert {"seq", "content", "type", "metadata"} <= set(fields(client, arguments["index"]))


def fields(client: Elasticsearch, index: str) -> dict[str, Any]:
    """Return the mapping of each field."""
    mapping = client.indices.get_mapping(index=index)[index]["mappings"]
    properties: dict[str, Any] = mapping["properties"]
    return properties
