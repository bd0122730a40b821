"""A turn of an agent is stored in order, each message once, and the next turn sees it."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware
from tests.support.agents import STEP, TOOLS, asked, calling, said, scripted, thread
from tests.support.client_requests import recorded
from tests.support.concurrency import AsyncRunning


@pytest.mark.parametrize("has_checkpointer", [False, True])
async def test_turns_are_stored_once_in_order_and_seen_once(
    async_store: AsyncElasticsearchChatStore, session_id: str, *, has_checkpointer: bool
) -> None:
    model = scripted(calling("weather"), "It is sunny.", "Bye.")
    agent = create_agent(
        model,
        TOOLS,
        middleware=[AsyncChatHistoryMiddleware(async_store)],
        checkpointer=InMemorySaver() if has_checkpointer else None,
    )
    await agent.ainvoke(asked("Weather?"), thread(session_id))
    first = [("human", "Weather?"), *STEP, ("ai", "It is sunny.")]
    assert said(await async_store.session(session_id).aget_messages()) == first
    await agent.ainvoke(asked("Thanks."), thread(session_id))
    whole = [*first, ("human", "Thanks."), ("ai", "Bye.")]
    assert said(await async_store.session(session_id).aget_messages()) == whole
    assert said(model.prompts[-1]) == whole[:-1]


async def test_a_turn_with_a_tool_takes_four_requests(
    async_store: AsyncElasticsearchChatStore, async_client: AsyncElasticsearch, session_id: str
) -> None:
    agent = create_agent(
        scripted("Hello.", calling("weather"), "It is sunny."),
        TOOLS,
        middleware=[AsyncChatHistoryMiddleware(async_store, session_id=session_id)],
    )
    await agent.ainvoke(asked("Hi."))
    requests = recorded(async_client)
    await agent.ainvoke(asked("Weather?"))
    assert [one.endpoint for one in requests] == ["_bulk", "_search", "_bulk", "_bulk"]


async def test_with_a_checkpointer_only_what_is_new_is_sent(
    async_store: AsyncElasticsearchChatStore, async_client: AsyncElasticsearch, session_id: str
) -> None:
    agent = create_agent(
        scripted("1", "2", calling("weather"), "3"),
        TOOLS,
        middleware=[AsyncChatHistoryMiddleware(async_store)],
        checkpointer=InMemorySaver(),
    )
    for question in "ab":
        await agent.ainvoke(asked(question), thread(session_id))
    requests = recorded(async_client)
    await agent.ainvoke(asked("c"), thread(session_id))
    assert [one.endpoint for one in requests] == ["_bulk", "_bulk", "_bulk"]
    assert [len(one.body) for one in requests] == [1, 2, 1]


async def test_a_thread_that_another_process_began_is_not_stored_twice(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    checkpointer = InMemorySaver()
    for question in "ab":
        agent = create_agent(
            scripted(f"{question}!"),
            middleware=[AsyncChatHistoryMiddleware(async_store)],
            checkpointer=checkpointer,
        )
        await agent.ainvoke(asked(question), thread(session_id))
    assert said(await async_store.session(session_id).aget_messages()) == [
        ("human", "a"),
        ("ai", "a!"),
        ("human", "b"),
        ("ai", "b!"),
    ]


async def test_parallel_calls_are_stored_with_their_results_in_order(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    agent = create_agent(
        scripted(calling("clock", "weather", "clock"), calling("weather"), "Done."),
        TOOLS,
        middleware=[AsyncChatHistoryMiddleware(async_store, session_id=session_id)],
    )
    answer = await agent.ainvoke(asked("All?"))
    stored = await async_store.session(session_id).aget_messages()
    assert stored == answer["messages"]
    results = [one.tool_call_id for one in stored if isinstance(one, ToolMessage)]
    assert results == ["call-1", "call-2", "call-3", "call-1"]


@pytest.mark.parametrize(("load", "seen"), [(True, ["a", "a!", "b"]), (False, ["b"])])
async def test_whether_a_model_sees_the_session_can_be_said(
    async_store: AsyncElasticsearchChatStore, session_id: str, load: Any, seen: list[str]
) -> None:
    for question, checkpointer in (("a", None), ("b", InMemorySaver())):
        model = scripted(f"{question}!")
        middleware = AsyncChatHistoryMiddleware(async_store, load=load)
        agent = create_agent(model, middleware=[middleware], checkpointer=checkpointer)
        await agent.ainvoke(asked(question), thread(session_id))
    assert [message.text for message in model.prompts[0]] == seen


async def test_nothing_comes_twice_where_a_thread_is_loaded_too(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    await async_store.session(session_id).aadd_messages([HumanMessage("a"), AIMessage("a!")])
    model = scripted("b!", "c!", "d!")
    middleware = AsyncChatHistoryMiddleware(async_store, load=True, limit=3)
    agent = create_agent(model, middleware=[middleware], checkpointer=InMemorySaver())
    for question in "bcd":
        await agent.ainvoke(asked(question), thread(session_id))
    assert [[one.text for one in prompt] for prompt in model.prompts] == [
        ["a", "a!", "b"],
        ["a", "a!", "b", "b!", "c"],
        ["a", "a!", "b", "b!", "c", "c!", "d"],
    ]


async def test_a_model_sees_as_many_messages_as_limit_says(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    await async_store.session(session_id).aadd_messages(
        [HumanMessage(str(number)) for number in range(5)]
    )
    model = scripted("Hi.")
    middleware = AsyncChatHistoryMiddleware(async_store, session_id=session_id, limit=2)
    agent = create_agent(model, system_prompt="Be kind.", middleware=[middleware])
    answer = await agent.ainvoke(asked("5"))
    assert [one.text for one in model.prompts[0]] == ["Be kind.", "3", "4", "5"]
    assert [one.text for one in answer["messages"]] == ["5", "Hi."]


async def test_calls_without_all_their_results_are_not_shown(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    history = async_store.session(session_id)
    await history.aadd_messages(
        [
            ToolMessage("lost", tool_call_id="call-9"),
            HumanMessage("Both?"),
            calling("weather", "clock"),
            ToolMessage("sunny", tool_call_id="call-1"),
            HumanMessage("One?"),
            calling("weather"),
            HumanMessage("Between."),
            ToolMessage("rainy", tool_call_id="call-1"),
        ]
    )
    model = scripted("Hi.")
    middleware = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    await create_agent(model, middleware=[middleware]).ainvoke(asked("Hello?"))
    assert said(model.prompts[0]) == [
        ("human", "Both?"),
        ("human", "One?"),
        ("ai", ""),
        ("tool", "rainy"),
        ("human", "Between."),
        ("human", "Hello?"),
    ]
    assert len(await history.aget_stored_messages()) == 10


async def test_two_runs_of_one_session_see_and_store_their_own(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    middleware = AsyncChatHistoryMiddleware(async_store, session_id=session_id)

    async def run(name: str) -> list[Any]:
        agent = create_agent(scripted(calling("weather"), name), TOOLS, middleware=[middleware])
        answer = await agent.ainvoke(asked(name))
        return list(answer["messages"])

    runs = AsyncRunning(lambda: run("a"), lambda: run("b"))
    answers: list[Any] = await runs.results()
    stored = await async_store.session(session_id).aget_messages()
    assert len(stored) == 8
    for answer in answers:
        own = {one.id for one in answer}
        assert [one for one in stored if one.id in own] == answer
