"""Session ids that look like something else."""

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    ImportResult,
)
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS, complete_document, upstream_document
from tests.support.server import store

pytestmark = pytest.mark.server_side

TIME = 1_735_689_600_000

# No two of them may be taken for one, and none for all.
ODD = [
    "*",
    "s*",
    "s?",
    "s",
    "S",
    " s",
    "s ",
    "s,t",
    "t",
    ",",
    "/",
    "../s",
    "..",
    "s/t",
    "s%2Ft",
    "%00",
    "\0",
    "s\0",
    "s\n",
    "s\r\nHost: elsewhere",
    "\t\x07\x1b[31m\x7f",
    '"',
    "'",
    '"}},{"match_all":{}',
    "session_id:* OR *:*",
    "(s) AND NOT [a TO z] ~2 ^3 \\",
    "{{params}} ${s} <s>",
    "_all",
    "null",
    "[]",
    "?routing=s&preference=x#s",
    "é",
    "e\u0301",
    "\u202es",
    "\ufeffs",
    "\u2028",
    "\U0001d564😀",
]
LONG = ["x" * 32_766, "x" * 32_765 + "y", "é" * 16_383, "s" * 513, "s" * 512]


@pytest.mark.parametrize("routing", [False, True])
async def test_each_reads_and_writes_exactly_its_own_session(
    routing: bool, index: str, async_client: AsyncElasticsearch
) -> None:
    histories = [
        AsyncElasticsearchChatMessageHistory(
            index, session_id, client=async_client, routing=routing, refresh=False
        )
        for session_id in [*ODD, *LONG]
    ]
    for number, history in enumerate(histories):
        await history.aadd_message(HumanMessage(str(number)))
    await async_client.indices.refresh(index=index)
    for number, history in enumerate(histories):
        assert [message.text for message in await history.aget_messages()] == [str(number)]
        (stored,) = [each async for each in history.aiter_messages()]
        assert stored.session_id == history.session_id


@pytest.mark.parametrize("routing", [False, True])
async def test_each_clears_exactly_its_own_session(
    routing: bool, index: str, async_client: AsyncElasticsearch
) -> None:
    histories = [
        AsyncElasticsearchChatMessageHistory(
            index, session_id, client=async_client, routing=routing, refresh=False
        )
        for session_id in [*ODD, *LONG]
    ]
    for number, history in enumerate(histories):
        await history.aadd_message(HumanMessage(str(number)))
    left = len(histories)
    await async_client.indices.refresh(index=index)
    for history in histories:
        await history.aclear()
        left -= 1
        assert (await async_client.count(index=index))["count"] == left
        assert await history.aget_messages() == []


@pytest.fixture
def chats(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> AsyncElasticsearchChatStore:
    """A store over documents of sessions that only others can have stored."""
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    documents = [
        {**upstream_document("", TIME + at, HumanMessage(f"shard {at}")), "session_id": session_id}
        for at, session_id in enumerate([42, "", True, [7], "s", 42, ""])
    ]
    store(admin, index, documents)
    return AsyncElasticsearchChatStore(index, client=async_client)


IDS = {"", "42", "7", "s", "true"}


async def test_ids_of_others_are_texts_everywhere(chats: AsyncElasticsearchChatStore) -> None:
    for order in ("recent", "id"):
        summaries = await chats.alist_sessions(order=order)
        assert {one.session_id for one in summaries} == IDS
        last = [one.last_message for one in summaries]
        assert {one.session_id for one in last if one is not None} == IDS
    records = [record async for record in chats.aexport()]
    assert [one["session_id"] for one in records] == ["", "", "42", "42", "7", "s", "true"]
    await chats.abackfill()
    hits = await chats.asearch("shard")
    assert sorted(one.stored.session_id for one in hits) == ["", "", "42", "42", "7", "s", "true"]
    per_session = await chats.asearch("shard", per_session=True)
    assert {one.stored.session_id for one in per_session} == IDS
    retriever = chats.as_retriever(limit=10)
    assert {one.metadata["session_id"] for one in await retriever.ainvoke("shard")} == IDS


@pytest.mark.parametrize("session_id", ["42", ""])
async def test_a_session_of_others_is_read_changed_and_forgotten(
    chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    history = chats.session(session_id)
    stored = [one async for one in history.aiter_messages()]
    assert [one.session_id for one in stored] == [session_id] * 2
    assert await history.aget_messages() == [one.message for one in stored]
    assert len(await history.asearch("shard")) == 0
    await chats.abackfill()
    assert [one.stored.session_id for one in await history.asearch("shard")] == [session_id] * 2
    fork = await history.afork("fork")
    assert await fork.aget_messages() == [one.message for one in stored]
    (popped,) = await history.apop_messages()
    assert popped.session_id == session_id
    (removed,) = await history.adelete_messages([stored[0].id])
    assert removed.session_id == session_id
    assert await chats.acount_messages(session_id=session_id) == 0


@pytest.mark.parametrize("session_id", ["42", ""])
async def test_a_backup_of_a_session_of_others_comes_back(
    chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    history = chats.session(session_id)
    messages = await history.aget_messages()
    records = [record async for record in chats.aexport(session_ids=[session_id])]
    assert await chats.adelete_sessions([session_id]) == 2
    assert await history.aget_messages() == []
    assert await chats.aimport(records) == ImportResult(2)
    assert await history.aget_messages() == messages
    await history.aclear()
    assert await history.aget_messages() == []


async def test_a_session_without_an_id_gets_no_new_messages(
    chats: AsyncElasticsearchChatStore, async_client: AsyncElasticsearch
) -> None:
    history = chats.session("")
    requests = recorded(async_client)
    with pytest.raises(ValueError, match="session_id must not be empty"):
        await history.aadd_message(HumanMessage("lost"))
    with pytest.raises(ValueError, match="session_id must not be empty"):
        await history.aset_messages([HumanMessage("lost")])
    with pytest.raises(ValueError, match="session_id must not be empty"):
        await chats.session("s").afork("")
    assert requests == []


async def test_a_document_of_two_sessions_is_left_out_of_a_search(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    both = {**complete_document("", TIME * 1000, HumanMessage("both")), "session_id": ["s", "t"]}
    (id_,) = store(admin, chats.index, [both])
    await chats.abackfill()
    assert await chats.asearch("both") == []
    assert f"{id_!r}" in caplog.text
    for session_id in ("s", "t"):
        stored = [one async for one in chats.session(session_id).aiter_messages()]
        assert stored[0].message == HumanMessage("both")
        assert {one.session_id for one in stored} == {session_id}
