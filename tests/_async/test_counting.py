"""Messages and sessions are counted exactly."""

from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history._async.store import listing
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS, documents_of_many_sessions, expected_rows
from tests.support.messages import numbered
from tests.support.server import store

pytestmark = pytest.mark.server_side


async def test_counts_are_exact_on_several_shards_and_in_several_requests(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = documents_of_many_sessions()
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    store(admin, index, documents)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    odd = [one for one in documents if one.get("metadata") == {"tenant": "odd"}]
    sessions = len(expected_rows(documents, "id"))
    # Also where the last request finds none, and where one is enough.
    for at_once in (1, 5, sessions - 1, sessions, sessions + 1):
        monkeypatch.setattr(listing, "KEYS_AT_ONCE", at_once)
        assert await chats.acount_sessions() == sessions
        assert await chats.acount_sessions(prefix="a-") == 8
        assert await chats.acount_sessions(prefix="none") == 0
        found = await chats.acount_sessions(metadata={"tenant": "odd"})
        assert found == len(expected_rows(odd, "id"))
    assert await chats.acount_messages() == len(documents)
    assert await chats.acount_messages(metadata={"tenant": "odd"}) == len(odd)
    assert await chats.acount_messages(session_id="both-1") == 3
    assert await chats.acount_messages(session_id="both-") == 0
    assert await chats.acount_messages(session_id="*") == 3
    assert await chats.acount_messages(session_id="*", metadata={"tenant": "odd"}) == 1


async def test_a_count_does_not_end_at_ten_thousand(
    index: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.session("s").aadd_messages(numbered(10_001))
    assert await chats.acount_messages() == 10_001
    assert await chats.acount_sessions() == 1


async def test_a_missing_index_has_none_and_is_not_made(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    assert await chats.acount_messages() == 0
    assert await chats.acount_messages(session_id="s") == 0
    assert await chats.acount_sessions() == 0
    assert not admin.indices.exists(index=index)


async def test_a_closed_index_is_an_error_and_not_an_empty_one(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    admin.indices.close(index=index)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    for count in (chats.acount_messages, chats.acount_sessions):
        caplog.clear()
        with pytest.raises(ApiError, match="index_closed_exception"):
            await count()
        (line,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
        assert line.startswith("Could not count in Elasticsearch: index_closed_exception")


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"session_id": "\ud800"}, ValueError, "session_id"),
        ({"session_id": 5}, TypeError, "session_id"),
        ({"session_id": ["s"]}, TypeError, "session_id"),
        ({"metadata": ["tenant"]}, TypeError, "metadata"),
        ({"metadata": {"tenant": []}}, ValueError, "metadata"),
    ],
)
async def test_a_bad_filter_of_messages_is_named_and_nothing_is_sent(
    async_client: AsyncElasticsearch, arguments: Any, error: type[Exception], named: str
) -> None:
    requests = recorded(async_client)
    chats = AsyncElasticsearchChatStore("chats", client=async_client)
    with pytest.raises(error, match=named):
        await chats.acount_messages(**arguments)
    assert requests == []


async def test_a_bad_prefix_is_named_and_nothing_is_sent(
    async_client: AsyncElasticsearch,
) -> None:
    requests = recorded(async_client)
    chats = AsyncElasticsearchChatStore("chats", client=async_client)
    with pytest.raises(TypeError, match="prefix"):
        await chats.acount_sessions(prefix=5)  # type: ignore[arg-type]
    assert requests == []
