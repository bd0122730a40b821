"""The history in its ordinary use."""

from typing import Any

from elasticsearch import AsyncElasticsearch
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.transport import recorded


async def test_messages_come_back_in_order(index: str, address: dict[str, Any]) -> None:
    messages = [HumanMessage("Hello"), AIMessage("Hi!"), HumanMessage("Bye")]
    async with AsyncElasticsearchChatMessageHistory(index, "s", **address) as history:
        await history.aadd_messages(messages)
        assert await history.aget_messages() == messages


async def test_a_thousand_messages_take_one_bulk_request_and_a_refresh(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.create_if_missing()
    requests = recorded(async_client)
    await history.aadd_messages([HumanMessage(str(number)) for number in range(1000)])
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert "refresh=true" in requests[0].target


async def test_a_short_session_takes_one_request_to_read(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_messages([HumanMessage(str(number)) for number in range(20)])
    requests = recorded(async_client)
    assert len(await history.aget_messages()) == 20
    assert [request.endpoint for request in requests] == ["_search"]
