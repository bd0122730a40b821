"""A cluster that allows no expensive queries lists and counts sessions nevertheless."""

from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history._async.store import listing
from tests.support.messages import numbered
from tests.support.server import cluster_setting

pytestmark = pytest.mark.faults


async def test_sessions_by_id_need_no_expensive_queries(
    fresh_index: str,
    login: dict[str, Any],
    administrator: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "KEYS_AT_ONCE", 3)
    names = [f"s{number}" for number in range(8)]
    async with AsyncElasticsearch(**login) as client:
        chats = AsyncElasticsearchChatStore(fresh_index, client=client)
        for name in names:
            await chats.session(name).aadd_messages(numbered(2))
        with cluster_setting(administrator, "search.allow_expensive_queries", "false"):
            first = await chats.alist_sessions(order="id", limit=3)
            others = await chats.alist_sessions(order="id", after=first[-1])
            assert await chats.acount_sessions() == len(names)
            # A prefix is one itself: that it is refused is told, and nothing is tried for ever.
            for call in (chats.acount_sessions, chats.alist_sessions):
                with pytest.raises(ApiError, match="allow_expensive_queries"):
                    await call(prefix="s")
    assert [one.session_id for one in (*first, *others)] == names
