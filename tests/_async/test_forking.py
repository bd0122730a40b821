"""A session, or its beginning, is copied to another id."""

from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    SessionExistsError,
    StoredMessage,
    UnreadableMessageError,
)
from tests.support.client_requests import failing
from tests.support.documents import (
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    own_document,
    upstream_document,
)
from tests.support.messages import numbered, texts
from tests.support.server import count, store

pytestmark = pytest.mark.server_side


async def all_of(history: AsyncElasticsearchChatMessageHistory) -> list[StoredMessage]:
    return [stored async for stored in history.aiter_messages()]


def content(messages: list[StoredMessage]) -> list[Any]:
    """Return all that a copy has in common with what it was made of."""
    return [(one.created_at, one.message, one.metadata) for one in messages]


async def test_the_copy_has_the_order_the_times_and_the_metadata(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(3), metadata={"turn": 1})
    await async_history.aadd_messages(numbered(3, first=3))
    before = await all_of(async_history)
    fork = await async_history.afork(f"{async_history.session_id}-b")
    assert isinstance(fork, AsyncElasticsearchChatMessageHistory)
    assert content(await all_of(fork)) == content(before)
    assert not {one.id for one in await all_of(fork)} & {one.id for one in before}
    await fork.aadd_messages(numbered(1, first=9))
    assert texts(await fork.aget_messages()) == [*texts(numbered(6)), "9"]
    assert await all_of(async_history) == before


@pytest.mark.parametrize("last", [0, 2, 4])
async def test_a_beginning_is_copied_up_to_and_with_a_message(
    async_history: AsyncElasticsearchChatMessageHistory, last: int
) -> None:
    await async_history.aadd_messages(numbered(5))
    before = await all_of(async_history)
    fork = await async_history.afork(f"{async_history.session_id}-b", until=before[last].id)
    assert texts(await fork.aget_messages()) == texts(numbered(last + 1))


async def test_an_id_that_is_not_in_the_session_is_refused(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    other = AsyncElasticsearchChatMessageHistory(
        async_history.index, f"{async_history.session_id}-2", client=async_client
    )
    await async_history.aadd_messages(numbered(2))
    await other.aadd_messages(numbered(2))
    (foreign, *_) = await all_of(other)
    for until in ("nobody's", foreign.id):
        with pytest.raises(ValueError, match=f"until .*{until}"):
            await async_history.afork(f"{async_history.session_id}-b", until=until)
    fork = AsyncElasticsearchChatMessageHistory(
        async_history.index, f"{async_history.session_id}-b", client=async_client
    )
    assert await fork.aget_messages() == []


async def test_a_session_that_has_messages_is_replaced_only_if_asked(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    taken = AsyncElasticsearchChatMessageHistory(
        async_history.index, f"{async_history.session_id}-b", client=async_client
    )
    await async_history.aadd_messages(numbered(3))
    await taken.aadd_messages(numbered(4, first=10))
    with pytest.raises(SessionExistsError, match="overwrite=True") as caught:
        await async_history.afork(taken.session_id)
    assert caught.value.session_id == taken.session_id
    assert texts(await taken.aget_messages()) == ["10", "11", "12", "13"]
    fork = await async_history.afork(taken.session_id, overwrite=True)
    assert texts(await fork.aget_messages()) == ["0", "1", "2"]
    again = await async_history.afork(taken.session_id, overwrite=True)
    assert texts(await again.aget_messages()) == ["0", "1", "2"]


async def test_a_session_is_not_copied_onto_itself(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(1))
    with pytest.raises(ValueError, match="new_session_id"):
        await async_history.afork(async_history.session_id, overwrite=True)
    with pytest.raises(ValueError, match="session_id"):
        await async_history.afork("")
    assert len(await async_history.aget_messages()) == 1


async def test_an_empty_session_gives_an_empty_one(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    fork = await history.afork("t")
    assert await fork.aget_messages() == []
    assert not admin.indices.exists(index=index)


async def test_a_long_session_is_copied_in_pages(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    await async_history.aadd_messages(numbered(2500))
    before = await all_of(async_history)
    fork = await async_history.afork(f"{async_history.session_id}-b", until=before[2249].id)
    # The copies are ahead of the clock, as the originals are.
    await fork.aadd_messages([HumanMessage("after")])
    *copies, last = await all_of(fork)
    assert content(copies) == content(before[:2250])
    assert last.message.text == "after"
    assert count(admin, fork.index, fork.session_id) == 2251


@pytest.mark.parametrize("shards", [1, 3])
async def test_what_upstream_wrote_keeps_its_order(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, shards: int
) -> None:
    admin.indices.create(
        index=index, mappings=UPSTREAM_MAPPINGS, settings={"index.number_of_shards": shards}
    )
    # Pages of 1,000 cut a millisecond in two, and 1,200 messages share another.
    times = [1 + one // 7 for one in range(1100)] + [500] * 1200
    documents = [
        upstream_document("s", time, HumanMessage(f"{one}")) for one, time in enumerate(times)
    ]
    store(admin, index, documents)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_messages([HumanMessage("ours")])
    before = await all_of(history)
    fork = await history.afork("t")
    assert content(await all_of(fork)) == content(before)
    assert texts(await (await fork.afork("u")).aget_messages()) == [
        one.message.text for one in before
    ]


async def test_what_ttl_hides_is_not_copied(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    store(admin, index, [own_document("s", 1, HumanMessage("old"))])
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, ttl=timedelta(hours=1)
    )
    await history.aadd_messages(numbered(2))
    await history.afork("t")
    assert count(admin, index, "t") == 2


async def test_routed_sessions_are_copied_to_where_they_belong(
    index: str, async_client: AsyncElasticsearch
) -> None:
    routed = AsyncElasticsearchChatStore(
        index, client=async_client, routing=True, number_of_shards=3
    )
    for number in range(4):
        history = routed.session(f"s{number}")
        await history.aadd_messages(numbered(3))
        fork = await history.afork(f"t{number}")
        assert texts(await fork.aget_messages()) == ["0", "1", "2"]
        assert len(await routed.session(f"t{number}").aget_messages()) == 3


async def test_when_a_page_cannot_be_copied_those_before_are_removed_again(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    session_id = async_history.session_id
    await async_history.aadd_messages(numbered(1500))
    broken = own_document(session_id, 10**16, HumanMessage("broken"))
    store(admin, async_history.index, [{**broken, "history": "{"}])
    with pytest.raises(UnreadableMessageError):
        await async_history.afork(f"{session_id}-b")
    assert count(admin, async_history.index, f"{session_id}-b") == 0


async def test_after_a_crash_the_next_call_mends_it(
    async_history: AsyncElasticsearchChatMessageHistory,
    client_arguments: dict[str, Any],
    admin: Elasticsearch,
) -> None:
    new = f"{async_history.session_id}-b"
    await async_history.aadd_messages(numbered(1500))
    async with AsyncElasticsearch(**client_arguments) as crashing:
        another = AsyncElasticsearchChatMessageHistory(
            async_history.index, async_history.session_id, client=crashing
        )
        # The first page is stored; neither the second nor what removes the first arrives.
        failing(crashing, "_bulk", CrashError(), after=1)
        with pytest.raises(CrashError):
            await another.afork(new)
    assert count(admin, async_history.index, new) == 1000
    with pytest.raises(SessionExistsError):
        await async_history.afork(new)
    fork = await async_history.afork(new, overwrite=True)
    assert texts(await fork.aget_messages()) == texts(numbered(1500))


class CrashError(Exception):
    """The process ends."""
