"""Each class says which one to use where it cannot work, and works in a thread where it can."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain.agents import create_agent
from langchain_core.messages import AIMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ElasticsearchChatStore
from elasticsearch_chat_history.agents import (
    AsyncChatHistoryMiddleware,
    ChatHistoryMiddleware,
    history_tools,
)
from tests.support.agents import STEP, TOOLS, BrokenError, asked, calling, said, scripted


async def test_the_synchronous_one_works_in_an_event_loop(
    shared_index: str, client: Elasticsearch, session_id: str
) -> None:
    store = ElasticsearchChatStore(shared_index, client=client)
    agent = create_agent(
        scripted(calling("weather"), "It is sunny."),
        TOOLS,
        middleware=[ChatHistoryMiddleware(store, session_id=session_id)],
    )
    await agent.ainvoke(asked("Weather?"))
    whole = [("human", "Weather?"), *STEP, ("ai", "It is sunny.")]
    assert said(store.session(session_id).messages) == whole


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ([calling("weather", "broken")], [("human", "a"), *STEP]),
        ([calling("weather"), BrokenError()], [("human", "a"), *STEP]),
    ],
)
async def test_the_synchronous_one_keeps_what_happened_in_an_event_loop(
    shared_index: str,
    client: Elasticsearch,
    session_id: str,
    answers: list[Any],
    kept: list[tuple[str, str]],
) -> None:
    store = ElasticsearchChatStore(shared_index, client=client)
    middleware = ChatHistoryMiddleware(store, session_id=session_id)
    agent = create_agent(scripted(*answers), TOOLS, middleware=[middleware])
    with pytest.raises(BrokenError):
        await agent.ainvoke(asked("a"), {"max_concurrency": 1})
    assert said(store.session(session_id).messages) == kept


@pytest.mark.parametrize("hook", ["before_agent", "before_model", "after_agent"])
async def test_the_asynchronous_one_names_the_other(
    shared_index: str, async_client: AsyncElasticsearch, hook: str
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client)
    middleware = AsyncChatHistoryMiddleware(store, session_id="s")
    model = scripted("Never.")
    with pytest.raises(NotImplementedError, match="give it a ChatHistoryMiddleware"):
        create_agent(model, middleware=[middleware]).invoke(asked("Hello?"))
    assert model.prompts == []
    with pytest.raises(NotImplementedError, match="give it a ChatHistoryMiddleware"):
        getattr(middleware, hook)({"messages": []}, None)
    for wrap in (middleware.wrap_model_call, middleware.wrap_tool_call):
        with pytest.raises(NotImplementedError, match="give it a ChatHistoryMiddleware"):
            wrap(None, None)  # type: ignore[arg-type]


async def test_a_store_of_the_other_twin_is_refused(
    shared_index: str, async_client: AsyncElasticsearch, client: Elasticsearch
) -> None:
    store = ElasticsearchChatStore(shared_index, client=client)
    other = AsyncElasticsearchChatStore(shared_index, client=async_client)
    with pytest.raises(TypeError, match="use ChatHistoryMiddleware with it"):
        AsyncChatHistoryMiddleware(store)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="use AsyncChatHistoryMiddleware with it"):
        ChatHistoryMiddleware(other)  # type: ignore[arg-type]
    for refusing in (AsyncChatHistoryMiddleware, ChatHistoryMiddleware, history_tools):
        refused: Any = refusing
        with pytest.raises(TypeError, match=r"is of the type str$"):
            refused("chats")


def recalling() -> Any:
    call = {"name": "list_conversations", "args": {}, "id": "call-1", "type": "tool_call"}
    return scripted(AIMessage("", tool_calls=[call]), "Done.")


async def test_tools_of_a_synchronous_store_work_in_an_event_loop(
    index: str, client: Elasticsearch
) -> None:
    agent = create_agent(recalling(), history_tools(ElasticsearchChatStore(index, client=client)))
    answer = await agent.ainvoke(asked("What?"))
    assert answer["messages"][2].text == "There are no conversations."


async def test_tools_of_an_asynchronous_store_say_where_they_work(
    index: str, async_client: AsyncElasticsearch
) -> None:
    tools = history_tools(AsyncElasticsearchChatStore(index, client=async_client))
    with pytest.raises(NotImplementedError, match="an ElasticsearchChatStore"):
        create_agent(recalling(), tools).invoke(asked("What?"))
