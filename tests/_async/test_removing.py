"""The last messages of a session, or given ones, are taken away and returned."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    StoredMessage,
    UnreadableMessageError,
)
from tests.support.client_requests import recorded
from tests.support.concurrency import async_together
from tests.support.documents import (
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    own_document,
    upstream_document,
)
from tests.support.messages import numbered, texts
from tests.support.server import count, store
from tests.support.tcp_proxy import Fault, TcpProxy


def removed_texts(removed: Iterable[StoredMessage]) -> list[str]:
    return [stored.message.text for stored in removed]


@pytest.mark.parametrize(("n", "left"), [(1, 4), (2, 3), (5, 0), (9, 0)])
async def test_the_last_messages_are_removed_and_returned_oldest_first(
    async_history: AsyncElasticsearchChatMessageHistory, n: int, left: int
) -> None:
    await async_history.aadd_messages(numbered(5), metadata={"tenant": "a"})
    before = [stored async for stored in async_history.aiter_messages()]
    assert await async_history.apop_messages(n) == before[left:]
    assert texts(await async_history.aget_messages()) == texts(numbered(left))


async def test_of_an_empty_session_or_a_missing_index_nothing_is_removed(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    index: str,
) -> None:
    missing = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    for one in (async_history, missing):
        assert await one.apop_messages() == []
        assert await one.adelete_messages(["a"]) == []
    assert not admin.indices.exists(index=index)


async def test_other_sessions_are_left_alone(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    other = AsyncElasticsearchChatMessageHistory(
        async_history.index, f"{async_history.session_id}-2", client=async_client
    )
    await async_history.aadd_messages(numbered(2))
    await other.aadd_messages(numbered(2))
    ids = [stored.id async for stored in other.aiter_messages()]
    assert await async_history.adelete_messages(ids) == []
    assert len(await async_history.apop_messages(9)) == 2
    assert texts(await other.aget_messages()) == ["0", "1"]


async def test_a_message_that_no_search_sees_yet_is_the_last_all_the_same(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.refresh_interval": "-1"}
    )
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client, refresh=False)
    await history.aadd_messages(numbered(4))
    assert removed_texts(await history.apop_messages(2)) == ["2", "3"]
    assert removed_texts(await history.apop_messages()) == ["1"]
    (left,) = [stored async for stored in history.aiter_messages() if stored.message.text == "0"]
    assert removed_texts(await history.adelete_messages([left.id])) == ["0"]
    assert count(admin, index) == 0


async def test_two_callers_never_get_the_same_message(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(30))
    popped = await async_together([lambda: async_history.apop_messages(4)] * 6)
    assert [len(removed) for removed in popped] == [4] * 6
    every = sorted((text for removed in popped for text in removed_texts(removed)), key=int)
    assert every == texts(numbered(24, first=6))
    assert texts(await async_history.aget_messages()) == texts(numbered(6))


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.REQUEST_LOST])
async def test_a_lost_answer_takes_no_further_message_along(
    async_history: AsyncElasticsearchChatMessageHistory,
    client_arguments: dict[str, Any],
    fault: Fault,
) -> None:
    await async_history.aadd_messages(numbered(5))
    port = urlsplit(client_arguments["hosts"][0]).port
    assert port is not None
    with TcpProxy(port) as proxy:
        arguments = {**client_arguments, "hosts": [proxy.url]}
        async with AsyncElasticsearch(**arguments) as client:
            another = AsyncElasticsearchChatMessageHistory(
                async_history.index, async_history.session_id, client=client
            )
            assert len(await another.aget_messages()) == 5
            # The refresh and the search pass; the removal meets the fault.
            proxy.follow(lambda number: fault if number == 2 else Fault.NONE)
            assert removed_texts(await another.apop_messages(2)) == ["3", "4"]
            assert proxy.faults[fault] == 1
    assert texts(await async_history.aget_messages()) == ["0", "1", "2"]


async def test_what_ttl_hides_is_not_popped(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    session_id = async_history.session_id
    store(admin, async_history.index, [own_document(session_id, 1, HumanMessage("old"))])
    another = AsyncElasticsearchChatMessageHistory(
        async_history.index, session_id, client=async_client, ttl=timedelta(hours=1)
    )
    await another.aadd_messages(numbered(1))
    assert removed_texts(await another.apop_messages(5)) == ["0"]
    assert texts(await async_history.aget_messages()) == ["old"]


async def test_messages_are_removed_by_id_and_returned_in_order(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(6))
    before = [stored async for stored in async_history.aiter_messages()]
    ids = [before[4].id, "nobody's", before[1].id, before[4].id, "\ud800"]
    assert await async_history.adelete_messages(ids) == [before[1], before[4]]
    assert texts(await async_history.aget_messages()) == ["0", "2", "3", "5"]
    assert await async_history.adelete_messages(ids) == []


async def test_any_number_of_ids_can_be_removed(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(2500))
    ids = [stored.id async for stored in async_history.aiter_messages()]
    removed = await async_history.adelete_messages(reversed(ids))
    assert removed_texts(removed) == texts(numbered(2500))
    assert await async_history.aget_messages() == []


async def test_no_ids_send_nothing(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    requests = recorded(async_client)
    assert await async_history.adelete_messages([]) == []
    assert requests == []


async def test_what_upstream_wrote_is_removed_too(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    ids = store(admin, index, [upstream_document("s", 1, message) for message in numbered(6)])
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    assert removed_texts(await history.apop_messages(2)) == ["4", "5"]
    assert removed_texts(await history.adelete_messages(ids[:2])) == ["0", "1"]
    assert texts(await history.aget_messages()) == ["2", "3"]


async def test_a_document_that_holds_no_message_can_be_removed_by_its_id(
    async_history: AsyncElasticsearchChatMessageHistory,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    session_id = async_history.session_id
    documents = [own_document(session_id, number, one) for number, one in enumerate(numbered(3))]
    documents[2]["history"] = "{ my secret"
    ids = store(admin, async_history.index, documents)
    with pytest.raises(UnreadableMessageError) as caught:
        await async_history.apop_messages()
    assert count(admin, async_history.index, session_id) == 3
    removed = await async_history.adelete_messages([ids[0], caught.value.document_id])
    assert removed_texts(removed) == ["0"]
    assert texts(await async_history.aget_messages()) == ["1"]
    assert ids[2] in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), ("1", TypeError)])
async def test_a_bad_number_is_refused(
    async_history: AsyncElasticsearchChatMessageHistory, n: Any, error: type[Exception]
) -> None:
    await async_history.aadd_messages(numbered(1))
    with pytest.raises(error, match="n must be"):
        await async_history.apop_messages(n)
    assert len(await async_history.aget_messages()) == 1


@pytest.mark.parametrize("ids", ["abc", b"abc", None, 5, [5], [None]])
async def test_bad_ids_are_refused(
    async_history: AsyncElasticsearchChatMessageHistory, ids: Any
) -> None:
    with pytest.raises(TypeError, match="ids must"):
        await async_history.adelete_messages(ids)
