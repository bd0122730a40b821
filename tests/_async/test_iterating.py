"""Reading messages one by one from one snapshot, which is always closed again."""

from contextlib import aclosing
from datetime import datetime, timedelta, timezone

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    StoredMessage,
    UnreadableMessageError,
)
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.client_requests import recorded
from tests.support.concurrency import AsyncRunning, async_until
from tests.support.documents import OWN_MAPPINGS, own_document
from tests.support.messages import numbered, texts
from tests.support.server import BEFORE_EXPIRY, open_contexts, store


@pytest.fixture
def sharded_index(index: str, admin: Elasticsearch) -> str:
    """An index with three shards, on which sessions spread."""
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    return index


async def test_each_message_comes_with_its_id_time_and_metadata(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, metadata={"tenant": "a"}
    )
    await history.aadd_messages(numbered(3))
    found = [stored async for stored in history.aiter_messages()]
    assert [stored.message for stored in found] == numbered(3)
    assert {type(stored) for stored in found} == {StoredMessage}
    assert {stored.session_id for stored in found} == {session_id}
    assert len({stored.id for stored in found}) == 3
    assert all(stored.metadata == {"tenant": "a"} for stored in found)
    now = datetime.now(timezone.utc)
    assert all(abs(now - stored.created_at) < timedelta(minutes=1) for stored in found)
    assert all(stored.created_at.tzinfo is timezone.utc for stored in found)


async def test_messages_are_read_page_by_page(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(25))
    requests = recorded(async_history.client)
    async with aclosing(async_history.aiter_messages(batch_size=10)) as found:
        read = []
        async for stored in found:
            read.append(str(stored.message.text))
            # No page is asked for before its first message is.
            searches = [request for request in requests if request.endpoint == "_search"]
            assert len(searches) == (len(read) - 1) // 10 + 1
    assert read == texts(numbered(25))


async def test_what_is_added_meanwhile_is_not_seen(
    sharded_index: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(sharded_index, "s", client=async_client)
    await history.aadd_messages(numbered(30))
    read = []
    async for stored in history.aiter_messages(batch_size=7):
        read.append(str(stored.message.text))
        if len(read) % 10 == 0:
            await history.aadd_messages(numbered(5, first=100))
    assert read == texts(numbered(30))
    assert len(await history.aget_messages()) == 45


async def test_readers_beside_writers_see_every_message_once_and_in_order(
    sharded_index: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(sharded_index, "s", client=async_client)
    written: list[int] = []

    async def write() -> None:
        for first in range(0, 100, 10):
            await history.aadd_messages(numbered(10, first))
            written.append(first + 10)

    async with AsyncRunning[None]() as running:
        with AsyncHeldRequests(async_client) as held:
            running.start(write)
            while sum(written[-1:]) < 100:
                acknowledged = sum(written[-1:])
                # So that each write is under way with a read, however fast each of them is.
                held.release()
                found = [stored async for stored in history.aiter_messages(batch_size=16)]
                read = [int(stored.message.text) for stored in found]
                assert read == sorted(set(read))
                assert set(read) >= set(range(acknowledged))
                running.check()


async def test_leaving_early_closes_the_point_in_time(
    sharded_index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(sharded_index, "s", client=async_client)
    await history.aadd_messages(numbered(10))
    async for _ in history.aiter_messages(batch_size=2):
        assert open_contexts(admin, sharded_index) > 0
        break
    await async_until(lambda: open_contexts(admin, sharded_index) == 0, BEFORE_EXPIRY)


async def test_an_unreadable_message_closes_the_point_in_time(
    sharded_index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    documents = [own_document("s", number, one) for number, one in enumerate(numbered(6))]
    documents[3]["history"] = "not JSON"
    store(admin, sharded_index, documents)
    history = AsyncElasticsearchChatMessageHistory(sharded_index, "s", client=async_client)
    read = []
    with pytest.raises(UnreadableMessageError):  # noqa: PT012  # not at the first message
        async for stored in history.aiter_messages(batch_size=2):
            read.append(str(stored.message.text))  # noqa: PERF401  # what came before the error
    assert read == ["0", "1", "2"]
    await async_until(lambda: open_contexts(admin, sharded_index) == 0, BEFORE_EXPIRY)


async def test_an_error_of_the_reader_closes_the_point_in_time(
    sharded_index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(sharded_index, "s", client=async_client)
    await history.aadd_messages(numbered(10))

    async def fail_at_the_third() -> None:
        async for stored in history.aiter_messages(batch_size=2):
            if stored.message.text == "2":
                raise KeyError("2")

    with pytest.raises(KeyError):
        await fail_at_the_third()
    await async_until(lambda: open_contexts(admin, sharded_index) == 0, BEFORE_EXPIRY)


async def test_history_size_does_not_apply(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client, history_size=1
    )
    await history.aadd_messages(numbered(3))
    assert len([stored async for stored in history.aiter_messages(batch_size=20_000)]) == 3
    assert len(await history.aget_messages()) == 1
