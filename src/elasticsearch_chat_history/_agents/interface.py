"""LangChain's interfaces of agents, and what the twins do differently because of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    PrivateStateAttr,
)
from langchain.tools.tool_node import ToolCallRequest
from langchain_core.messages import ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.types import Command
from typing_extensions import NotRequired

from elasticsearch_chat_history._acompat import async_finished
from elasticsearch_chat_history._agents.runs import AgentRun, HeldRun

RUN = "chat_history_run"
# The default of a parameter that langgraph always gives.
NO_CONFIG: RunnableConfig = {}

# As texts, because in older versions of langchain these classes take no parameters.
State: TypeAlias = "AgentState[Any]"
Update: TypeAlias = dict[str, Any]
Model: TypeAlias = "ModelRequest[Any]"
Answer: TypeAlias = "ModelResponse[Any]"
ToolResult: TypeAlias = "ToolMessage | Command[Any]"
AsyncModelHandler: TypeAlias = "Callable[[Model], Awaitable[Answer]]"
ModelHandler: TypeAlias = "Callable[[Model], Answer]"
AsyncToolHandler: TypeAlias = "Callable[[ToolCallRequest], Awaitable[ToolResult]]"
ToolHandler: TypeAlias = "Callable[[ToolCallRequest], ToolResult]"
AsyncText: TypeAlias = Callable[..., Awaitable[str]]
Text: TypeAlias = Callable[..., str]


class ChatHistoryState(AgentState[Any]):
    """The state of an agent with a history: no input, output or checkpoint holds what we add."""

    chat_history_run: NotRequired[Annotated[Any, UntrackedValue, PrivateStateAttr]]


if TYPE_CHECKING:
    _Middleware = AgentMiddleware[AgentState[Any], Any, Any]
else:
    _Middleware = AgentMiddleware


def held(run: AgentRun[Any]) -> Update:
    """Return the update of the state that holds a run."""
    holder = HeldRun()
    holder.run = run
    return {RUN: holder}


def run_in(state: Any) -> AgentRun[Any] | None:
    """Return the run that a state holds; None for one that was stored and loaded meanwhile."""
    holder = state.get(RUN) if isinstance(state, dict) else None
    return holder.run if isinstance(holder, HeldRun) else None


def refuse_second(state: Any) -> None:
    """Refuse a second middleware of ours in one agent.

    Raises:
        ValueError: There is another one.
    """
    if run_in(state) is not None:
        raise ValueError(
            "this agent has two middlewares that store its chat history, and each message would "
            "be stored twice: list one only"
        )


def shown(request: Model, run: AgentRun[Any]) -> Model:
    """Return the request with the window before the messages of the run."""
    if not run.window:
        return request
    messages: list[Any] = [*run.window, *request.messages]
    return request.override(messages=messages)


def results_in(returned: object, call_id: str | None) -> list[ToolMessage]:
    """Return the results of a call in what its tool returned."""
    if isinstance(returned, (list, tuple)):
        return [result for one in returned for result in results_in(one, call_id)]
    if isinstance(returned, Command):
        update = returned.update
        messages = update.get("messages") if isinstance(update, dict) else None
        # What is for another graph does not get into this state.
        if returned.graph is not None or not isinstance(messages, list):
            return []
        return results_in(messages, call_id)
    is_result = isinstance(returned, ToolMessage) and returned.tool_call_id == call_id
    return [returned] if is_result else []  # type: ignore[list-item]  # mypy sees no result


class MiddlewareInterface(_Middleware):
    """LangChain's interface of a middleware, synchronous: in an event loop it uses threads."""

    state_schema: type[AgentState[Any]] = ChatHistoryState

    async def awrap_model_call(self, request: Model, handler: AsyncModelHandler) -> Answer:
        """Let the model see the window, as `wrap_model_call()` does."""
        run = await run_in_executor(None, self._run_of_model, request)
        try:
            return await handler(shown(request, run))
        except BaseException:
            await self._keep(run, request.state)
            raise

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: AsyncToolHandler
    ) -> ToolResult:
        """Keep what a tool returned, as `wrap_tool_call()` does."""
        run = await run_in_executor(None, self._run_of_tool, request)
        try:
            returned = await handler(request)
        except BaseException:
            await self._keep(run, request.state)
            raise
        await async_finished(run_in_executor, None, self._take, run, request, returned)
        return returned

    async def _keep(self, run: AgentRun[Any], state: Any) -> None:
        await async_finished(run_in_executor, None, self._store_after_failure, run, state)

    def _run_of_model(self, request: Model) -> AgentRun[Any]:
        raise NotImplementedError

    def _run_of_tool(self, request: ToolCallRequest) -> AgentRun[Any]:
        raise NotImplementedError

    def _take(self, run: AgentRun[Any], request: ToolCallRequest, returned: ToolResult) -> None:
        raise NotImplementedError

    def _store_after_failure(self, run: AgentRun[Any], state: Any) -> None:
        raise NotImplementedError


