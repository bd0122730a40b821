"""A search finds the messages that match all of its filters."""

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from elasticsearch_chat_history import AsyncElasticsearchChatStore, SearchHit
from tests.support.client_requests import recorded
from tests.support.documents import complete_document
from tests.support.messages import texts
from tests.support.server import store

pytestmark = pytest.mark.server_side

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def document(
    session_id: str,
    text: str,
    *,
    at: datetime = NOON,
    message: BaseMessage | None = None,
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    seq = round(at.timestamp() * 1_000_000)
    made = complete_document(session_id, seq, message or HumanMessage(text))
    return made if metadata is None else {**made, "metadata": metadata}


def found_texts(hits: list[SearchHit]) -> list[str]:
    return sorted(texts([hit.stored.message for hit in hits]))


@pytest.fixture
async def async_chats(
    shared_index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(shared_index, client=async_client)


async def test_one_session_or_all(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    # A word that no other test has written.
    word = session_id.partition("-")[2]
    other = f"{session_id}-2"
    store(
        admin,
        async_chats.index,
        [document(session_id, f"{word} one"), document(other, f"{word} two")],
    )
    assert found_texts(await async_chats.asearch(word)) == [f"{word} one", f"{word} two"]
    (mine,) = await async_chats.asearch(word, session_id=session_id)
    assert mine.session_id == session_id
    (others,) = await async_chats.session(other).asearch(word)
    assert others.session_id == other
    assert len(await async_chats.asearch(word, limit=1)) == 1


async def test_types(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    messages: list[BaseMessage] = [
        HumanMessage("word human"),
        AIMessage("word ai"),
        SystemMessage("word system"),
        ToolMessage("word tool", tool_call_id="c"),
    ]
    store(
        admin,
        async_chats.index,
        [document(session_id, "", message=message) for message in messages],
    )
    history = async_chats.session(session_id)
    for message in messages:
        (hit,) = await history.asearch("word", types=[message.type])
        assert hit.stored.message == message
    assert found_texts(await history.asearch("word", types=["ai", "tool"])) == [
        "word ai",
        "word tool",
    ]
    assert len(await history.asearch("word", types=None)) == 4


async def test_since_is_inclusive_and_until_is_not(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    millisecond = timedelta(milliseconds=1)
    store(
        admin,
        async_chats.index,
        [
            document(session_id, "word before", at=NOON - millisecond),
            document(session_id, "word at noon", at=NOON),
            document(session_id, "word after", at=NOON + millisecond),
        ],
    )
    history = async_chats.session(session_id)
    assert found_texts(await history.asearch("word", since=NOON)) == ["word after", "word at noon"]
    assert found_texts(await history.asearch("word", until=NOON)) == ["word before"]
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    both = await history.asearch("word", since=elsewhere, until=NOON + millisecond)
    assert found_texts(both) == ["word at noon"]
    with pytest.raises(ValueError, match="since must have a time zone"):
        await history.asearch("word", since=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="until must have a time zone"):
        await async_chats.asearch("word", until=NOON.replace(tzinfo=None))


async def test_metadata(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    store(
        admin,
        async_chats.index,
        [
            document(session_id, "word a1", metadata={"tenant": "a", "user": 1}),
            document(session_id, "word a2", metadata={"tenant": "a", "user": 2}),
            document(session_id, "word b", metadata={"tenant": "b"}),
            document(session_id, "word nobody"),
        ],
    )
    history = async_chats.session(session_id)
    asked: list[tuple[dict[str, Any], list[str]]] = [
        ({"tenant": "a"}, ["word a1", "word a2"]),
        ({"tenant": "a", "user": 2}, ["word a2"]),
        ({"tenant": ["a", "b"], "user": [None, 1]}, ["word a1", "word b"]),
        ({"tenant": None}, ["word nobody"]),
        ({}, ["word a1", "word a2", "word b", "word nobody"]),
    ]
    for metadata, expected in asked:
        assert found_texts(await history.asearch("word", metadata=metadata)) == expected
        hits = await async_chats.asearch("word", session_id=session_id, metadata=metadata)
        assert found_texts(hits) == expected


async def test_ttl_of_store_and_history(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    now = datetime.fromtimestamp(time.time(), tz=timezone.utc)
    store(
        admin,
        shared_index,
        [
            document(session_id, "word old", at=now - timedelta(hours=3)),
            document(session_id, "word young", at=now - timedelta(hours=1)),
        ],
    )
    short = AsyncElasticsearchChatStore(shared_index, client=async_client, ttl=timedelta(hours=2))
    assert found_texts(await short.asearch("word", session_id=session_id)) == ["word young"]
    long_ago = now - timedelta(days=1)
    assert len(await short.asearch("word", session_id=session_id, since=long_ago)) == 1
    patient = short.session(session_id, ttl=timedelta(hours=4))
    assert len(await patient.asearch("word")) == 2
    # `history_size` is for reading.
    assert len(await short.session(session_id, ttl=None, history_size=1).asearch("word")) == 2


async def test_a_routed_session_is_searched_on_its_shard(
    index: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(
        index, client=async_client, routing=True, number_of_shards=3
    )
    for session_id in ("a", "b,c", "s" * 600):
        await chats.session(session_id).aadd_messages([HumanMessage("word")])
    assert len(await chats.asearch("word")) == 3
    requests = recorded(async_client)
    for session_id in ("a", "b,c", "s" * 600):
        (hit,) = await chats.session(session_id).asearch("word")
        (same,) = await chats.asearch("word", session_id=session_id)
        assert hit.stored == same.stored
        assert hit.session_id == session_id
    assert len(requests) == 6
    assert all("routing=" in request.target for request in requests)
