"""Connections that break, and answers that never come."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from local_elasticsearch import LocalElasticsearch
from tests.support._async.steady_writers import AsyncSteadyWriters
from tests.support.concurrency import HANG_SECONDS, async_until
from tests.support.tcp_proxy import Fault, TcpProxy, bursts, nothing_fails
from tests.support.write_log import WriteLog

pytestmark = pytest.mark.faults

# The client tries a broken connection three times more, and aiohttp under it some of these once
# more: only a longer burst reaches us.
BURSTS = {
    Fault.REQUEST_LOST: (12, 16),
    Fault.ANSWER_LOST: (12, 16),
    Fault.ANSWER_STALLED: (2, 4),
    Fault.LATE: (2, 4),
}
SHORT_TIMEOUT = 0.5


def through(proxy: TcpProxy, login: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a client that comes through `proxy`."""
    return {**login, "hosts": [proxy.url]}


@pytest.mark.parametrize("fault", BURSTS)
async def test_what_is_acknowledged_over_a_bad_connection_is_there_once(
    fault: Fault,
    write_log: WriteLog,
    lone_node: LocalElasticsearch,
    login: dict[str, Any],
    fresh_index: str,
) -> None:
    length, period = BURSTS[fault]
    with TcpProxy(lone_node.nodes[0].port) as proxy:
        async with AsyncElasticsearch(
            **through(proxy, login), request_timeout=SHORT_TIMEOUT
        ) as client:
            writers = AsyncSteadyWriters(write_log, fresh_index, client, max_retries=15)
            async with writers:
                await writers.progress(1)
                proxy.follow(bursts(fault, length, period))
                await writers.progress(1)
                await async_until(lambda: proxy.faults[fault] >= 2 * length, HANG_SECONDS)
            # Reads are tried again likewise: the first requests of this plan fail.
            proxy.follow(bursts(fault, length, period))
            faults_of_writing = proxy.faults[fault]
            write_log.check(await writers.found())
            assert proxy.faults[fault] > faults_of_writing


async def test_a_long_session_is_read_whole_over_a_bad_connection(
    lone_node: LocalElasticsearch, login: dict[str, Any], fresh_index: str
) -> None:
    texts = [str(number) for number in range(2500)]
    with TcpProxy(lone_node.nodes[0].port) as proxy:
        async with AsyncElasticsearch(**through(proxy, login)) as client:
            history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=client)
            await history.aadd_messages([HumanMessage(text) for text in texts])
            proxy.follow(lambda number: Fault.ANSWER_LOST if number % 6 else Fault.NONE)
            assert [message.text for message in await history.aget_messages()] == texts
            assert [stored.message.text async for stored in history.aiter_messages()] == texts
            assert proxy.faults[Fault.ANSWER_LOST] > 0


async def test_an_index_is_made_over_a_bad_connection(
    lone_node: LocalElasticsearch,
    login: dict[str, Any],
    fresh_index: str,
    administrator: Elasticsearch,
) -> None:
    # The look at the missing index passes, and the answer to its creation is lost.
    plan = bursts(Fault.ANSWER_LOST, 1, 2)
    with TcpProxy(lone_node.nodes[0].port, lambda number: plan(number + 1)) as proxy:
        async with AsyncElasticsearch(**through(proxy, login)) as client:
            history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=client)
            await history.create_if_missing()
            assert proxy.faults[Fault.ANSWER_LOST] > 0
            proxy.follow(nothing_fails)
            await history.aadd_message(HumanMessage("Hello"))
            assert len(await history.aget_messages()) == 1
    mapping = administrator.indices.get_mapping(index=fresh_index)[fresh_index]["mappings"]
    assert mapping["properties"]["session_id"] == {"type": "keyword"}


async def test_clearing_over_a_bad_connection_leaves_nothing(
    lone_node: LocalElasticsearch, login: dict[str, Any], fresh_index: str
) -> None:
    with TcpProxy(lone_node.nodes[0].port) as proxy:
        async with AsyncElasticsearch(**through(proxy, login)) as client:
            history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=client)
            await history.aadd_messages([HumanMessage("Hello")] * 20)
            proxy.follow(bursts(Fault.ANSWER_LOST, 6, 9))
            await history.aclear()
            assert await history.aget_messages() == []
            assert proxy.faults[Fault.ANSWER_LOST] > 0
