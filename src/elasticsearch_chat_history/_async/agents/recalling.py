"""Tools with which an agent recalls what was said in other conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool

from elasticsearch_chat_history._agents.interface import async_tool_of
from elasticsearch_chat_history._agents.recall_texts import (
    MOST_HITS,
    MOST_MESSAGES,
    MOST_SESSIONS,
    SHOWN_TYPES,
    hits_text,
    messages_text,
    no_conversation,
    sessions_text,
)
from elasticsearch_chat_history._agents.settings import (
    MetadataOf,
    SessionIdsOf,
    checked_store,
    resolved_ids,
    resolved_mapping,
)
from elasticsearch_chat_history._async.chat_store import AsyncElasticsearchChatStore

if TYPE_CHECKING:
    from elasticsearch_chat_history._results import SearchHit, SessionSummary


class AsyncRecall:
    """Searches, reads and lists what an agent may see.

    Args:
        store: The store.
        scope: The metadata of what it may see, or a function of the runtime that returns it.
        session_ids: The sessions that it may see, or a function that returns them.
    """

    def __init__(
        self,
        store: AsyncElasticsearchChatStore,
        scope: MetadataOf | None,
        session_ids: SessionIdsOf | None,
    ) -> None:
        self._scope = scope
        self._session_ids = session_ids
        fixed = None if callable(scope) else scope
        self._store = store if fixed is None else store.scoped(fixed)
        if not callable(session_ids):
            resolved_ids(session_ids, None)

    async def search_conversations(
        self,
        query: Annotated[str, "The words to search for; words in quotes match as a phrase."],
        runtime: ToolRuntime[Any, Any],
    ) -> str:
        """Return the messages that match best."""
        store, allowed = self._bounds(runtime)
        hits: list[SearchHit] = []
        for session_id in [None] if allowed is None else allowed:
            hits += await store.asearch(
                query, session_id=session_id, types=SHOWN_TYPES, limit=MOST_HITS
            )
        hits.sort(key=lambda hit: hit.score, reverse=True)
        return hits_text(hits[:MOST_HITS])

    async def read_conversation(
        self,
        session_id: Annotated[str, "The conversation, as a search or the list names it."],
        runtime: ToolRuntime[Any, Any],
        before: Annotated[
            str | None, "The id that an earlier call has told, for the messages before these."
        ] = None,
    ) -> str:
        """Return the last messages of a session."""
        store, allowed = self._bounds(runtime)
        if allowed is not None and session_id not in allowed:
            return no_conversation(session_id)
        try:
            messages = await store.session(session_id).aget_stored_messages(
                limit=MOST_MESSAGES + 1, before=before or None, types=SHOWN_TYPES
            )
        except ValueError:
            # No session has such an id, or no message of it.
            return no_conversation(session_id)
        if not messages:
            return no_conversation(session_id)
        more = len(messages) > MOST_MESSAGES
        return messages_text(session_id, messages[-MOST_MESSAGES:], more=more)

    async def list_conversations(self, runtime: ToolRuntime[Any, Any]) -> str:
        """Return the sessions with the newest messages."""
        store, allowed = self._bounds(runtime)
        if allowed is None:
            return sessions_text(await store.alist_sessions(limit=MOST_SESSIONS))
        found: list[SessionSummary] = []
        for session_id in allowed:
            # The first of those that begin so, by id, is the session itself.
            page = await store.alist_sessions(order="id", prefix=session_id, limit=1)
            found += [one for one in page if one.session_id == session_id]
        found.sort(key=lambda one: one.last_at, reverse=True)
        return sessions_text(found[:MOST_SESSIONS])

    def _bounds(self, runtime: Any) -> tuple[AsyncElasticsearchChatStore, Sequence[str] | None]:
        """Return the store and the sessions that a call may see; None allows all of the store."""
        store = self._store
        scope = resolved_mapping("scope", self._scope, runtime)
        if scope is not None and callable(self._scope):
            store = store.scoped(scope)
        return store, resolved_ids(self._session_ids, runtime)


def async_recall_tools(
    store: object, scope: MetadataOf | None, session_ids: SessionIdsOf | None
) -> list[BaseTool]:
    """Return the tools over a store."""
    recall = AsyncRecall(checked_store(store, AsyncElasticsearchChatStore), scope, session_ids)
    return [
        async_tool_of(
            "search_conversations",
            "Search what was said in earlier conversations. Returns the best matches, each with "
            "its date and conversation.",
            recall.search_conversations,
        ),
        async_tool_of(
            "read_conversation",
            "Read the last messages of an earlier conversation.",
            recall.read_conversation,
        ),
        async_tool_of(
            "list_conversations",
            "List earlier conversations, newest first, with their dates and first messages.",
            recall.list_conversations,
        ),
    ]
