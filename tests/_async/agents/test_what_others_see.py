"""Streams, output and checkpoints of an agent hold nothing of its history."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware
from tests.support.agents import TOOLS, asked, calling, scripted, thread

SECRET = "Said long before."
MODES: Any = ["messages", "updates", "values", "custom", "debug", "tasks", "checkpoints"]


@pytest.mark.parametrize("mode", MODES)
async def test_no_stream_holds_earlier_messages(
    async_store: AsyncElasticsearchChatStore, session_id: str, mode: Any
) -> None:
    await async_store.session(session_id).aadd_messages(asked(SECRET)["messages"])
    model = scripted(calling("weather"), "It is sunny.")
    agent = create_agent(
        model,
        TOOLS,
        middleware=[AsyncChatHistoryMiddleware(async_store, load=True)],
        checkpointer=InMemorySaver(),
    )
    chunks = [
        chunk
        async for chunk in agent.astream(asked("Weather?"), thread(session_id), stream_mode=[mode])
    ]
    assert SECRET in str(model.prompts[1])
    assert SECRET not in repr(chunks)


async def test_output_and_checkpoint_hold_the_messages_of_the_run_only(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    await async_store.session(session_id).aadd_messages(asked(SECRET)["messages"])
    checkpointer = InMemorySaver()
    agent = create_agent(
        scripted(calling("weather", "clock"), "It is sunny."),
        TOOLS,
        middleware=[AsyncChatHistoryMiddleware(async_store, load=True)],
        checkpointer=checkpointer,
    )
    answer = await agent.ainvoke(asked("Weather?"), thread(session_id))
    assert set(answer) == {"messages"}
    kept = repr((checkpointer.blobs, checkpointer.writes, checkpointer.storage))
    assert "sunny" in kept
    assert SECRET not in kept
    values = (await agent.aget_state(thread(session_id))).values
    assert set(values) == {"messages"}
