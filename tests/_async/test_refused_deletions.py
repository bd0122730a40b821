"""Deletions that a block of the index holds back, or that take longer than the client waits."""

from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, ConnectionTimeout, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ChatHistoryError
from tests.support.client_requests import failing, recorded
from tests.support.messages import numbered
from tests.support.server import count

pytestmark = pytest.mark.server_side

BLOCK = "index.blocks.read_only_allow_delete"


async def _pop(chats: AsyncElasticsearchChatStore) -> Any:
    return await chats.session("s").apop_messages(1)


async def _delete_messages(chats: AsyncElasticsearchChatStore) -> Any:
    [last] = [one async for one in chats.session("s").aiter_messages()][1:]
    return await chats.session("s").adelete_messages([last.id])


DELETIONS: dict[str, Any] = {
    "clear": lambda chats: chats.session("s").aclear(),
    "delete_sessions": lambda chats: chats.adelete_sessions(["s"]),
    "prune": lambda chats: chats.aprune(timedelta(microseconds=1)),
    "pop": _pop,
    "delete_messages": _delete_messages,
}


@pytest.mark.parametrize("delete", DELETIONS.values(), ids=DELETIONS.keys())
async def test_a_full_disk_is_named_at_once_and_nothing_is_deleted_later(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    delete: Any,
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.session("s").aadd_messages(numbered(2))
    admin.indices.put_settings(index=index, settings={BLOCK: True})
    requests = recorded(async_client)
    with pytest.raises(ChatHistoryError, match="flood-stage"):
        await delete(chats)
    # No deletion by query goes on in Elasticsearch, and nothing was tried again.
    endpoints = [one.endpoint for one in requests]
    assert "_delete_by_query" not in endpoints
    assert endpoints.count("_bulk") == 1
    admin.indices.put_settings(index=index, settings={BLOCK: None})
    assert count(admin, index) == 2
    await delete(chats)
    assert count(admin, index) < 2


async def test_a_block_behind_an_alias_is_named_too(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    used_indices: list[str],
) -> None:
    alias, names = f"{index}-all", [f"{index}-000001", f"{index}-000002"]
    used_indices += names
    admin.indices.create(index=names[0], aliases={alias: {"is_write_index": True}})
    chats = AsyncElasticsearchChatStore(alias, client=async_client)
    await chats.session("s").aadd_messages(numbered(2))
    admin.indices.rollover(alias=alias)
    await chats.session("s").aadd_messages(numbered(2))
    admin.indices.put_settings(index=names[0], settings={BLOCK: True})
    with pytest.raises(ChatHistoryError, match="flood-stage"):
        await chats.session("s").aclear()
    assert count(admin, alias) == 4


async def test_a_deletion_that_takes_too_long_is_not_started_again(
    index: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.session("s").aadd_messages(numbered(2))
    failing(async_client, "_delete_by_query", ConnectionTimeout("slow"))
    requests = recorded(async_client)
    with pytest.raises(ConnectionTimeout):
        await chats.session("s").aclear()
    assert [one.endpoint for one in requests].count("_delete_by_query") == 1
