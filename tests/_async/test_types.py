"""What editors show for public calls: mypy and pyright check the types, and the calls run."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from typing_extensions import assert_type

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatRetriever,
    AsyncElasticsearchChatStore,
    ImportResult,
    SearchHit,
    SessionSummary,
    StoredMessage,
)

TURN = [HumanMessage("What is a shard?"), AIMessage("A part of an index.")]


async def test_the_calls_of_a_history(index: str, async_client: AsyncElasticsearch) -> None:
    async with AsyncElasticsearchChatMessageHistory(index, "s", client=async_client) as history:
        assert_type(history, AsyncElasticsearchChatMessageHistory)
        assert_type(history.client, AsyncElasticsearch)
        await history.aadd_messages(TURN, idempotency_key="call", metadata={"user": "u1"})
        assert_type(await history.aget_messages(limit=2), list[BaseMessage])
        async for stored in history.aiter_messages():
            assert_type(stored, StoredMessage)
            assert_type(stored.message, BaseMessage)
        fork = await history.afork("other")
        assert_type(fork, AsyncElasticsearchChatMessageHistory)
        assert_type(await history.asearch("shard"), list[SearchHit])
        assert_type(await history.apop_messages(), list[StoredMessage])
        assert_type(await history.adelete_messages(["none"]), list[StoredMessage])


async def test_the_calls_of_a_store(index: str, async_client: AsyncElasticsearch) -> None:
    store = AsyncElasticsearchChatStore(index, client=async_client)
    assert_type(store.client, AsyncElasticsearch)
    history = store.session("s", history_size=20, metadata={"user": "u1"})
    assert_type(history, AsyncElasticsearchChatMessageHistory)
    await history.aadd_messages(TURN)
    assert_type(await store.alist_sessions(limit=5), list[SessionSummary])
    assert_type(await store.acount_sessions(), int)
    assert_type(await store.acount_messages(session_id="s"), int)
    assert_type(await store.asearch("shard", types=["human"], mode="text"), list[SearchHit])
    records = [record async for record in store.aexport()]
    assert_type(records, list[dict[str, Any]])
    assert_type(await store.aimport(records), ImportResult)
    assert_type(await store.abackfill(), int)
    retriever = store.as_retriever(session_id="s", limit=3, tags=["history"])
    assert_type(retriever, AsyncElasticsearchChatRetriever)
    assert_type(await retriever.ainvoke("shard"), list[Document])
    assert_type(await store.adelete_sessions(["s"]), int)


def test_a_mistake_in_an_option_shows_in_the_editor(async_client: AsyncElasticsearch) -> None:
    store = AsyncElasticsearchChatStore("chats", client=async_client)
    with pytest.raises(TypeError, match="'history_sise' is not an option"):
        store.session("s", history_sise=20)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="sematic"):
        store.as_retriever(mode="sematic")  # type: ignore[arg-type]
