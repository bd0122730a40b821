"""Closing ends what a history opened, and nothing else."""

import gc
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory, ChatHistoryError
from tests.support.messages import numbered, texts


def closings(client: Any) -> list[str]:
    """Return a list that every closing of the client's connections is added to."""
    closed: list[str] = []
    close = client.transport.close

    def record() -> Any:
        closed.append("closed")
        return close()

    client.transport.close = record
    return closed


async def test_an_own_client_is_closed_once(index: str, address: dict[str, Any]) -> None:
    async with AsyncElasticsearchChatMessageHistory(index, "s", **address) as history:
        closed = closings(history.client)
        await history.aadd_messages(numbered(1))
        assert closed == []
    await history.aclose()
    assert closed == ["closed"]


async def test_a_given_client_stays_open(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    closed = closings(async_client)
    async with AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, client=async_client
    ) as history:
        await history.aadd_messages(numbered(1))
    assert closed == []
    another = AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=async_client)
    assert texts(await another.aget_messages()) == ["0"]


async def test_the_client_is_closed_when_the_block_fails(
    index: str, address: dict[str, Any]
) -> None:
    with pytest.raises(KeyError):  # noqa: PT012  # the block that fails is what is shown
        async with AsyncElasticsearchChatMessageHistory(index, "s", **address) as history:
            closed = closings(history.client)
            raise KeyError
    assert closed == ["closed"]


@pytest.mark.parametrize("own", [True, False])
async def test_a_closed_history_says_so(
    shared_index: str,
    session_id: str,
    async_client: AsyncElasticsearch,
    address: dict[str, Any],
    own: bool,
) -> None:
    connection: dict[str, Any] = address if own else {"client": async_client}
    history = AsyncElasticsearchChatMessageHistory(shared_index, session_id, **connection)
    await history.aclose()
    with pytest.raises(ChatHistoryError, match="was closed"):
        await history.create_if_missing()
    with pytest.raises(ChatHistoryError, match="was closed"):
        await history.aget_messages()
    with pytest.raises(ChatHistoryError, match="was closed"):
        await history.aadd_message(numbered(1)[0])
    with pytest.raises(ChatHistoryError, match="was closed"):
        await history.aadd_messages([])
    with pytest.raises(ChatHistoryError, match="was closed"):
        await history.aclear()
    with pytest.raises(ChatHistoryError, match="was closed"):
        _ = [stored async for stored in history.aiter_messages()]


async def test_an_own_client_that_nobody_closed_is_warned_of() -> None:
    history = AsyncElasticsearchChatMessageHistory("chats", "s", es_url="http://127.0.0.1:1")
    with pytest.warns(ResourceWarning, match="Unclosed .* 'chats'"):  # noqa: PT031  # both end it
        del history
        gc.collect()


async def test_a_given_client_is_not_warned_of(async_client: AsyncElasticsearch) -> None:
    history = AsyncElasticsearchChatMessageHistory("chats", "s", client=async_client)
    # Warnings are errors.
    del history
    gc.collect()
