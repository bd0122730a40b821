"""Documents that nobody should have written: each method bears them, and none hides the rest."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)

from elasticsearch_chat_history import AsyncElasticsearchChatStore, SessionSummary
from tests.support.documents import (
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    complete_document,
    upstream_document,
)
from tests.support.messages import texts
from tests.support.server import count, store

pytestmark = pytest.mark.server_side

NOW = 1_735_689_600_000
BEYOND = 1_735_689_600_000_000  # microseconds where milliseconds belong: the year 56971
BEFORE = -70_000_000_000_000  # the year 249 before our era


@pytest.fixture
def chats(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> AsyncElasticsearchChatStore:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    return AsyncElasticsearchChatStore(index, client=async_client)


def dated(session_id: str, time: int, text: str) -> dict[str, Any]:
    """Return a document of this time in milliseconds."""
    return {**complete_document(session_id, NOW * 1000, HumanMessage(text)), "created_at": time}


async def listed(chats: AsyncElasticsearchChatStore, order: Any, limit: int) -> list[str]:
    """Return the ids of all sessions, listed in pages."""
    found: list[str] = []
    page: list[SessionSummary] = []
    while page := await chats.alist_sessions(
        order=order, limit=limit, after=page[-1] if page else None
    ):
        found += [summary.session_id for summary in page]
        assert len(found) < 20, "a page comes again and again"
    return found


async def test_times_that_python_cannot_tell_are_read_as_the_ends_of_the_range(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    odd = [dated("odd", BEFORE, "shard 1"), dated("odd", NOW, "shard 2")]
    store(admin, chats.index, [*odd, dated("odd", BEYOND, "shard 3"), dated("good", NOW, "shard")])
    history = chats.session("odd")
    read = [stored async for stored in history.aiter_messages()]
    assert [stored.created_at.year for stored in read] == [1, 2025, 9999]
    assert texts(await history.aget_messages()) == ["shard 1", "shard 2", "shard 3"]
    (first, _) = await chats.alist_sessions()
    assert (first.session_id, first.first_at.year, first.last_at.year) == ("odd", 1, 9999)
    assert {hit.session_id for hit in await chats.asearch("shard")} == {"odd", "good"}
    assert len(await chats.as_retriever().ainvoke("shard")) == 4
    fork = await history.afork("fork")
    assert texts(await fork.aget_messages()) == ["shard 1", "shard 2", "shard 3"]
    (popped,) = await history.apop_messages()
    assert (popped.message.text, popped.created_at.year) == ("shard 3", 9999)
    (deleted,) = await history.adelete_messages([read[0].id])
    assert (deleted.message.text, deleted.created_at.year) == ("shard 1", 1)
    assert texts(await history.aget_messages()) == ["shard 2"]


@pytest.mark.parametrize("order", ["recent", "id"])
async def test_sessions_of_times_beyond_the_range_are_listed_once_each(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, order: str
) -> None:
    times = {"a": BEYOND, "b": BEYOND + 5, "c": NOW, "d": BEFORE, "e": BEFORE - 5}
    store(admin, chats.index, [dated(name, time, name) for name, time in times.items()])
    expected = ["b", "a", "c", "d", "e"] if order == "recent" else ["a", "b", "c", "d", "e"]
    assert await listed(chats, order, 1) == expected
    assert await listed(chats, order, 2) == expected


@pytest.mark.parametrize("time", [BEYOND, BEFORE, 2**63])
async def test_a_time_beyond_the_range_is_not_imported(
    chats: AsyncElasticsearchChatStore, time: int
) -> None:
    message = {"type": "human", "data": {"content": "shard"}}
    record = {"id": "m", "session_id": "s", "created_at": time, "message": message}
    with pytest.raises(ValueError, match=r"position 0 .* out of range: it must be in the years"):
        await chats.aimport([record])
    assert await chats.acount_messages() == 0


@pytest.mark.parametrize("order", ["recent", "id"])
async def test_a_broken_last_message_takes_no_list_down(
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    order: Any,
) -> None:
    broken = {**dated("broken", NOW + 1, "secret"), "history": "{secret"}
    store(admin, chats.index, [dated("broken", NOW, "one"), broken, dated("good", NOW, "two")])
    store(admin, chats.index, [{**broken, "session_id": "wholly"}])
    summaries = {one.session_id: one for one in await chats.alist_sessions(order=order)}
    assert summaries["broken"].last_message is None
    assert summaries["broken"].first_message is not None
    assert summaries["wholly"].first_message is None
    assert summaries["broken"].message_count == 2
    assert summaries["broken"].last_at.timestamp() * 1000 == NOW + 1
    assert summaries["good"].last_message is not None
    assert "is listed without its last message" in caplog.text
    assert "secret" not in caplog.text
    assert sorted(await listed(chats, order, 1)) == ["broken", "good", "wholly"]


async def test_a_document_without_a_time_is_no_message_for_any_method(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    timeless = dated("s", NOW, "timeless")
    del timeless["created_at"]
    ids = store(admin, chats.index, [timeless, dated("s", NOW, "one"), dated("s", NOW + 1, "two")])
    history = chats.session("s")
    assert texts(await history.aget_messages()) == ["one", "two"]
    assert texts(await history.aget_messages(limit=3)) == ["one", "two"]
    assert [one.message.text async for one in history.aiter_messages()] == ["one", "two"]
    assert len([record async for record in chats.aexport()]) == 2
    assert await chats.acount_messages() == 2
    assert len(await chats.asearch("timeless")) == 0
    fork = await history.afork("fork")
    assert texts(await fork.aget_messages()) == ["one", "two"]
    assert [one.message.text for one in await history.apop_messages(3)] == ["one", "two"]
    # It can be removed like any document that holds no message.
    assert await history.adelete_messages(ids[:1]) == []
    assert count(admin, chats.index, "s") == 0


async def test_clearing_and_forgetting_remove_documents_without_a_time_too(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    timeless = {name: dated(name, NOW, "timeless") for name in ("s", "t")}
    for document in timeless.values():
        del document["created_at"]
    store(admin, chats.index, timeless.values())
    await chats.session("s").aclear()
    assert await chats.adelete_sessions(["t"]) == 1
    assert count(admin, chats.index) == 0


@pytest.mark.parametrize(
    ("message", "chunk"),
    [
        (HumanMessage("shard"), HumanMessageChunk(content="shard")),
        (AIMessage("shard"), AIMessageChunk(content="shard")),
        (SystemMessage("shard"), SystemMessageChunk(content="shard")),
        (
            ChatMessage(content="shard", role="r"),
            ChatMessageChunk(content="shard", role="r"),
        ),
        (
            FunctionMessage(content="shard", name="f"),
            FunctionMessageChunk(content="shard", name="f"),
        ),
        (
            ToolMessage("shard", tool_call_id="c"),
            ToolMessageChunk(content="shard", tool_call_id="c"),
        ),
    ],
)
async def test_a_type_finds_parts_of_streamed_answers_too(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    message: BaseMessage,
    chunk: BaseMessage,
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store(admin, index, [upstream_document("s", NOW, chunk)])
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    history = chats.session("s")
    await history.aadd_messages([message, chunk, HumanMessage("shard other")])
    both = {message.type, chunk.type}
    for found in (
        await chats.asearch("shard", types=[message.type]),
        await history.asearch("shard", types=[message.type]),
    ):
        assert {hit.stored.message.type for hit in found} == both
        assert len(found) == (4 if message.type == "human" else 3)
    documents = await chats.as_retriever(types=[message.type]).ainvoke("shard")
    assert {document.metadata["type"] for document in documents} == both
    only = await chats.asearch("shard", types=[chunk.type])
    assert {hit.stored.message.type for hit in only} == {chunk.type}
