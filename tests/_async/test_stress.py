"""Callers that are cancelled, time out and are interrupted at random moments."""

import os
import random
import time
from functools import partial
from typing import Any, Literal

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    MessagesNotStoredError,
)
from elasticsearch_chat_history._requests.state import transport_state
from tests.support._async.interrupted_requests import interrupt_requests
from tests.support.concurrency import AsyncRunning
from tests.support.interruptions import Interruptions, async_returned
from tests.support.write_log import WriteLog

SECONDS = float(os.environ.get("STRESS_SECONDS", "6"))
WRITERS = 24
SESSIONS = 4
POLICIES: tuple[Literal["wait_for"] | bool, ...] = (True, True, False, "wait_for")
# Most are small; the large ones take several bulk requests.
SIZES = (1, 2, 2, 2, 20, 2500)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(SECONDS + 300)]


async def test_callers_who_leave_at_random_moments_harm_nobody(
    write_log: WriteLog,
    index: str,
    client_arguments: dict[str, Any],
    admin: Elasticsearch,
) -> None:
    interruptions = Interruptions(random.Random(os.environ.get("STRESS_SEED")))
    async with AsyncElasticsearch(**client_arguments) as client:
        histories = [
            AsyncElasticsearchChatMessageHistory(
                index,
                f"s{number % SESSIONS}",
                client=client,
                refresh=POLICIES[number % len(POLICIES)],
                max_retries=30,
            )
            for number in range(WRITERS)
        ]
        await histories[0].create_if_missing()
        admin.indices.put_settings(index=index, settings={"index.refresh_interval": "50ms"})
        interrupt_requests(interruptions, client)
        deadline = time.monotonic() + SECONDS

        async def write(writer: int) -> None:
            # On a busy machine, few requests fit into so many seconds.
            while time.monotonic() < deadline or interruptions.hits <= SECONDS:
                messages = write_log.begin(f"w{writer}", interruptions.chance.choice(SIZES))
                try:
                    done = await async_returned(
                        interruptions, partial(histories[writer].aadd_messages, messages)
                    )
                except MessagesNotStoredError:
                    continue
                if done:
                    write_log.acknowledge(messages)

        async with AsyncRunning[None](seconds=SECONDS + 120) as running:
            for writer in range(WRITERS):
                running.start(partial(write, writer))
        interruptions.over = True
        assert interruptions.hits > SECONDS

        # Nobody is left who leads or waits, so that the next caller leads at once.
        for queue in transport_state(client)._queues.values():
            assert queue.leaders == 0
            assert not queue._waiting

        async def write_calmly(writer: int) -> None:
            messages = write_log.begin(f"w{writer}")
            await histories[writer].aadd_messages(messages)
            write_log.acknowledge(messages)

        async with AsyncRunning[None]() as running:
            for writer in range(WRITERS):
                running.start(partial(write_calmly, writer))
        await client.indices.refresh(index=index)
        found = [
            message for each in histories[:SESSIONS] for message in await each.aget_messages()
        ]
    write_log.check(found)
