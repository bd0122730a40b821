"""A deletion by None is refused: it is what a failed look-up in the caller returns."""

from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore


@pytest.mark.parametrize(
    "metadata",
    [
        {"user": None},
        {"user": ["u1", None]},
        {"user": []},
        {"user": {}},
        {"user": {"id": None}},
        {"tenant": "a", "user": None},
    ],
)
async def test_no_message_goes_because_a_value_is_unknown(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, metadata: dict[str, Any]
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client)
    await store.session(session_id).aadd_messages([HumanMessage("kept")])
    with pytest.raises(ValueError, match=r"'metadata\.user"):
        await store.adelete_sessions(metadata=metadata)
    with pytest.raises(ValueError, match=r"'metadata\.user"):
        await store.adelete_sessions([session_id], metadata)
    with pytest.raises(ValueError, match=r"'metadata\.user"):
        await store.aprune(timedelta(microseconds=1), metadata=metadata)
    assert await store.acount_messages(session_id=session_id) == 1


async def test_reading_may_still_ask_for_messages_without_a_key(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client)
    history = store.session(session_id)
    await history.aadd_messages([HumanMessage("without")])
    await history.aadd_messages([HumanMessage("with")], metadata={"user": "u1"})
    metadata = {"user": None}
    assert await store.acount_messages(session_id=session_id, metadata=metadata) == 1
    records = store.aexport(session_ids=[session_id], metadata=metadata)
    assert len([record async for record in records]) == 1
