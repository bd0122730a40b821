"""The same service with an agent of LangChain: the middleware stores each step as it happens.

The agent has the recall tools beside its own, so that it finds what the user said in other
conversations. It needs langchain: the extra `agents` of the package.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from chat_service.events import Event, Token, ToolCalled
from chat_service.model import TOOLS
from chat_service.turn import (
    MOST_ROUNDS,
    WINDOW,
    NewTurn,
    is_complete,
    partial_answer,
    store_answer,
)
from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    StoredMessage,
)
from elasticsearch_chat_history.agents import AsyncChatHistoryMiddleware, history_tools

PROMPT = (
    "You are a helpful assistant. When the user refers to earlier conversations, look there with "
    "your tools before you answer."
)


@dataclass(frozen=True)
class Asker:
    """Who asks, where and with which request: the context of a run."""

    user: str
    session_id: str
    key: str


def scope_of(runtime: Any) -> dict[str, str]:
    """Return what the agent may see: the user's own messages, whatever a model says."""
    return {"user": runtime.context.user}


def label_of(runtime: Any) -> dict[str, str]:
    """Return the label of what the agent says."""
    return {"request": runtime.context.key}


def agent_turns(model: BaseChatModel, store: AsyncElasticsearchChatStore) -> NewTurn:
    """Return what makes the turns of an agent."""
    limit: Any = ModelCallLimitMiddleware(run_limit=MOST_ROUNDS, exit_behavior="error")
    agent = create_agent(
        model,
        tools=[*TOOLS.values(), *history_tools(store, scope=scope_of)],
        system_prompt=PROMPT,
        middleware=[
            AsyncChatHistoryMiddleware(store, limit=WINDOW, scope=scope_of, metadata=label_of),
            limit,
        ],
        context_schema=Asker,
    )
    return lambda user, key, history: AgentTurn(
        agent, Asker(user, history.session_id, key), history
    )


class AgentTurn:
    """A turn of an agent.

    Args:
        agent: The agent, whose middleware stores what it does.
        asker: Who asks.
        history: The conversation.
    """

    def __init__(
        self, agent: Any, asker: Asker, history: AsyncElasticsearchChatMessageHistory
    ) -> None:
        self._agent = agent
        self._asker = asker
        self._history = history
        self._begun = ""

    async def run(self) -> AsyncIterator[Event]:
        """Run the agent, and yield what it does."""
        # The question is stored, and so are the steps of an attempt that broke off: the agent
        # goes on from there, and needs no messages beside.
        stream = self._agent.astream(
            {"messages": []}, context=self._asker, stream_mode=["messages", "updates"]
        )
        async for mode, data in stream:
            if mode == "messages":
                message, about = data
                if about["langgraph_node"] == "model" and message.text:
                    self._begun += message.text
                    yield Token(text=message.text)
            else:
                for message in answers_in(data):
                    self._begun = ""
                    for call in message.tool_calls:
                        yield ToolCalled(name=call["name"])

    async def store(self, asked: StoredMessage, partial: str | None) -> list[StoredMessage]:
        """Store the beginning of an answer that broke off; the middleware stored all else."""
        page = await self._history.aget_stored_messages(limit=WINDOW)
        ids = [one.id for one in page]
        answer = page[ids.index(asked.id) + 1 :] if asked.id in ids else page
        if partial is not None and (self._begun or answer) and not is_complete(answer):
            said = [partial_answer(self._begun, partial)]
            answer += await store_answer(self._history, self._asker.key, said)
        return answer


def answers_in(update: dict[str, Any]) -> list[AIMessage]:
    """Return the complete messages of the model in an update of the agent's state."""
    messages: list[BaseMessage] = []
    for of_a_node in update.values():
        messages += (of_a_node or {}).get("messages", ())
    return [message for message in messages if isinstance(message, AIMessage)]
