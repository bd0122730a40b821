"""The recall tools of agents, over a store of either twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.tools import BaseTool

from elasticsearch_chat_history._async.agents.recalling import async_recall_tools
from elasticsearch_chat_history._async.chat_store import AsyncElasticsearchChatStore
from elasticsearch_chat_history._sync.agents.recalling import recall_tools
from elasticsearch_chat_history._sync.chat_store import ElasticsearchChatStore


def history_tools(
    store: ElasticsearchChatStore | AsyncElasticsearchChatStore,
    *,
    scope: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None,
    session_ids: Sequence[str] | Callable[[Any], Sequence[str]] | None = None,
) -> list[BaseTool]:
    """Return tools with which an agent recalls what was said in other conversations.

    `search_conversations` finds messages by words, `read_conversation` returns the last messages
    of a session, `list_conversations` the sessions with the newest messages. Their results are
    short texts with dates that name the session. Long messages are cut, and end with `[…]`.
    Results of tools are not shown.

    `scope` and `session_ids` say what the tools may see. The model cannot change them: asked for
    another session, the tools answer that there is none. Without either, all sessions of the
    store are seen, also those of other users.

    The tools of an `AsyncElasticsearchChatStore` need `ainvoke()` or `astream()` of the agent.
    Those of an `ElasticsearchChatStore` work with all; where they are awaited, in a thread.

    Args:
        store: The store that holds the conversations.
        scope: The metadata that the store is scoped with, or a function of LangChain's
            `ToolRuntime` that returns it.
        session_ids: The sessions that may be seen, or a function that returns them. Each is
            searched and listed with a request of its own.

    Returns:
        The three tools, for `create_agent(tools=...)`.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `scope` has an unusable value.

    Example:
        ```python
        from langchain.agents import create_agent
        from elasticsearch_chat_history.agents import history_tools

        agent = create_agent(model, tools=history_tools(store, scope={"user": "u1"}))
        ```
    """
    if isinstance(store, AsyncElasticsearchChatStore):
        return async_recall_tools(store, scope, session_ids)
    return recall_tools(store, scope, session_ids)
