"""What a middleware does in a run: load the window, and store what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._agents.interface import results_in
from elasticsearch_chat_history._agents.runs import AgentRun
from elasticsearch_chat_history._agents.settings import (
    Place,
    resolved_mapping,
    session_name,
)
from elasticsearch_chat_history._agents.windows import first_of, whole_steps
from elasticsearch_chat_history._async.chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._errors import ChatHistoryError
from elasticsearch_chat_history._reporting import LOGGER, describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain.tools.tool_node import ToolCallRequest
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from elasticsearch_chat_history._agents.runs import KnownMessages
    from elasticsearch_chat_history._agents.settings import Settings
    from elasticsearch_chat_history._async.chat_store import AsyncElasticsearchChatStore
    from elasticsearch_chat_history._results import StoreResult

AsyncHistoryRun: TypeAlias = AgentRun[AsyncElasticsearchChatMessageHistory]

# What goes wrong with Elasticsearch or with what is stored there, and is no mistake of a caller.
TROUBLE = (ChatHistoryError, ApiError, TransportError)


class AsyncRunner:
    """Makes the runs of a middleware, and does what its hooks ask for.

    Args:
        store: The store.
        settings: The arguments of the middleware.
        known: What this process knows to be stored.
    """

    def __init__(
        self, store: AsyncElasticsearchChatStore, settings: Settings, known: KnownMessages
    ) -> None:
        self._settings = settings
        self._known = known
        fixed = None if callable(settings.scope) else settings.scope
        self._store = store if fixed is None else store.scoped(fixed)

    def run_of(
        self, messages: Sequence[BaseMessage], runtime: Any, config: RunnableConfig | None = None
    ) -> AsyncHistoryRun:
        """Return a new run, which has sent nothing yet.

        Raises:
            ValueError: There is no session id, or the scope or metadata cannot be used.
            TypeError: One of them is of the wrong type.
        """
        settings = self._settings
        place = Place.of(config, runtime)
        session_id = settings.session_of(runtime, place)
        scope = resolved_mapping("scope", settings.scope, runtime)
        store = self._store
        if scope is not None and callable(settings.scope):
            store = store.scoped(scope)
        run = AsyncHistoryRun(
            store.session(session_id, metadata=settings.metadata_of(runtime)),
            session_name(session_id, scope),
            self._known,
            remembers=place.has_checkpointer,
            loads=not place.keeps(messages) if settings.load is None else settings.load,
        )
        run.see(messages)
        return run

    async def begin(
        self, messages: Sequence[BaseMessage], runtime: Any, config: RunnableConfig | None = None
    ) -> AsyncHistoryRun:
        """Return a new run that has stored what is new, and has its window.

        Raises:
            Exception: What `run_of()` raises; or the history could not be read or written, and the
                run needs it.
        """
        run = self.run_of(messages, runtime, config)
        try:
            pending = run.pending()
            keys = list(pending)
            result = await run.history.astore_messages(list(pending.values()), message_keys=keys)
            run.stored(pending)
            if run.loads:
                await self._load(run, messages, result)
        except TROUBLE as error:
            self._give_up(run, error)
        return run

    async def store(self, run: AsyncHistoryRun, messages: Sequence[BaseMessage]) -> None:
        """Store what is new in a run.

        Raises:
            Exception: It is not stored, and the run needs it.
        """
        if run.off:
            return
        run.see(messages)
        try:
            await self._store_pending(run)
        except TROUBLE as error:
            self._give_up(run, error)

    async def store_after_failure(self, run: AsyncHistoryRun, state: Any) -> None:
        """Store what is new in a run that fails; an error here must not hide the other one."""
        if run.off:
            return
        try:
            run.see(state["messages"])
            await self._store_pending(run)
        except Exception as error:  # noqa: BLE001  # the other error is raised
            LOGGER.warning(
                "The last messages of a run that failed are not stored in session %r: %s",
                run.history.session_id,
                describe(error),
            )

    async def take(self, run: AsyncHistoryRun, request: ToolCallRequest, returned: object) -> None:
        """Take what a tool returned, and store it as soon as all calls of its step have ended.

        An error is left for the next step, as the tool must not be called again for it.
        """
        if run.off:
            return
        messages = request.state["messages"]
        whole = False
        for result in results_in(returned, request.tool_call["id"]):
            whole = run.see_result(messages, result)
        if whole:
            try:
                await self._store_pending(run)
            except TROUBLE as error:
                if not self._settings.required:
                    self._give_up(run, error)

    async def _load(
        self, run: AsyncHistoryRun, messages: Sequence[BaseMessage], result: StoreResult
    ) -> None:
        """Load the window: what the session had before the first message of the state."""
        limit = self._settings.limit
        own = {message.id for message in messages if message.id}
        # A run that is repeated sees what it saw before.
        before = result.stored[result.existing[0]].id if result.existing else None
        wanted = limit + len(result.stored) - len(result.existing)
        while True:
            page = await run.history.aget_stored_messages(limit=wanted, before=before)
            first = first_of(page, own)
            if first is None or first >= limit or len(page) < wanted:
                break
            before, wanted = page[first].id, limit
        run.window = whole_steps([one.message for one in page[:first][-limit:]])

    async def _store_pending(self, run: AsyncHistoryRun) -> None:
        pending = run.pending()
        if pending:
            await run.history.aadd_messages(list(pending.values()), message_keys=list(pending))
            run.stored(pending)

    def _give_up(self, run: AsyncHistoryRun, error: Exception) -> None:
        """Let a run go on without its history, if it may; else raise the error again."""
        if self._settings.required:
            raise error
        run.off = True
        LOGGER.warning(
            "An agent goes on without its chat history in session %r: %s",
            run.history.session_id,
            str(error) if isinstance(error, ChatHistoryError) else describe(error),
        )
