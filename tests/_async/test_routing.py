"""With `routing`, a session lives on one shard."""

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.documents import OWN_MAPPINGS
from tests.support.messages import numbered, texts
from tests.support.server import count


@pytest.mark.parametrize("session_id", ["s", "a,b", "ä/ö?x=&y", "s" * 600])
async def test_a_routed_session_is_written_read_and_cleared(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, session_id: str
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3}
    )
    history = AsyncElasticsearchChatMessageHistory(
        index, session_id, client=async_client, routing=True
    )
    await history.aadd_messages(numbered(20), idempotency_key="k")
    await history.aadd_messages(numbered(20), idempotency_key="k")
    admin.indices.refresh(index=index)
    shards = admin.indices.stats(index=index, metric="docs", level="shards")["indices"][index]
    filled = [
        copies[0]["docs"]["count"]
        for copies in shards["shards"].values()
        if copies[0]["docs"]["count"]
    ]
    assert filled == [20]
    assert texts(await history.aget_messages()) == texts(numbered(20))
    assert texts(await history.aget_messages(limit=20_000)) == texts(numbered(20))
    assert texts(await history.aget_messages(limit=2)) == ["18", "19"]
    assert len([stored async for stored in history.aiter_messages()]) == 20
    await history.aclear()
    assert count(admin, index) == 0
