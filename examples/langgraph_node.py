"""A graph of LangGraph whose nodes read and write a session, beside a checkpointer.

The checkpointer keeps the state of the run, so that it goes on where it stopped. The session keeps
the conversation, so that it can be listed, searched and forgotten. The state holds no messages:
each node reads what it needs.

    pip install -e ".[agents]" --group examples
    python examples/langgraph_node.py             # uses the Elasticsearch of ES_URL, or
    python examples/langgraph_node.py my-index    # http://localhost:9200; the index is "chats"
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, TypedDict

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from chat_service.model import chat_model
from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)

WINDOW = 20


class State(TypedDict, total=False):
    """What a checkpoint holds: a question, and its answer until somebody has approved it."""

    key: str
    question: str
    answer: str


def graph_over(store: AsyncElasticsearchChatStore) -> Any:
    """Return the graph."""
    model = chat_model()

    def history_of(config: RunnableConfig) -> AsyncElasticsearchChatMessageHistory:
        # A thread of the graph is a session of the store.
        return store.session(config["configurable"]["thread_id"])

    async def ask(state: State, config: RunnableConfig) -> State:
        history = history_of(config)
        # A node may run again: the key stores the question once.
        question = [HumanMessage(state["question"])]
        await history.aadd_messages(question, idempotency_key=f"{state['key']}/question")
        answer = await model.ainvoke(await history.aget_messages(limit=WINDOW))
        return {"answer": answer.text}

    async def approve(state: State, config: RunnableConfig) -> State:
        approved = interrupt(state["answer"])  # the run ends here, until it is resumed
        answer = [AIMessage(approved)]
        key = f"{state['key']}/answer"
        await history_of(config).aadd_messages(answer, idempotency_key=key)
        return {"answer": approved}

    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("approve", approve)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "approve")
    graph.add_edge("approve", END)
    return graph.compile(checkpointer=InMemorySaver())


async def main(index: str) -> None:
    """Ask two questions in one thread, approve the answers, and show the session."""
    url = os.environ.get("ES_URL", "http://localhost:9200")
    async with AsyncElasticsearchChatStore(index, es_url=url) as store:
        graph = graph_over(store)
        thread = {"configurable": {"thread_id": "graph-1"}}
        for number, text in enumerate(["What is a computer?", "What is a robot?"]):
            paused = await graph.ainvoke({"key": f"request-{number}", "question": text}, thread)
            (waiting,) = paused["__interrupt__"]
            await graph.ainvoke(Command(resume=waiting.value), thread)
        for message in await store.session("graph-1").aget_messages():
            print(f"{message.type}: {message.text}")
        values = (await graph.aget_state(thread)).values
        print(f"The last checkpoint holds: {', '.join(values)}")
        print(f"Forgotten: {await store.adelete_sessions(['graph-1'])} messages")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "chats"))
