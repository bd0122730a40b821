"""An index whose `max_result_window` is smaller than our pages."""

from datetime import timedelta
from typing import Literal

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from tests.support.client_requests import recorded
from tests.support.documents import (
    OWN_MAPPINGS,
    documents_of_many_sessions,
    expected_rows,
    own_document,
    rows_of,
    upstream_document,
)
from tests.support.embedding_models import Model
from tests.support.messages import numbered, texts
from tests.support.server import count, store

pytestmark = pytest.mark.server_side

ALLOWED = 7
MESSAGES = numbered(2 * ALLOWED + 3)
Order = Literal["recent", "id"]


@pytest.fixture
async def chats(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> AsyncElasticsearchChatStore:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.session("s").aadd_messages(MESSAGES)
    admin.indices.put_settings(index=index, settings={"max_result_window": ALLOWED})
    return chats


async def test_all_messages_are_read(chats: AsyncElasticsearchChatStore) -> None:
    history = chats.session("s")
    assert await history.aget_messages() == MESSAGES
    assert await history.aget_messages() == MESSAGES


@pytest.mark.parametrize("limit", [ALLOWED, ALLOWED + 1, 1_000])
async def test_the_last_messages_are_read(chats: AsyncElasticsearchChatStore, limit: int) -> None:
    assert await chats.session("s").aget_messages(limit=limit) == MESSAGES[-limit:]


async def test_what_the_index_allows_is_asked_for_from_then_on(
    chats: AsyncElasticsearchChatStore, async_client: AsyncElasticsearch
) -> None:
    history = chats.session("s")
    requests = recorded(async_client)
    await history.aget_messages(limit=ALLOWED)
    assert [one.endpoint for one in requests] == ["_search"]
    await history.aget_messages()
    requests.clear()
    assert await history.aget_messages(limit=1_000) == MESSAGES
    pages = [one for one in requests if one.endpoint == "_search"]
    assert [one.body["size"] for one in pages] == [ALLOWED] * len(pages)


@pytest.mark.parametrize("batch_size", [1, 1_000])
async def test_messages_are_iterated(chats: AsyncElasticsearchChatStore, batch_size: int) -> None:
    stored = [
        one.message async for one in chats.session("s").aiter_messages(batch_size=batch_size)
    ]
    assert stored == MESSAGES


async def test_messages_are_popped(chats: AsyncElasticsearchChatStore) -> None:
    popped = await chats.session("s").apop_messages(ALLOWED + 2)
    assert [one.message for one in popped] == MESSAGES[-ALLOWED - 2 :]


async def test_messages_are_deleted_by_their_ids(
    chats: AsyncElasticsearchChatStore, index: str, admin: Elasticsearch
) -> None:
    stored = [one async for one in chats.session("s").aiter_messages()]
    removed = await chats.session("s").adelete_messages([one.id for one in stored[1:]])
    assert removed == stored[1:]
    assert count(admin, index) == 1


async def test_a_session_is_replaced(
    chats: AsyncElasticsearchChatStore, index: str, admin: Elasticsearch
) -> None:
    await chats.session("s").aset_messages(MESSAGES[:1])
    assert count(admin, index) == 1


async def test_a_session_is_cleared(
    chats: AsyncElasticsearchChatStore, index: str, admin: Elasticsearch
) -> None:
    await chats.session("s").aclear()
    assert count(admin, index) == 0


async def test_sessions_are_forgotten(chats: AsyncElasticsearchChatStore) -> None:
    assert await chats.adelete_sessions(["s"]) == len(MESSAGES)


async def test_old_messages_are_pruned(chats: AsyncElasticsearchChatStore) -> None:
    assert await chats.aprune(timedelta(microseconds=1)) == len(MESSAGES)


async def test_a_session_is_forked_over_another(chats: AsyncElasticsearchChatStore) -> None:
    await chats.session("fork").aadd_messages(MESSAGES)
    fork = await chats.session("s").afork("fork", overwrite=True)
    assert await fork.aget_messages() == MESSAGES


async def test_sessions_are_exported_and_imported(
    chats: AsyncElasticsearchChatStore,
) -> None:
    lines = [record async for record in chats.aexport()]
    assert len(lines) == len(MESSAGES)
    await chats.session("s").aclear()
    await chats.aimport(lines)
    assert await chats.session("s").aget_messages() == MESSAGES


@pytest.mark.parametrize("order", ["recent", "id"])
@pytest.mark.parametrize("limit", [3, ALLOWED + 1, 100])
async def test_sessions_are_listed(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, order: Order, limit: int
) -> None:
    settings = {"number_of_shards": 3, "max_result_window": ALLOWED}
    admin.indices.create(index=index, mappings=OWN_MAPPINGS, settings=settings)
    documents = documents_of_many_sessions()
    store(admin, index, documents)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    expected = expected_rows(documents, order)
    listed = page = await chats.alist_sessions(order=order, limit=limit)
    while page and len(listed) < len(expected):
        page = await chats.alist_sessions(order=order, limit=limit, after=page[-1])
        listed = listed + page
    assert rows_of(listed) == expected
    assert await chats.acount_sessions() == len(expected)


@pytest.mark.parametrize("mode", ["text", "semantic", "hybrid"])
@pytest.mark.parametrize("per_session", [False, True])
async def test_messages_are_found(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    mode: Literal["text", "semantic", "hybrid"],
    per_session: bool,
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client, embeddings=Model())
    for number in range(3):
        await chats.session(f"s{number}").aadd_messages([HumanMessage("a shard")] * 10)
    admin.indices.put_settings(index=index, settings={"max_result_window": ALLOWED})
    found = await chats.asearch("shard", mode=mode, limit=ALLOWED, per_session=per_session)
    assert len(found) == (3 if per_session else ALLOWED)
    with pytest.raises(ValueError, match=r"at most 7 in index .*max_result_window, but is 8"):
        await chats.asearch("shard", mode=mode, limit=ALLOWED + 1, per_session=per_session)


async def test_documents_are_completed(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.create_if_missing()
    admin.indices.put_settings(index=index, settings={"max_result_window": ALLOWED})
    time = 1_735_689_600_000
    ours = [own_document("s", time * 1000 + at, HumanMessage(f"our {at}")) for at in range(10)]
    theirs = [upstream_document("s", time, HumanMessage(f"their {at}")) for at in range(10)]
    store(admin, index, [*ours, *theirs])
    before = texts(await chats.session("s").aget_messages())
    assert await chats.abackfill() > 0
    assert texts(await chats.session("s").aget_messages()) == before
