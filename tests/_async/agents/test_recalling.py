"""With the recall tools an agent finds what was said elsewhere, if it may see it."""

from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.agents import history_tools
from tests.support.agents import asked, scripted


@dataclass
class Context:
    """What a service knows of a request."""

    user: str
    sessions: tuple[str, ...] = ()


@pytest.fixture
async def async_theirs(index: str, async_client: Any) -> AsyncElasticsearchChatStore:
    """A store with two sessions of one user and one of another."""
    everybody = AsyncElasticsearchChatStore(index, client=async_client)
    for user, session_id, texts in (
        ("u1", "tea", ["I like green tea.", "Noted."]),
        ("u1", "trip", ["Book a trip to Oslo.", "Done."]),
        ("u2", "other", ["Green tea is awful.", "Well."]),
    ):
        history = everybody.scoped({"user": user}).session(session_id)
        await history.aadd_messages([HumanMessage(texts[0]), AIMessage(texts[1])])
    return everybody


async def told(tools: Any, name: str, context: Any = None, **arguments: Any) -> str:
    """Return what a tool tells an agent that calls it."""
    call = {"name": name, "args": arguments, "id": "call-1", "type": "tool_call"}
    model = scripted(AIMessage("", tool_calls=[call]), "Done.")
    agent: Any = create_agent(model, tools, context_schema=Context)
    answer = await agent.ainvoke(asked("Recall."), context=context)
    (result,) = [one for one in answer["messages"] if isinstance(one, ToolMessage)]
    return str(result.text)


async def test_without_bounds_all_is_found(async_theirs: AsyncElasticsearchChatStore) -> None:
    found = await told(history_tools(async_theirs), "search_conversations", query="green tea")
    lines = found.splitlines()
    assert len(lines) == 2
    assert all("UTC] '" in line and "human: " in line for line in lines)
    assert {"'tea'" in line for line in lines} == {True, False}


@pytest.mark.parametrize("as_function", [False, True])
async def test_a_scope_hides_what_others_said(
    async_theirs: AsyncElasticsearchChatStore, *, as_function: bool
) -> None:
    def scope_of(runtime: Any) -> dict[str, Any]:
        return {"user": runtime.context.user}

    tools = history_tools(async_theirs, scope=scope_of if as_function else {"user": "u1"})
    context = Context("u1")
    found = await told(tools, "search_conversations", context, query="tea")
    assert found.endswith("'tea', human: I like green tea.")
    assert "awful" not in found
    listed = (await told(tools, "list_conversations", context)).splitlines()
    assert [line.partition(":")[0] for line in listed] == ["'trip'", "'tea'"]
    assert listed[1].endswith("I like green tea.")
    read = await told(tools, "read_conversation", context, session_id="other")
    assert read == "There is no conversation 'other'."


@pytest.mark.parametrize("as_function", [False, True])
async def test_only_the_sessions_that_were_allowed_are_seen(
    async_theirs: AsyncElasticsearchChatStore, *, as_function: bool
) -> None:
    def ids_of(runtime: Any) -> tuple[str, ...]:
        return tuple(runtime.context.sessions)

    tools = history_tools(
        async_theirs, session_ids=ids_of if as_function else ["other", "trip", "none", "o"]
    )
    context = Context("u1", ("other", "trip", "none", "o"))
    found = await told(tools, "search_conversations", context, query="tea trip green")
    assert "awful" in found
    assert "like" not in found
    assert "Oslo" in found
    listed = (await told(tools, "list_conversations", context)).splitlines()
    assert [line.partition(":")[0] for line in listed] == ["'other'", "'trip'"]
    assert "Oslo" in await told(tools, "read_conversation", context, session_id="trip")
    read = await told(tools, "read_conversation", context, session_id="tea")
    assert read == "There is no conversation 'tea'."


async def test_no_session_allowed_is_none_and_not_all(
    async_theirs: AsyncElasticsearchChatStore,
) -> None:
    tools = history_tools(async_theirs, session_ids=[])
    assert await told(tools, "search_conversations", query="tea") == "No message was found."
    assert await told(tools, "list_conversations") == "There are no conversations."


async def test_a_long_conversation_is_read_page_by_page(
    async_theirs: AsyncElasticsearchChatStore,
) -> None:
    await async_theirs.session("long").aadd_messages(
        [HumanMessage(f"number {number}\nof {'many ' * 200}") for number in range(25)]
    )
    tools = history_tools(async_theirs)
    page = (await told(tools, "read_conversation", session_id="long")).splitlines()
    assert page[0] == "Conversation 'long':"
    assert [line.split()[5] for line in page[2:]] == [str(number) for number in range(5, 25)]
    assert all(line.endswith(" […]") and len(line) < 600 for line in page[2:])
    before = page[1].partition("before='")[2].partition("'")[0]
    rest = await told(tools, "read_conversation", session_id="long", before=before)
    assert [line.split()[5] for line in rest.splitlines()[1:]] == ["0", "1", "2", "3", "4"]
    wrong = await told(tools, "read_conversation", session_id="tea", before="x")
    assert wrong == "There is no conversation 'tea'."


async def test_a_match_far_from_the_beginning_is_shown(
    async_theirs: AsyncElasticsearchChatStore,
) -> None:
    await async_theirs.session("far").aadd_messages(
        [HumanMessage("word " * 300 + "needle in a haystack")]
    )
    tools = history_tools(async_theirs)
    assert "needle" in await told(tools, "search_conversations", query="needle")


@pytest.mark.parametrize("session_id", ["none", "", "x" * 40_000, "\ud800"])
async def test_there_is_no_such_conversation(
    async_theirs: AsyncElasticsearchChatStore, session_id: str
) -> None:
    tools = history_tools(async_theirs)
    answer = await told(tools, "read_conversation", session_id=session_id)
    assert answer.startswith("There is no conversation '")


async def test_what_the_tools_may_see_is_no_argument(
    async_theirs: AsyncElasticsearchChatStore,
) -> None:
    tools = history_tools(async_theirs, scope=lambda _: {}, session_ids=lambda _: [])
    schemas: Any = {one.name: one.tool_call_schema for one in tools}
    arguments = {
        name: sorted(schema.model_json_schema()["properties"]) for name, schema in schemas.items()
    }
    assert arguments == {
        "search_conversations": ["query"],
        "read_conversation": ["before", "session_id"],
        "list_conversations": [],
    }


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        ({"scope": {}}, ValueError, "at least one key"),
        ({"session_ids": "tea"}, TypeError, "session_ids must be a list"),
        ({"session_ids": [7]}, TypeError, "one is a int"),
    ],
)
async def test_bad_bounds_are_named(
    async_theirs: AsyncElasticsearchChatStore,
    bounds: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        history_tools(async_theirs, **bounds)


async def test_functions_that_return_nothing_allow_nothing(
    async_theirs: AsyncElasticsearchChatStore,
) -> None:
    both: list[dict[str, Any]] = [{"scope": lambda _: None}, {"session_ids": lambda _: None}]
    for bounds in both:
        tools = history_tools(async_theirs, **bounds)
        with pytest.raises(TypeError, match="must"):
            await told(tools, "list_conversations")
