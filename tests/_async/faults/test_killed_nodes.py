"""Nodes killed under writers."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from local_elasticsearch import LocalElasticsearch
from tests.support._async.steady_writers import AsyncSteadyWriters
from tests.support.concurrency import async_without_blocking
from tests.support.write_log import WriteLog

pytestmark = pytest.mark.faults

# However long the start of the node takes: with the default, writers would give up after 30 s.
PATIENT = {"max_retries": 100}


async def test_writers_go_on_when_a_killed_node_is_started_again(
    write_log: WriteLog,
    lone_node: LocalElasticsearch,
    administrator: Elasticsearch,
    login: dict[str, Any],
    fresh_index: str,
) -> None:
    node = lone_node.nodes[0]
    key = administrator.security.create_api_key(name="writer")["encoded"]
    async with (
        AsyncElasticsearch(**login) as by_password,
        AsyncElasticsearch(lone_node.url, api_key=key) as by_key,
    ):
        writers = AsyncSteadyWriters(write_log, fresh_index, by_password, by_key, **PATIENT)
        async with writers:
            await writers.progress()
            node.kill()
            await async_without_blocking(node.start)
            await writers.progress()
        write_log.check(await writers.found())


async def test_callers_see_no_error_when_the_node_with_the_primary_is_killed(
    write_log: WriteLog, cluster: LocalElasticsearch, fresh_index: str
) -> None:
    async with AsyncElasticsearch(cluster.urls) as client:
        history = AsyncElasticsearchChatMessageHistory(fresh_index, "s0", client=client)
        await history.create_if_missing()
        patient = client.options(request_timeout=90)
        await patient.cluster.health(index=fresh_index, wait_for_status="green", timeout="60s")
        shards: Any = await client.cat.shards(index=fresh_index, format="json", h="node,prirep")
        assert sorted(shard["prirep"] for shard in shards) == ["p", "r"]
        holder = next(shard["node"] for shard in shards if shard["prirep"] == "p")
        node = next(node for node in cluster.nodes if node.name == holder)
        try:
            writers = AsyncSteadyWriters(write_log, fresh_index, client)
            async with writers:
                await writers.progress()
                node.kill()
                await writers.progress()
            write_log.check(await writers.found())
        finally:
            await async_without_blocking(node.start)
