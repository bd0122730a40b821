"""An index that is blocked, closed or deleted while writers are at work."""

from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    MessagesNotStoredError,
)
from tests.support._async.steady_writers import AsyncSteadyWriters
from tests.support.client_requests import recorded
from tests.support.concurrency import HANG_SECONDS, async_until, async_without_blocking
from tests.support.write_log import WriteLog

pytestmark = pytest.mark.faults

BLOCK = "index.blocks.read_only_allow_delete"
DELETIONS = 4


async def test_writers_wait_while_a_full_disk_blocks_the_index(
    write_log: WriteLog,
    administrator: Elasticsearch,
    login: dict[str, Any],
    fresh_index: str,
) -> None:
    async with AsyncElasticsearch(**login) as client:
        writers = AsyncSteadyWriters(write_log, fresh_index, client)
        async with writers:
            await writers.progress()
            administrator.indices.put_settings(index=fresh_index, settings={BLOCK: True})
            with pytest.raises(ApiError, match="cluster_block_exception") as refused:
                administrator.index(index=fresh_index, document={})
            assert refused.value.status_code == 429
            requests = recorded(client)
            await async_until(lambda: len(requests) >= 4, HANG_SECONDS)
            administrator.indices.put_settings(index=fresh_index, settings={BLOCK: None})
            await writers.progress()
        write_log.check(await writers.found())


async def test_a_closed_index_is_told_at_once_and_works_again_when_opened(
    administrator: Elasticsearch,
    login: dict[str, Any],
    fresh_index: str,
) -> None:
    async with AsyncElasticsearch(**login) as client:
        history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=client)
        await history.aadd_message(HumanMessage("before"))
        administrator.indices.close(index=fresh_index)
        requests = recorded(client)
        with pytest.raises((MessagesNotStoredError, ApiError), match="index_closed_exception"):
            await history.aadd_message(HumanMessage("meanwhile"))
        with pytest.raises(BadRequestError, match="index_closed_exception"):
            await history.aget_messages()
        with pytest.raises(BadRequestError, match="index_closed_exception"):
            await history.aclear()
        assert len(requests) == 3  # nothing was tried again
        administrator.indices.open(index=fresh_index)
        administrator.cluster.health(index=fresh_index, wait_for_status="yellow", timeout="60s")
        await history.aadd_message(HumanMessage("after"))
        texts = [message.text for message in await history.aget_messages()]
        assert texts == ["before", "after"]


async def test_a_closed_index_that_is_met_first_is_told_at_once(
    administrator: Elasticsearch,
    login: dict[str, Any],
    fresh_index: str,
) -> None:
    administrator.indices.create(index=fresh_index)
    administrator.indices.close(index=fresh_index)
    async with AsyncElasticsearch(**login) as client:
        history = AsyncElasticsearchChatMessageHistory(fresh_index, "s", client=client)
        with pytest.raises(BadRequestError, match="index_closed_exception"):
            await history.aadd_message(HumanMessage("meanwhile"))


async def test_writers_make_a_deleted_index_anew_and_never_with_guessed_fields(
    write_log: WriteLog,
    administrator: Elasticsearch,
    login: dict[str, Any],
    fresh_index: str,
) -> None:
    async with (
        AsyncElasticsearch(**login) as first,
        AsyncElasticsearch(**login) as second,
    ):
        # Deletions in quick succession use up retries of the same call.
        writers = AsyncSteadyWriters(write_log, fresh_index, first, second, max_retries=15)
        async with writers:
            for _ in range(DELETIONS):
                await writers.progress(1)
                await async_without_blocking(
                    lambda: administrator.indices.delete(index=fresh_index)
                )
                last_deletion = write_log.begun()
            await writers.progress()
        write_log.check(await writers.found(), since=last_deletion)
    mapping = administrator.indices.get_mapping(index=fresh_index)[fresh_index]["mappings"]
    assert mapping["properties"]["session_id"] == {"type": "keyword"}
    assert mapping["properties"]["seq"] == {"type": "long"}
