"""One total order, whatever the clocks say and whoever wrote."""

import itertools
import time

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._documents.clock import CLOCK
from tests.support.concurrency import async_together
from tests.support.documents import OWN_MAPPINGS, own_document, upstream_document
from tests.support.messages import numbered, texts
from tests.support.server import sources, store

SECOND = 1_000_000
YEAR = 365 * 24 * 3600 * SECOND


def now() -> int:
    return time.time_ns() // 1000


async def test_many_messages_of_one_millisecond_keep_their_order(
    async_history: AsyncElasticsearchChatMessageHistory,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CLOCK, "_now", lambda: 0)
    for number in range(30):
        await async_history.aadd_message(HumanMessage(str(number)))
    assert texts(await async_history.aget_messages()) == texts(numbered(30))
    stored = sources(admin, async_history.index, async_history.session_id)
    sequence = [source["seq"] for source in stored]
    assert sequence == sorted(set(sequence))


async def test_the_order_survives_a_system_clock_that_steps_back(
    async_history: AsyncElasticsearchChatMessageHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await async_history.aadd_message(HumanMessage("0"))
    steps = itertools.count(now(), -3600 * SECOND)
    monkeypatch.setattr(CLOCK, "_now", lambda: next(steps))
    for number in range(1, 5):
        await async_history.aadd_message(HumanMessage(str(number)))
    assert texts(await async_history.aget_messages()) == texts(numbered(5))


async def test_upstreams_messages_of_one_millisecond_come_back_as_written(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    index, session_id = async_history.index, async_history.session_id
    # Seven to a millisecond, over the end of a page.
    documents = [
        upstream_document(session_id, 1_700_000_000_000 + number // 7, message)
        for number, message in enumerate(numbered(1400))
    ]
    store(admin, index, documents)
    assert texts(await async_history.aget_messages()) == texts(numbered(1400))
    assert texts(await async_history.aget_messages(limit=9)) == texts(numbered(9, 1391))


async def test_upstreams_messages_that_tie_on_several_shards_have_one_order(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    store(
        admin,
        index,
        [upstream_document("s", 1_700_000_000_000, message) for message in numbered(60)],
    )
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    whole = texts(await history.aget_messages())
    assert sorted(whole) == sorted(texts(numbered(60)))
    assert texts(await history.aget_messages(limit=60)) == whole
    iterated = [stored.message async for stored in history.aiter_messages(batch_size=7)]
    assert texts(iterated) == whole


async def test_ours_sort_behind_upstreams_of_the_same_millisecond(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    index, session_id = async_history.index, async_history.session_id
    millisecond = 1_700_000_000_000
    ours = [
        own_document(session_id, millisecond * 1000 + number, HumanMessage(str(number)))
        for number in (2, 3)
    ]
    upstreams = [
        upstream_document(session_id, millisecond, HumanMessage(str(number))) for number in (0, 1)
    ]
    store(admin, index, [ours[1], upstreams[0], ours[0], upstreams[1]])
    assert texts(await async_history.aget_messages()) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("limit", [None, 1, 20_000])
async def test_an_answer_sorts_behind_a_question_from_a_host_whose_clock_is_ahead(
    async_history: AsyncElasticsearchChatMessageHistory,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
    limit: int | None,
) -> None:
    index, session_id = async_history.index, async_history.session_id
    monkeypatch.setattr(CLOCK, "_last", 0)
    question = own_document(session_id, now() + 5 * SECOND, HumanMessage("0"))
    store(admin, index, [question])
    assert texts(await async_history.aget_messages(limit=limit)) == ["0"]
    await async_history.aadd_message(HumanMessage("1"))
    assert texts(await async_history.aget_messages()) == ["0", "1"]


async def test_an_answer_sorts_behind_upstreams_question_from_a_clock_ahead(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    index, session_id = async_history.index, async_history.session_id
    ahead = (now() + 5 * SECOND) // 1000
    store(admin, index, [upstream_document(session_id, ahead, HumanMessage("0"))])
    assert len([stored async for stored in async_history.aiter_messages()]) == 1
    await async_history.aadd_message(HumanMessage("1"))
    assert texts(await async_history.aget_messages()) == ["0", "1"]


async def test_a_message_a_year_ahead_drags_only_its_own_session_along(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    index, session_id = async_history.index, async_history.session_id
    store(admin, index, [own_document(session_id, now() + YEAR, HumanMessage("0"))])
    await async_history.aget_messages()
    await async_history.aadd_message(HumanMessage("1"))
    other = AsyncElasticsearchChatMessageHistory(index, f"{session_id} 2", client=async_client)
    await other.aadd_message(HumanMessage("2"))
    await async_history.aadd_message(HumanMessage("3"))
    assert texts(await async_history.aget_messages()) == ["0", "1", "3"]
    (unaffected,) = sources(admin, index, other.session_id)
    assert unaffected["seq"] < now() + 60 * SECOND


async def test_two_objects_of_one_session_share_their_order(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    index, session_id = async_history.index, async_history.session_id
    other = AsyncElasticsearchChatMessageHistory(index, session_id, client=async_client)
    for number in range(0, 10, 2):
        await async_history.aadd_message(HumanMessage(str(number)))
        await other.aadd_message(HumanMessage(str(number + 1)))
    assert texts(await async_history.aget_messages()) == texts(numbered(10))


async def test_concurrent_writers_lose_nothing_and_keep_their_own_order(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)

    async def write(writer: int) -> None:
        for turn in range(5):
            texts_of_turn = [f"{writer}/{turn}/{part}" for part in range(2)]
            listed: list[BaseMessage] = [HumanMessage(text) for text in texts_of_turn]
            await history.aadd_messages(listed)

    await async_together([lambda writer=writer: write(writer) for writer in range(10)])  # type: ignore[misc]
    found = texts(await history.aget_messages())
    for writer in range(10):
        own = [text for text in found if text.startswith(f"{writer}/")]
        assert own == [f"{writer}/{turn}/{part}" for turn in range(5) for part in range(2)]
    assert len(found) == 100
    assert found == [
        str(stored.message.text) async for stored in history.aiter_messages(batch_size=7)
    ]
    assert found[-33:] == texts(await history.aget_messages(limit=33))
