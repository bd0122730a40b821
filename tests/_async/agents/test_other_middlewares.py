"""Beside middlewares that rewrite, interrupt or end a run, the originals are stored once."""

import sys
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    PIIMiddleware,
)
from langchain_core.messages import HumanMessage, RemoveMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from langgraph.types import Command, interrupt

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware
from tests.support.agents import STEP, TOOLS, asked, calling, said, scripted, summarizing, thread

STORED = [
    *(("human", "a"), ("ai", "a!"), ("human", "b"), *STEP, *STEP, ("ai", "b!")),
    *(("human", "c"), ("ai", "c!")),
]


@pytest.mark.parametrize("is_first", [False, True])
async def test_originals_are_stored_and_summaries_are_not(
    async_store: AsyncElasticsearchChatStore, session_id: str, *, is_first: bool
) -> None:
    ours = AsyncChatHistoryMiddleware(async_store)
    model = scripted("a!", calling("weather"), calling("weather"), "b!", "c!")
    agent = create_agent(
        model,
        TOOLS,
        middleware=[ours, summarizing()] if is_first else [summarizing(), ours],
        checkpointer=InMemorySaver(),
    )
    for question in "abc":
        await agent.ainvoke(asked(question), thread(session_id))
    assert any("In short." in message.text for message in model.prompts[-1])
    assert said(await async_store.session(session_id).aget_messages()) == STORED


class Forgetting(AgentMiddleware):
    """Puts a short message in the place of all of a state, as no careful middleware does."""

    async def abefore_model(self, state: Any, runtime: Any) -> Any:  # noqa: ARG002
        short = HumanMessage("Go on.", additional_kwargs={"lc_source": "summarization"})
        return {"messages": [RemoveMessage(REMOVE_ALL_MESSAGES), short]}


async def test_what_is_removed_before_it_was_seen_is_stored(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    ours = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    agent = create_agent(
        scripted(calling("weather"), "b!"), TOOLS, middleware=[Forgetting(), ours]
    )
    await agent.ainvoke(asked("b"))
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "b"), *STEP, ("ai", "b!")]


@pytest.mark.parametrize("is_first", [False, True])
async def test_the_input_is_stored_as_it_came_and_the_answer_as_it_was_left(
    async_store: AsyncElasticsearchChatStore, session_id: str, *, is_first: bool
) -> None:
    redacting = PIIMiddleware("email", apply_to_output=True)
    ours = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    agent = create_agent(
        scripted("You are a@b.org."),
        middleware=[ours, redacting] if is_first else [redacting, ours],
    )
    answer = await agent.ainvoke(asked("I am a@b.org."))
    assert [one.text for one in answer["messages"]] == [
        "I am [REDACTED_EMAIL].",
        "You are [REDACTED_EMAIL].",
    ]
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "I am a@b.org."), ("ai", "You are [REDACTED_EMAIL].")]


class Hiding(AgentMiddleware):
    """Gives the model another result than the tool returned."""

    async def awrap_tool_call(self, request: Any, handler: Any) -> Any:
        result = await handler(request)
        return ToolMessage("hidden", tool_call_id=result.tool_call_id)


async def test_a_result_that_another_middleware_replaces_is_stored_once(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    ours = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    model = scripted(calling("weather"), "Done.")
    await create_agent(model, TOOLS, middleware=[Hiding(), ours]).ainvoke(asked("a"))
    assert said(model.prompts[1])[-1] == ("tool", "hidden")
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "a"), *STEP, ("ai", "Done.")]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph's interrupt() needs 3.11")
@pytest.mark.parametrize("is_first", [False, True])
async def test_a_run_that_a_person_approves_is_stored_once(
    async_store: AsyncElasticsearchChatStore, session_id: str, *, is_first: bool
) -> None:
    asking = HumanInTheLoopMiddleware(interrupt_on={"weather": True})
    ours = AsyncChatHistoryMiddleware(async_store)
    agent = create_agent(
        scripted(calling("weather"), "It is sunny."),
        TOOLS,
        middleware=[ours, asking] if is_first else [asking, ours],
        checkpointer=InMemorySaver(),
    )
    await agent.ainvoke(asked("Weather?"), thread(session_id))
    assert said(await async_store.session(session_id).aget_messages()) == [("human", "Weather?")]
    edit = {"name": "clock", "args": {}}
    decision = {"type": "edit", "edited_action": edit}
    await agent.ainvoke(Command(resume={"decisions": [decision]}), thread(session_id))
    stored = await async_store.session(session_id).aget_messages()
    assert [one.type for one in stored] == ["human", "ai", "tool", "ai"]
    assert stored[2].text.endswith("noon")
    # The message as the state has it; what a reviewer changed is there, or in the result.
    state = (await agent.aget_state(thread(session_id))).values["messages"]
    assert stored[1] == state[1]


async def test_a_tool_that_interrupts_is_stored_once(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    def confirm() -> str:
        """Ask a person."""
        return str(interrupt("Sure?"))

    model = scripted(calling("weather", "confirm"), "Done.")
    agent = create_agent(
        model,
        [*TOOLS, confirm],
        middleware=[AsyncChatHistoryMiddleware(async_store, load=True)],
        checkpointer=InMemorySaver(),
    )
    await async_store.session(session_id).aadd_messages(asked("Before.")["messages"])
    await agent.ainvoke(asked("Go."), thread(session_id, max_concurrency=1))
    await agent.ainvoke(Command(resume="yes"), thread(session_id))
    stored = said(await async_store.session(session_id).aget_messages())
    whole = [("human", "Before."), ("human", "Go."), *STEP, ("tool", "yes"), ("ai", "Done.")]
    assert stored == whole
    assert said(model.prompts[-1]) == whole[:-1]


async def test_a_run_that_a_limit_ends_is_stored_to_its_end(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    limiting: Any = ModelCallLimitMiddleware(run_limit=1, exit_behavior="end")
    ours = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    agent = create_agent(scripted(calling("weather")), TOOLS, middleware=[limiting, ours])
    answer = await agent.ainvoke(asked("a"))
    assert len(answer["messages"]) == 4
    assert await async_store.session(session_id).aget_messages() == answer["messages"]
