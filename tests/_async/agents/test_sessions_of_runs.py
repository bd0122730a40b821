"""Which session, scope and label a run has, and what is refused before anything runs."""

from dataclasses import dataclass
from typing import Any, TypedDict

import pytest
from elasticsearch import AsyncElasticsearch
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware
from tests.support.agents import asked, calling, said, scripted, thread
from tests.support.client_requests import recorded


@dataclass
class Context:
    """What a service knows of a request."""

    session_id: Any = None
    user: str = "u1"


class Keys(TypedDict):
    """The same as keys."""

    session_id: str


@pytest.mark.parametrize("as_keys", [False, True])
async def test_the_context_of_a_run_names_its_session(
    async_store: AsyncElasticsearchChatStore, session_id: str, *, as_keys: bool
) -> None:
    middleware = AsyncChatHistoryMiddleware(async_store)
    agent: Any = create_agent(
        scripted("Hi."), middleware=[middleware], context_schema=Keys if as_keys else Context
    )
    context = {"session_id": session_id} if as_keys else Context(session_id)
    await agent.ainvoke(asked("Hello."), thread("other"), context=context)
    stored = said(await async_store.session(session_id).aget_messages())
    assert stored == [("human", "Hello."), ("ai", "Hi.")]


async def test_functions_say_session_scope_and_label(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    model = scripted("1", "2", "3")
    middleware = AsyncChatHistoryMiddleware(
        async_store,
        session_id=lambda runtime: f"{session_id}-{runtime.context.session_id}",
        scope=lambda runtime: {"user": runtime.context.user},
        metadata=lambda runtime: {"asked": runtime.context.user},
    )
    agent: Any = create_agent(model, middleware=[middleware], context_schema=Context)
    for user in ("u1", "u2", "u1"):
        await agent.ainvoke(asked(f"I am {user}"), context=Context("x", user))
    assert [[one.text for one in prompt] for prompt in model.prompts] == [
        ["I am u1"],
        ["I am u2"],
        ["I am u1", "1", "I am u1"],
    ]
    session = async_store.scoped({"user": "u2"}).session(f"{session_id}-x")
    stored = await session.aget_stored_messages()
    assert [dict(one.metadata) for one in stored] == [{"user": "u2", "asked": "u2"}] * 2


async def test_a_fixed_scope_and_label_hold_for_all_runs(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    middleware = AsyncChatHistoryMiddleware(
        async_store, session_id=session_id, scope={"user": "u1"}, metadata={"app": "a"}
    )
    await create_agent(scripted("Hi."), middleware=[middleware]).ainvoke(asked("Hello."))
    theirs = async_store.scoped({"user": "u1"}).session(session_id)
    stored = await theirs.aget_stored_messages()
    assert [dict(one.metadata) for one in stored] == [{"user": "u1", "app": "a"}] * 2


@pytest.mark.parametrize("has_checkpointer", [False, True])
async def test_an_agent_in_a_tool_has_a_session_of_its_own(
    async_store: AsyncElasticsearchChatStore, session_id: str, *, has_checkpointer: bool
) -> None:
    inner_model = scripted("I know.", "I still know.")
    inner_history = AsyncChatHistoryMiddleware(async_store, session_id=f"{session_id}/expert")
    inner: Any = create_agent(inner_model, middleware=[inner_history])

    async def expert() -> str:
        """Ask an expert."""
        answer = await inner.ainvoke(asked("What do you know?"))
        return str(answer["messages"][-1].text)

    agent = create_agent(
        scripted(calling("expert"), "a!", calling("expert"), "b!"),
        [expert],
        middleware=[AsyncChatHistoryMiddleware(async_store)],
        checkpointer=InMemorySaver() if has_checkpointer else None,
    )
    for question in "ab":
        await agent.ainvoke(asked(question), thread(session_id))
    assert said(await async_store.session(session_id).aget_messages()) == [
        *(("human", "a"), ("ai", ""), ("tool", "I know."), ("ai", "a!")),
        *(("human", "b"), ("ai", ""), ("tool", "I still know."), ("ai", "b!")),
    ]
    experts = [("human", "What do you know?"), ("ai", "I know."), ("human", "What do you know?")]
    assert said(inner_model.prompts[1]) == experts
    stored = said(await async_store.session(f"{session_id}/expert").aget_messages())
    assert stored == [*experts, ("ai", "I still know.")]


@pytest.mark.parametrize(
    ("options", "context", "raised"),
    [
        ({}, None, (ValueError, "no session id")),
        ({}, Context(7), (TypeError, "session_id must be a str")),
        ({}, Context(""), (ValueError, "session_id must not be empty")),
        ({"session_id": lambda _: None}, None, (TypeError, "session_id must return a str")),
        (
            {"session_id": "s", "scope": lambda _: None},
            None,
            (TypeError, "scope must return a map"),
        ),
        ({"session_id": "s", "scope": lambda _: {}}, None, (ValueError, "at least one key")),
        ({"session_id": "s", "metadata": lambda _: 1}, None, (TypeError, "metadata must return")),
    ],
)
async def test_a_run_without_what_it_needs_fails_before_anything_runs(
    async_store: AsyncElasticsearchChatStore,
    async_client: AsyncElasticsearch,
    options: dict[str, Any],
    context: Any,
    raised: tuple[type[Exception], str],
) -> None:
    requests = recorded(async_client)
    model = scripted("Never.")
    # Not being able to tell whose history it is, is no trouble of Elasticsearch.
    middleware = AsyncChatHistoryMiddleware(async_store, required=False, **options)
    agent: Any = create_agent(model, middleware=[middleware], context_schema=Context)
    with pytest.raises(raised[0], match=raised[1]):
        await agent.ainvoke(asked("Hello."), context=context)
    assert (model.prompts, requests) == ([], [])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"limit": 0}, ValueError, "limit must be at least 1"),
        ({"limit": "9"}, TypeError, "limit must be a whole number"),
        ({"load": "yes"}, TypeError, "load must be a bool"),
        ({"required": None}, TypeError, "required must be a bool"),
        ({"session_id": 7}, TypeError, "session_id must be a str"),
        ({"session_id": ""}, ValueError, "session_id must not be empty"),
        ({"scope": {}}, ValueError, "at least one key"),
        ({"scope": "u1"}, TypeError, "must be a mapping"),
        ({"metadata": "u1"}, TypeError, "metadata must be a mapping"),
    ],
)
async def test_bad_arguments_are_named(
    async_store: AsyncElasticsearchChatStore,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        AsyncChatHistoryMiddleware(async_store, **options)


async def test_a_state_whose_messages_have_no_ids_is_refused(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    middleware = AsyncChatHistoryMiddleware(async_store, session_id=session_id)
    state: Any = {"messages": [HumanMessage("Hello.")]}
    with pytest.raises(ValueError, match="add_messages"):
        await middleware.abefore_agent(state, None, {"configurable": {}})
    texts: Any = {"messages": ["Hello."]}
    with pytest.raises(TypeError, match="is a str"):
        await middleware.abefore_agent(texts, None, {"configurable": {}})


async def test_a_second_middleware_is_refused(
    async_store: AsyncElasticsearchChatStore, session_id: str
) -> None:
    class Another(AsyncChatHistoryMiddleware):
        pass

    both = [
        cls(async_store, session_id=session_id) for cls in (AsyncChatHistoryMiddleware, Another)
    ]
    with pytest.raises(ValueError, match="list one only"):
        await create_agent(scripted("Never."), middleware=both).ainvoke(asked("Hello."))
    with pytest.raises(AssertionError, match="duplicate"):
        create_agent(scripted("Never."), middleware=[both[0], both[0]])
