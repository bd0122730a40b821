"""Exporting: every message once, in order, whatever else is stored."""

import json
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage, message_to_dict, messages_from_dict

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._queries.filters import milliseconds_now
from tests.support.client_requests import recorded
from tests.support.concurrency import async_until
from tests.support.documents import (
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    own_document,
    upstream_document,
)
from tests.support.messages import EVERY_TYPE, numbered
from tests.support.server import BEFORE_EXPIRY, open_contexts, sources, store

pytestmark = pytest.mark.server_side

MILLISECOND = 1_700_000_000_000


@pytest.fixture
async def chats(index: str, async_client: AsyncElasticsearch) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index, client=async_client)


def texts_of(records: list[dict[str, Any]]) -> list[str]:
    return [record["message"]["data"]["content"] for record in records]


async def test_records_hold_all_that_is_stored_sorted_by_session(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    await chats.session("b", metadata={"tenant": "t"}).aadd_messages(EVERY_TYPE)
    await chats.session("a").aadd_messages(numbered(2))
    records = [record async for record in chats.aexport(batch_size=3)]
    assert json.loads(json.dumps(records)) == records
    assert [record["session_id"] for record in records] == ["a"] * 2 + ["b"] * len(EVERY_TYPE)
    assert messages_from_dict([record["message"] for record in records[2:]]) == EVERY_TYPE
    assert [record["metadata"] for record in records[1:3]] == [{}, {"tenant": "t"}]
    stored = [stored async for stored in chats.session("b").aiter_messages()]
    assert [record["id"] for record in records[2:]] == [one.id for one in stored]
    in_index = sources(admin, chats.index, "b")
    assert [record["seq"] for record in records[2:]] == [source["seq"] for source in in_index]
    for record, one in zip(records[2:], stored, strict=True):
        time = one.created_at.replace(tzinfo=None).isoformat(timespec="milliseconds")
        assert record["created_at"] == f"{time}Z"


async def test_upstreams_messages_come_in_the_order_in_which_they_are_read(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=chats.index,
        mappings=UPSTREAM_MAPPINGS,
        settings={"index.number_of_shards": 3},
    )
    store(
        admin,
        chats.index,
        [
            upstream_document(f"s{number % 2}", MILLISECOND + number // 20, message)
            for number, message in enumerate(numbered(60))
        ],
    )
    records = [record async for record in chats.aexport(batch_size=7)]
    for session_id in ("s0", "s1"):
        exported = [record for record in records if record["session_id"] == session_id]
        read = await chats.session(session_id).aget_messages()
        assert messages_from_dict([record["message"] for record in exported]) == read
    assert {record["seq"] for record in records} == {None}


async def test_a_broken_document_does_not_end_the_export(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    good = upstream_document("s", MILLISECOND, HumanMessage("0"))
    admin.indices.create(index=chats.index, mappings=UPSTREAM_MAPPINGS)
    strange = [
        {**good, "history": "not JSON"},
        {**good, "history": '{"type": "human", "data": {"content": "x", "n": NaN}}'},
        {**good, "history": 5},
        {**good, "created_at": 10**16},
    ]
    # Without a session or a time, these are not messages.
    placeless: list[dict[str, Any]] = [
        {"created_at": MILLISECOND},
        {"session_id": "s"},
        {"other": 1},
    ]
    store(admin, chats.index, [*strange[::-1], *placeless, *placeless, good])
    records = [record async for record in chats.aexport(batch_size=1)]
    assert [record.get("history") for record in records[:3]] == [
        5,
        strange[1]["history"],
        "not JSON",
    ]
    assert [record["created_at"] for record in records[2:]] == [
        "2023-11-14T22:13:20.000Z",
        "2023-11-14T22:13:20.000Z",
        10**16,
    ]
    assert records[3]["message"] == message_to_dict(HumanMessage("0"))


async def test_some_sessions_or_metadata_can_be_asked_for(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(shared_index, client=async_client)
    names = [f"{session_id}-{number}" for number in range(3)]
    for number, name in enumerate(names):
        session = chats.session(name, metadata={"user": f"{session_id}-{number % 2}"})
        await session.aadd_message(HumanMessage(str(number)))
    some = [record async for record in chats.aexport(session_ids=iter(names[1:]))]  # type: ignore[arg-type]  # read once
    assert texts_of(some) == ["1", "2"]
    by_metadata = chats.aexport(metadata={"user": f"{session_id}-0"})
    assert texts_of([record async for record in by_metadata]) == ["0", "2"]
    both = chats.aexport(session_ids=names[:2], metadata={"user": f"{session_id}-0"})
    assert texts_of([record async for record in both]) == ["0"]
    assert [record async for record in chats.aexport(session_ids=[])] == []


async def test_what_is_older_than_ttl_is_exported_too(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    store(admin, shared_index, [upstream_document(session_id, MILLISECOND, HumanMessage("0"))])
    chats = AsyncElasticsearchChatStore(
        shared_index, client=async_client, ttl=timedelta(seconds=1)
    )
    assert await chats.session(session_id).aget_messages() == []
    records = [record async for record in chats.aexport(session_ids=[session_id])]
    assert texts_of(records) == ["0"]


async def test_a_missing_index_has_no_records_and_is_not_made(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    assert [record async for record in chats.aexport()] == []
    assert not admin.indices.exists(index=chats.index)
    admin.indices.create(index=chats.index)
    before = admin.indices.get(index=chats.index).body
    assert [record async for record in chats.aexport()] == []
    assert admin.indices.get(index=chats.index).body == before


async def test_arguments_are_checked_when_it_is_called(chats: AsyncElasticsearchChatStore) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        chats.aexport(batch_size=0)
    with pytest.raises(TypeError, match="session_ids"):
        chats.aexport(session_ids="s")
    with pytest.raises(ValueError, match="metadata"):
        chats.aexport(metadata={"a": []})


async def test_all_comes_from_one_moment_page_by_page(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=chats.index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    await chats.session("s").aadd_messages(numbered(30))
    requests = recorded(chats.client)
    records = []
    async for record in chats.aexport(batch_size=7):
        records.append(record)
        searches = [request for request in requests if request.endpoint == "_search"]
        assert len(searches) == (len(records) - 1) // 7 + 1
        if len(records) % 10 == 0:
            await chats.session("s").aadd_messages(numbered(5, first=100))
            await chats.session("t").aadd_messages(numbered(5, first=100))
    assert texts_of(records) == [str(number) for number in range(30)]
    await async_until(lambda: open_contexts(admin, chats.index) == 0, BEFORE_EXPIRY)


async def test_what_was_exported_is_in_the_past_of_what_is_written_next(
    shared_index: str,
    session_id: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CLOCK, "_last", 0)
    ahead = (milliseconds_now() + 5_000) * 1000
    mine, other = f"{session_id}-1", f"{session_id}-2"
    store(admin, shared_index, [own_document(mine, ahead, HumanMessage("0"))])
    store(admin, shared_index, [upstream_document(other, ahead // 1000, HumanMessage("0"))])
    chats = AsyncElasticsearchChatStore(shared_index, client=async_client)
    assert len([record async for record in chats.aexport(session_ids=[mine, other])]) == 2
    for name in (mine, other):
        await chats.session(name).aadd_message(HumanMessage("1"))
    records = [record async for record in chats.aexport(session_ids=[mine, other])]
    assert texts_of(records) == ["0", "1", "0", "1"]


async def test_a_failure_is_one_line_in_the_log(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    admin.indices.create(index=chats.index)
    admin.indices.close(index=chats.index)
    with pytest.raises(ApiError):
        _ = [record async for record in chats.aexport()]
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith("Could not export messages from Elasticsearch: index_closed_exception")
