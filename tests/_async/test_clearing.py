"""Clearing removes one session, and nothing else."""

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._async.index import deleting
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS
from tests.support.messages import numbered, texts
from tests.support.server import count


async def test_a_cleared_session_is_empty_and_others_are_untouched(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    index, session_id = async_history.index, async_history.session_id
    other = AsyncElasticsearchChatMessageHistory(index, f"{session_id}-2", client=async_client)
    await async_history.aadd_messages(numbered(3))
    await other.aadd_messages(numbered(3))
    requests = recorded(async_client)
    await async_history.aclear()
    assert [one.endpoint for one in requests] == ["_refresh", "_bulk", "_delete_by_query"]
    assert await async_history.aget_messages() == []
    assert count(admin, index, session_id) == 0
    assert len(await other.aget_messages()) == 3


async def test_a_cleared_session_can_be_written_again(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(numbered(3))
    await async_history.aclear()
    await async_history.aadd_message(HumanMessage("new"))
    assert texts(await async_history.aget_messages()) == ["new"]


async def test_what_no_refresh_has_shown_yet_is_removed_too(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.refresh_interval": "-1"}
    )
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client, refresh=False)
    await history.aadd_messages(numbered(3))
    await history.aclear()
    assert count(admin, index) == 0


async def test_a_long_session_is_cleared_in_steps(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deleting, "MAX_DELETED_AT_ONCE", 10)
    await async_history.aadd_messages(numbered(25))
    requests = recorded(async_client)
    await async_history.aclear()
    deletions = [request for request in requests if request.endpoint == "_delete_by_query"]
    assert len(deletions) == 3
    assert count(admin, async_history.index, async_history.session_id) == 0