class AsyncMiddlewareInterface(_Middleware):
    """LangChain's interface of a middleware, for the class whose hooks must be awaited."""

    state_schema: type[AgentState[Any]] = ChatHistoryState

    def before_agent(
        self,
        state: Any,  # noqa: ARG002  # LangChain's
        runtime: Any,  # noqa: ARG002  # LangChain's
        config: RunnableConfig = NO_CONFIG,  # noqa: ARG002  # langgraph looks at this signature
    ) -> NoReturn:
        """Not for this class: use `ainvoke()` or `astream()`."""
        self._refuse()

    def before_model(
        self,
        state: Any,  # noqa: ARG002  # LangChain's
        runtime: Any,  # noqa: ARG002  # LangChain's
        config: RunnableConfig = NO_CONFIG,  # noqa: ARG002  # langgraph looks at this signature
    ) -> NoReturn:
        """Not for this class: use `ainvoke()` or `astream()`."""
        self._refuse()

    def after_agent(
        self,
        state: Any,  # noqa: ARG002  # LangChain's
        runtime: Any,  # noqa: ARG002  # LangChain's
        config: RunnableConfig = NO_CONFIG,  # noqa: ARG002  # langgraph looks at this signature
    ) -> NoReturn:
        """Not for this class: use `ainvoke()` or `astream()`."""
        self._refuse()

    def wrap_model_call(
        self,
        request: Model,  # noqa: ARG002  # LangChain's
        handler: ModelHandler,  # noqa: ARG002  # LangChain's
    ) -> NoReturn:
        """Not for this class: use `ainvoke()` or `astream()`."""
        self._refuse()

    def wrap_tool_call(
        self,
        request: ToolCallRequest,  # noqa: ARG002  # LangChain's
        handler: ToolHandler,  # noqa: ARG002  # LangChain's
    ) -> NoReturn:
        """Not for this class: use `ainvoke()` or `astream()`."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__} is asynchronous: run the agent with `ainvoke()` or "
            "`astream()`, or give it a ChatHistoryMiddleware."
        )


def async_tool_of(name: str, description: str, call: AsyncText) -> BaseTool:
    """Return a tool that awaits `call`, and says so where nothing can be awaited."""

    @wraps(call)
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(
            f"{name} has an AsyncElasticsearchChatStore: run the agent with `ainvoke()` or "
            "`astream()`, or make the tools with an ElasticsearchChatStore."
        )

    return StructuredTool.from_function(refuse, call, name=name, description=description)


def tool_of(name: str, description: str, call: Text) -> BaseTool:
    """Return a tool that calls `call`; where it is awaited, in a thread."""

    @wraps(call)
    async def in_thread(*values: Any, **named: Any) -> str:
        return await run_in_executor(None, partial(call, *values, **named))

    return StructuredTool.from_function(call, in_thread, name=name, description=description)
