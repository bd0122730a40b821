"""The middleware of agents: each hook calls what does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langchain.tools.tool_node import ToolCallRequest
from langchain_core.runnables import RunnableConfig

from elasticsearch_chat_history._acompat import async_finished
from elasticsearch_chat_history._agents.interface import (
    NO_CONFIG,
    Answer,
    AsyncMiddlewareInterface,
    AsyncModelHandler,
    AsyncToolHandler,
    Model,
    State,
    ToolResult,
    Update,
    held,
    refuse_second,
    run_in,
    shown,
)
from elasticsearch_chat_history._agents.runs import KnownMessages
from elasticsearch_chat_history._agents.settings import Settings, checked_store
from elasticsearch_chat_history._async.agents.running import AsyncHistoryRun, AsyncRunner
from elasticsearch_chat_history._async.chat_store import AsyncElasticsearchChatStore


class AsyncChatHistoryMiddleware(AsyncMiddlewareInterface):
    """Keeps the conversations of an agent of `create_agent()` in Elasticsearch.

    Before a run, the last messages of its session are loaded, and each call of the model sees them
    before the messages of the run. What the run adds is stored in its order, each message once:
    its input before the first call of the model, each call of tools with its results as soon as
    all have ended, and the answer at the end. A message is known by its id, so a run that is
    repeated with the same messages stores nothing twice.

    A run that fails or is cancelled keeps what happened until then. Of what is stored, a model
    sees no call without all its results, and no result without its call: these stay stored and
    are left out of the window.

    Input and results of tools are stored as they come. Answers and calls of the model are stored
    as the `after_model` hooks of other middlewares leave them. What changes later under the id of
    a message that is stored is not stored. Summaries of `SummarizationMiddleware` are not stored,
    the messages that they replace are, in whichever order the two are listed.

    Nothing of this gets into the output of the agent, its streams or a checkpoint. An agent has
    one such middleware. It needs `ainvoke()` or `astream()`.

    Args:
        store: The store that holds the conversations.
        session_id: The session of a run, or a function of LangGraph's runtime that returns it.
            None means the `session_id` of the run's context (an attribute or a key), or else the
            `thread_id` of its config.
        limit: How many of the last messages of the session a model sees, at least 1.
        load: Whether earlier messages are loaded. None loads them unless a checkpointer keeps the
            thread, in which the model sees them anyway.
        scope: The metadata that the store is scoped with, or a function of the runtime that
            returns it: the wall between users. See `scoped()` of the store.
        metadata: A label of the messages that are stored, or a function of the runtime that
            returns it.
        required: Whether a run fails if its history cannot be read or written, before the model
            is called again. With False it goes on without, and says so once in the log.

    Raises:
        TypeError: An argument is of the wrong type, such as a store of the other kind.
        ValueError: An argument has an unusable value.

    Example:
        ```python
        from langchain.agents import create_agent
        from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware

        agent = create_agent(model, middleware=[AsyncChatHistoryMiddleware(store)])
        question = {"messages": [("user", "What is a shard?")]}
        await agent.ainvoke(question, {"configurable": {"thread_id": "session-1"}})
        ```
    """

    def __init__(
        self,
        store: AsyncElasticsearchChatStore,
        *,
        session_id: str | Callable[[Any], str] | None = None,
        limit: int = 50,
        load: bool | None = None,
        scope: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None,
        metadata: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None,
        required: bool = True,
    ) -> None:
        super().__init__()
        settings = Settings(
            session_id=session_id,
            limit=limit,
            load=load,
            scope=scope,
            metadata=metadata,
            required=required,
        )
        checked = checked_store(store, AsyncElasticsearchChatStore)
        self._runner = AsyncRunner(checked, settings, KnownMessages())

    async def abefore_agent(
        self, state: State, runtime: Any, config: RunnableConfig = NO_CONFIG
    ) -> Update:
        """Store the input, and load the window. LangChain calls this."""
        refuse_second(state)
        return held(await self._runner.begin(state["messages"], runtime, config))

    async def abefore_model(
        self, state: State, runtime: Any, config: RunnableConfig = NO_CONFIG
    ) -> Update | None:
        """Store what is new. LangChain calls this."""
        run = run_in(state)
        if run is None:
            # A run that is resumed after an interrupt does not begin again.
            return held(await self._runner.begin(state["messages"], runtime, config))
        await self._runner.store(run, state["messages"])
        return None

    async def aafter_agent(
        self, state: State, runtime: Any, config: RunnableConfig = NO_CONFIG
    ) -> None:
        """Store what is new. LangChain calls this."""
        run = run_in(state) or self._runner.run_of(state["messages"], runtime, config)
        await self._runner.store(run, state["messages"])

    async def awrap_model_call(self, request: Model, handler: AsyncModelHandler) -> Answer:
        """Let the model see the window before the messages of the run. LangChain calls this."""
        run = await self._run_of_model(request)
        try:
            return await handler(shown(request, run))
        except BaseException:
            await async_finished(self._store_after_failure, run, request.state)
            raise

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: AsyncToolHandler
    ) -> ToolResult:
        """Keep the call and what its tool returned. LangChain calls this."""
        run = self._run_of_tool(request)
        try:
            returned = await handler(request)
        except BaseException:
            await async_finished(self._store_after_failure, run, request.state)
            raise
        await async_finished(self._take, run, request, returned)
        return returned

    async def _run_of_model(self, request: Model) -> AsyncHistoryRun:
        run = run_in(request.state)
        return run or await self._runner.begin(request.state["messages"], request.runtime)

    def _run_of_tool(self, request: ToolCallRequest) -> AsyncHistoryRun:
        run = run_in(request.state)
        return run or self._runner.run_of(
            request.state["messages"], request.runtime, request.runtime.config
        )

    async def _take(
        self, run: AsyncHistoryRun, request: ToolCallRequest, returned: ToolResult
    ) -> None:
        await self._runner.take(run, request, returned)

    async def _store_after_failure(self, run: AsyncHistoryRun, state: Any) -> None:
        await self._runner.store_after_failure(run, state)
