"""The same call again, by its idempotency key, changes nothing."""

from collections import Counter

from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.concurrency import async_together
from tests.messages import numbered, texts
from tests.stored import count, sources
from tests.transport import recorded

TURN: list[BaseMessage] = [HumanMessage("What?"), AIMessage("That.")]


async def test_the_same_call_again_changes_nothing(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    index, session_id = async_history.index, async_history.session_id
    await async_history.aadd_messages(TURN, idempotency_key="k")
    before = sources(admin, index, session_id)
    await async_history.aadd_messages(TURN, idempotency_key="k")
    anew = AsyncElasticsearchChatMessageHistory(index, session_id, client=async_client)
    await anew.aadd_messages(TURN, idempotency_key="k")
    assert sources(admin, index, session_id) == before
    assert await async_history.aget_messages() == TURN


async def test_another_key_or_none_is_another_call(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(TURN, idempotency_key="k")
    await async_history.aadd_messages(TURN, idempotency_key="l")
    await async_history.aadd_messages(TURN)
    await async_history.aadd_messages(TURN)
    assert await async_history.aget_messages() == TURN * 4


async def test_another_session_with_the_same_key_is_independent(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    other = AsyncElasticsearchChatMessageHistory(
        async_history.index, f"{async_history.session_id}-2", client=async_client
    )
    await async_history.aadd_messages(TURN, idempotency_key="k")
    await other.aadd_messages(TURN, idempotency_key="k")
    assert await async_history.aget_messages() == TURN
    assert await other.aget_messages() == TURN


async def test_a_call_that_was_half_stored_is_completed(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(2), idempotency_key="k")
    await async_history.aadd_messages(numbered(5), idempotency_key="k")
    assert texts(await async_history.aget_messages()) == texts(numbered(5))


async def test_the_same_call_many_times_at_once_is_stored_once(
    shared_index: str,
    session_id: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    histories = [
        AsyncElasticsearchChatMessageHistory(
            shared_index, session_id, client=async_client, refresh=refresh
        )
        for refresh in (True, False) * 4
    ]
    requests = recorded(async_client)
    await async_together(
        [
            lambda history=history: history.aadd_messages(TURN, idempotency_key="k")  # type: ignore[misc]
            for history in histories
        ]
    )
    assert count(admin, shared_index, session_id) == 2
    assert await histories[0].aget_messages() == TURN
    # Whichever call stores a message, it gets the same place in the order.
    bulks = [request for request in requests if request.endpoint == "_bulk"]
    places = Counter(line for bulk in bulks for line in b"".join(bulk.body).splitlines())
    assert len(bulks) > 1
    assert len(places) == 4
