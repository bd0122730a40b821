"""Sessions whose last messages are too much for one answer are listed in smaller pages."""

from typing import Any, Literal

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore
from elasticsearch_chat_history._requests.state import transport_state
from tests.support.server import cluster_setting

pytestmark = pytest.mark.faults

SESSIONS = 40
# Each of three shards sends one session's two messages at least.
LIMITS = ("8mb", "4mb", "2mb")
ROUNDS = 4
Order = Literal["recent", "id"]


@pytest.mark.parametrize("order", ["recent", "id"])
@pytest.mark.parametrize("shards", [1, 3])
async def test_pages_shrink_when_a_circuit_breaker_trips_on_any_number_of_shards(
    fresh_index: str,
    login: dict[str, Any],
    administrator: Elasticsearch,
    shards: int,
    order: Order,
) -> None:
    async with AsyncElasticsearch(**login, request_timeout=60) as client:
        chats = AsyncElasticsearchChatStore(fresh_index, client=client, number_of_shards=shards)
        for number in range(SESSIONS):
            session = chats.session(f"s{number:02d}")
            await session.aadd_message(HumanMessage("x" * 200_000))
        names = [f"s{number:02d}" for number in range(SESSIONS)]
        expected = names if order == "id" else names[::-1]
        # How the node says that it has no memory depends on which shard answers first.
        for limit in LIMITS * ROUNDS:
            # As for a process that has seen none of these messages yet.
            transport_state(client).message_bytes.clear()
            with cluster_setting(administrator, "indices.breaker.request.limit", limit):
                listed = await chats.alist_sessions(order=order)
                counted = await chats.acount_sessions()
            assert [one.session_id for one in listed] == expected
            assert counted == SESSIONS
