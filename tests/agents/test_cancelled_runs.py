"""A run that is cancelled keeps what happened until then."""

import asyncio
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware
from tests.support.agents import STEP, ScriptedModel, asked, calling, said, scripted, weather


class HangingModel(ScriptedModel):
    """Says that it was called with the last of its answers, and never answers."""

    reached: Any = None

    async def _agenerate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **_: Any
    ) -> ChatResult:
        if self.answers:
            return self._generate(messages, stop, run_manager)
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def cancelled(agent: Any, reached: asyncio.Event) -> None:
    """Run an agent, and cancel it as soon as it hangs."""
    running = asyncio.create_task(agent.ainvoke(asked("Weather?"), {"max_concurrency": 1}))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.fixture
def async_store(
    shared_index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(shared_index, client=async_client)


async def test_a_run_that_is_cancelled_while_a_tool_works(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    reached = asyncio.Event()

    async def hang() -> str:
        """Never return."""
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    middleware = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    model = scripted(calling("weather", "hang"))
    await cancelled(create_agent(model, [weather, hang], middleware=[middleware]), reached)
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "Weather?"), *STEP]


async def test_a_run_that_is_cancelled_while_the_model_works(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    reached = asyncio.Event()
    model = HangingModel(answers=[calling("weather")], reached=reached)
    middleware = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    await cancelled(create_agent(model, [weather], middleware=[middleware]), reached)
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "Weather?"), *STEP]
