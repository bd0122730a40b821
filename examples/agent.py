"""An agent that remembers a conversation, and recalls others of the same user.

    pip install -e ".[agents]" --group examples
    python examples/agent.py             # uses the Elasticsearch of ES_URL, or
    python examples/agent.py my-index    # http://localhost:9200; the index is "chats"

The model answers from a corpus, without a network. CHAT_MODEL names a real one, such as
openai:gpt-5.5, which needs langchain-openai and a key.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from langchain.agents import create_agent

from chat_service.model import chat_model, current_time
from elasticsearch_chat_history import ElasticsearchChatStore
from elasticsearch_chat_history.agents import ChatHistoryMiddleware, history_tools


@dataclass(frozen=True)
class Request:
    """Who asks, and in which conversation: the context of a run."""

    user: str
    session_id: str


def scope_of(runtime: Any) -> dict[str, str]:
    """Return the wall between users: what an agent may see, whatever a model says."""
    return {"user": runtime.context.user}


def main(index: str) -> None:
    """Talk to an agent in two conversations of one user, and in one of another."""
    url = os.environ.get("ES_URL", "http://localhost:9200")
    with ElasticsearchChatStore(index, es_url=url) as store:
        agent = create_agent(
            chat_model(),
            tools=[current_time, *history_tools(store, scope=scope_of)],
            middleware=[ChatHistoryMiddleware(store, scope=scope_of)],
            context_schema=Request,
        )

        def ask(user: str, session_id: str, text: str) -> None:
            question: Any = {"messages": [("user", text)]}
            messages = agent.invoke(question, context=Request(user, session_id))["messages"]
            print(f"{user}, {session_id}: {text}\n  {messages[-1].text}")

        ask("ada", "agent-1", "I keep my shards in a green box.")
        ask("ada", "agent-1", "What time is it?")
        ask("ada", "agent-2", "What did I say about shards?")
        ask("bob", "agent-3", "What did I say about shards?")

        for user in ("ada", "bob"):
            mine = store.scoped({"user": user})
            forgotten = mine.delete_sessions(metadata={"user": user})
            print(f"Forgotten: {forgotten} messages of {user}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "chats")
