"""When Elasticsearch is away, a run fails before a model is called, or goes on and says so."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from elasticsearch import ConnectionError as NoConnectionError
from langchain.agents import create_agent

from elasticsearch_chat_history import AsyncElasticsearchChatStore, UnreadableMessageError
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware
from tests.support.agents import STEP, TOOLS, asked, calling, said, scripted
from tests.support.client_requests import failing
from tests.support.server import store as store_documents
from tests.support.wrong_ports import closed_port

GOES_ON = "goes on without its chat history"


def said_to_go_on(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for line in caplog.messages if GOES_ON in line]


async def test_a_run_fails_before_the_model_is_called() -> None:
    model = scripted("Never.")
    with closed_port() as url:
        async with AsyncElasticsearchChatStore("chats", es_url=url, max_retries=0) as away:
            middleware = AsyncChatHistoryMiddleware(away, session_id="s")
            with pytest.raises(NoConnectionError):
                await create_agent(model, middleware=[middleware]).ainvoke(asked("Hello?"))
    assert model.prompts == []


async def test_a_run_that_may_goes_on_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    model = scripted(calling("weather"), "It is sunny.")
    with closed_port() as url:
        async with AsyncElasticsearchChatStore("chats", es_url=url, max_retries=0) as away:
            middleware = AsyncChatHistoryMiddleware(away, session_id="s", required=False)
            agent = create_agent(model, TOOLS, middleware=[middleware])
            answer = await agent.ainvoke(asked("Weather?"))
    assert said(answer["messages"]) == [("human", "Weather?"), *STEP, ("ai", "It is sunny.")]
    (line,) = said_to_go_on(caplog)
    assert "'s'" in line
    assert "Weather?" not in caplog.text


@pytest.mark.parametrize("lost", [("_search", 0), ("_bulk", 1), ("_bulk", 2)])
async def test_a_run_goes_on_wherever_it_loses_elasticsearch(
    async_store: AsyncElasticsearchChatStore,
    async_client: AsyncElasticsearch,
    session_id: str,
    caplog: pytest.LogCaptureFixture,
    lost: tuple[str, int],
) -> None:
    await async_store.create_if_missing()
    fragile = AsyncElasticsearchChatStore(async_store.index, client=async_client, max_retries=0)
    endpoint, before = lost
    failing(async_client, endpoint, NoConnectionError("gone"), after=before)
    middleware = AsyncChatHistoryMiddleware(fragile, session_id=session_id, required=False)
    model = scripted(calling("weather"), "It is sunny.")
    answer = await create_agent(model, TOOLS, middleware=[middleware]).ainvoke(asked("Weather?"))
    assert len(answer["messages"]) == 4
    assert len(said_to_go_on(caplog)) == 1


@pytest.mark.parametrize("required", [False, True])
async def test_a_message_that_cannot_be_read_is_trouble_too(
    async_store: AsyncElasticsearchChatStore, admin: Any, session_id: str, *, required: bool
) -> None:
    broken = {"session_id": session_id, "created_at": 1, "history": "no JSON"}
    await async_store.create_if_missing()
    store_documents(admin, async_store.index, [broken])
    middleware = AsyncChatHistoryMiddleware(async_store, session_id=session_id, required=required)
    model = scripted("Hi.")
    agent = create_agent(model, middleware=[middleware])
    if required:
        with pytest.raises(UnreadableMessageError):
            await agent.ainvoke(asked("Hello."))
    else:
        await agent.ainvoke(asked("Hello."))
    assert len(model.prompts) == (0 if required else 1)
