"""A run that fails or is cut off keeps what happened, and spoils nothing for the next one."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from elasticsearch import ConnectionError as NoConnectionError
from langchain.agents import create_agent
from langchain.agents.middleware import ToolRetryMiddleware
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError

from elasticsearch_chat_history import AsyncElasticsearchChatStore, MessagesNotStoredError
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware
from tests.support.agents import (
    STEP,
    TOOLS,
    BrokenError,
    asked,
    calling,
    said,
    scripted,
    thread,
)
from tests.support.client_requests import failing, recorded

QUESTION = [("human", "Weather?")]
ANSWER = [("ai", "It is sunny.")]
FULL = [*QUESTION, *STEP, *ANSWER]


def agent_of(
    store: AsyncElasticsearchChatStore, session_id: str, model: Any, **options: Any
) -> Any:
    """Return an agent with a history, no retries of requests, and tools."""
    middleware = AsyncChatHistoryMiddleware(store, session_id=session_id, **options)
    return create_agent(model, TOOLS, middleware=[middleware])


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        ([BrokenError()], QUESTION),
        ([calling("weather"), BrokenError()], [*QUESTION, *STEP]),
        ([calling("broken")], [*QUESTION, ("ai", "")]),
        ([calling("weather"), calling("broken", first=2)], [*QUESTION, *STEP, ("ai", "")]),
    ],
)
async def test_what_happened_before_a_failure_is_kept(
    async_store: AsyncElasticsearchChatStore,
    session_id: str,
    answers: list[Any],
    kept: list[tuple[str, str]],
) -> None:
    with pytest.raises(BrokenError):
        await agent_of(async_store, session_id, scripted(*answers)).ainvoke(asked("Weather?"))
    assert said(await async_store.session(session_id).aget_messages()) == kept
    # Nothing of the step that failed is shown.
    model = scripted("Sorry.")
    await agent_of(async_store, session_id, model).ainvoke(asked("And now?"))
    whole = kept if kept[-1] != ("ai", "") else kept[:-1]
    assert said(model.prompts[0]) == [*whole, ("human", "And now?")]


async def test_a_result_beside_a_failed_call_is_kept(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    model = scripted(calling("weather", "broken"))
    with pytest.raises(BrokenError):
        await agent_of(async_store, session_id, model).ainvoke(
            asked("Both?"), {"max_concurrency": 1}
        )
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "Both?"), *STEP]


async def test_a_repeated_run_sees_the_same_and_stores_nothing_twice(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    await agent_of(async_store, session_id, scripted("Hi.", "Hm.")).ainvoke(asked("Hello."))
    failed = scripted(calling("weather"), BrokenError())
    again = scripted("It is sunny.")
    question = asked("Weather?", ids=["q"])
    with pytest.raises(BrokenError):
        await agent_of(async_store, session_id, failed, limit=2).ainvoke(question)
    await agent_of(async_store, session_id, again, limit=2).ainvoke(question)
    assert again.prompts[0] == failed.prompts[0]
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "Hello."), ("ai", "Hi."), *FULL]


async def test_a_run_that_is_resumed_stores_each_message_once(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    model = scripted(calling("weather"), BrokenError(), "It is sunny.", "Bye.")
    agent = create_agent(
        model,
        TOOLS,
        middleware=[AsyncChatHistoryMiddleware(async_store, session_id=session_id, load=True)],
        checkpointer=InMemorySaver(),
    )
    await async_store.session(session_id).aadd_messages(asked("Before.")["messages"])
    with pytest.raises(BrokenError):
        await agent.ainvoke(asked("Weather?"), thread(session_id))
    await agent.ainvoke(None, thread(session_id))
    whole = [("human", "Before."), *FULL]
    assert said(await async_store.session(session_id).aget_messages()) == whole
    assert said(model.prompts[2]) == whole[:-1]
    await agent.ainvoke(asked("Thanks."), thread(session_id))
    assert said(model.prompts[3]) == [*whole, ("human", "Thanks.")]


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_run_that_could_not_store_fails_and_can_be_repeated(
    async_store: AsyncElasticsearchChatStore,
    async_client: AsyncElasticsearch,
    session_id: str,
    before: int,
) -> None:
    model = scripted(calling("weather"), "It is sunny.")
    question = asked("Weather?", ids=["q"])
    await async_store.create_if_missing()
    restore = async_client.transport.perform_request
    failing(async_client, "_bulk", NoConnectionError("gone"), after=before)
    fragile = AsyncElasticsearchChatStore(async_store.index, client=async_client, max_retries=0)
    with pytest.raises((NoConnectionError, MessagesNotStoredError)):
        await agent_of(fragile, session_id, model).ainvoke(question)
    # The next call of the model was not made.
    assert len(model.prompts) == before
    async_client.transport.perform_request = restore  # type: ignore[method-assign]
    again = scripted(calling("weather"), "It is sunny.")
    await agent_of(async_store, session_id, again).ainvoke(question)
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == (FULL if before < 2 else [*QUESTION, *STEP, *STEP, *ANSWER])


async def test_a_run_whose_history_cannot_be_read_pays_for_no_model(
    async_store: AsyncElasticsearchChatStore, async_client: AsyncElasticsearch, session_id: str
) -> None:
    await async_store.create_if_missing()
    model = scripted("Never.")
    fragile = AsyncElasticsearchChatStore(async_store.index, client=async_client, max_retries=0)
    failing(async_client, "_search", NoConnectionError("gone"))
    requests = recorded(async_client)
    with pytest.raises(NoConnectionError):
        await agent_of(fragile, session_id, model).ainvoke(asked("Hello?"))
    assert model.prompts == []
    assert [one.endpoint for one in requests] == ["_bulk", "_search"]


async def test_a_run_that_takes_too_many_steps_keeps_them(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    model = scripted(*(calling("weather", first=number) for number in range(9)))
    with pytest.raises(GraphRecursionError):
        await agent_of(async_store, session_id, model).ainvoke(
            asked("Weather?"), {"recursion_limit": 7}
        )
    steps = len(model.prompts)
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [*QUESTION, *(STEP * steps)]


async def test_a_stream_that_is_left_keeps_what_happened(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    model = scripted(calling("weather"), "Never.")
    updates = agent_of(async_store, session_id, model).astream(
        asked("Weather?"), stream_mode="updates"
    )
    async for update in updates:
        if "tools" in update:
            break
    await updates.aclose()
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [*QUESTION, *STEP]


@pytest.mark.parametrize("is_outer", [False, True])
async def test_what_another_middleware_makes_of_a_failure_is_stored_once(
    async_store: AsyncElasticsearchChatStore, session_id: str, *, is_outer: bool
) -> None:
    retrying = ToolRetryMiddleware(
        max_retries=1,
        initial_delay=0,
        jitter=False,
        on_failure=lambda _: "It broke.",
    )
    ours = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    middleware: list[Any] = [retrying, ours] if is_outer else [ours, retrying]
    model = scripted(calling("broken"), "Sorry.")
    await create_agent(model, TOOLS, middleware=middleware).ainvoke(asked("Break."))
    assert said(await async_store.session(session_id).aget_messages()) == [
        ("human", "Break."),
        ("ai", ""),
        ("tool", "It broke."),
        ("ai", "Sorry."),
    ]


async def test_a_tool_is_not_called_again_because_its_result_was_not_stored(
    async_store: AsyncElasticsearchChatStore, async_client: AsyncElasticsearch, session_id: str
) -> None:
    called: list[None] = []

    def pay() -> str:
        """Pay once."""
        called.append(None)
        return "Paid."

    await async_store.create_if_missing()
    fragile = AsyncElasticsearchChatStore(async_store.index, client=async_client, max_retries=0)
    failing(async_client, "_bulk", NoConnectionError("gone"), after=1)
    retrying = ToolRetryMiddleware(max_retries=2, initial_delay=0, jitter=False)
    ours = AsyncChatHistoryMiddleware(fragile, session_id=session_id)
    agent = create_agent(scripted(calling("pay")), [pay], middleware=[retrying, ours])
    with pytest.raises((NoConnectionError, MessagesNotStoredError)):
        await agent.ainvoke(asked("Pay."))
    assert len(called) == 1
