"""A node that has no room for what it is sent."""

from functools import partial

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    MessagesNotStoredError,
)
from local_elasticsearch import LocalElasticsearch
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.concurrency import AsyncRunning, async_together, async_until
from tests.support.flush_queue import waiting_callers
from tests.support.write_log import WriteLog

pytestmark = pytest.mark.faults

LARGE = "x" * 20_000
WRITERS = 20
TURNS = 2


async def test_all_arrives_at_a_node_that_refuses_most_requests(
    write_log: WriteLog, small_node: LocalElasticsearch, fresh_index: str
) -> None:
    refused_before = refusals(small_node)
    async with (
        AsyncElasticsearch(small_node.url) as first,
        AsyncElasticsearch(small_node.url) as second,
    ):
        histories = {
            f"w{number}": AsyncElasticsearchChatMessageHistory(
                fresh_index,
                f"s{number % 4}",
                client=(first, second)[number % 2],
                metadata={"weight": LARGE},
                max_retries=30,  # the two clients get in each other's way
            )
            for number in range(WRITERS)
        }

        async def write(writer: str) -> None:
            for _ in range(TURNS):
                turn = write_log.begin(writer)
                await histories[writer].aadd_messages(turn)
                write_log.acknowledge(turn)

        leaders, followers = [*histories][:2], [*histories][2:]
        with AsyncHeldRequests(first) as first_held, AsyncHeldRequests(second) as second_held:
            leading = AsyncRunning(*(partial(write, writer) for writer in leaders))
            await async_until(lambda: len(first_held.requests) == len(second_held.requests) == 1)
            following = AsyncRunning(*(partial(write, writer) for writer in followers))
            # What waits then goes out together, and is more than the node takes.
            await async_until(
                lambda: sum(waiting_callers(histories[one]) for one in leaders) == len(followers)
            )
        assert await leading.results() == [None] * len(leaders)
        assert await following.results() == [None] * len(followers)
        sessions = {history.session_id: history for history in histories.values()}
        found = [message for s in sessions.values() for message in await s.aget_messages()]
    write_log.check(found)
    assert len(found) == WRITERS * TURNS
    assert refusals(small_node) > refused_before


async def test_what_never_fits_is_told_with_its_reason_and_takes_nobody_along(
    small_node: LocalElasticsearch, fresh_index: str
) -> None:
    async with AsyncElasticsearch(small_node.url) as client:
        history = AsyncElasticsearchChatMessageHistory(
            fresh_index, "s", client=client, max_retries=3
        )
        other = AsyncElasticsearchChatMessageHistory(fresh_index, "other", client=client)
        messages = [HumanMessage("before"), HumanMessage("y" * 200_000), HumanMessage("after")]

        async def store() -> None:
            with pytest.raises(MessagesNotStoredError, match=r"\(429\)") as caught:
                await history.aadd_messages(messages)
            assert list(caught.value.reasons) == [1]
            assert caught.value.stored == (0, 2)
            assert "yyy" not in str(caught.value)

        await async_together([store, lambda: other.aadd_message(HumanMessage("Hello"))])
        texts = [message.text for message in await history.aget_messages()]
        assert texts == ["before", "after"]
        assert len(await other.aget_messages()) == 1


def refusals(server: LocalElasticsearch) -> int:
    """How many requests the node has answered with 429 so far."""
    with Elasticsearch(server.url) as client:
        nodes = client.nodes.stats(metric="indexing_pressure")["nodes"].values()
    totals = [node["indexing_pressure"]["memory"]["total"] for node in nodes]
    return sum(total[kind] for total in totals for kind in total if kind.endswith("_rejections"))
