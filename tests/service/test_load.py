"""Load on a service in a process of its own, and its end in the middle of it."""

import asyncio
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from service_load import Chat, http_session, run_chats, running_service

from chat_service.answers import STOPPED
from elasticsearch_chat_history import ElasticsearchChatStore

CHATS = 20
SECONDS = 5
# Much later than the end of all that is tested.
FOREVER = 120


@pytest.fixture
def variables(address: dict[str, Any], service_index: str) -> dict[str, str]:
    connection = {name.upper(): value for name, value in address.items()}
    return {**connection, "CHAT_INDEX": service_index}


async def test_chats_under_load_have_all_that_was_acknowledged_once(
    variables: dict[str, str],
) -> None:
    with running_service("tests.service.apps:soon_complete", **variables) as (_, url):
        chats, problems = await run_chats(url, CHATS, SECONDS)
    assert all(chat.ids for chat in chats)
    assert [chat for chat in chats if chat.errors or chat.broken or chat.unreached] == []
    assert problems == []


async def end_under_load(
    process: "subprocess.Popen[str]", url: str, begun: Callable[[Chat], bool]
) -> list[Chat]:
    """Send SIGTERM once each chat has begun, and wait for the end of all."""
    chats = [Chat() for _ in range(CHATS)]
    async with http_session() as http:
        until = asyncio.get_running_loop().time() + FOREVER
        running = [asyncio.create_task(chat.run(http, url, until)) for chat in chats]
        while not all(begun(chat) for chat in chats):  # noqa: ASYNC110  # of another process
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*running)
    await asyncio.to_thread(process.wait, FOREVER)
    return chats


def stored_for(chat: Chat, index: str, admin: Elasticsearch) -> list[dict[str, Any]]:
    store = ElasticsearchChatStore(index, client=admin)
    return list(store.export(metadata={"user": chat.user}))


async def test_service_that_ends_under_load_completes_what_it_has_begun(
    variables: dict[str, str], service_index: str, admin: Elasticsearch
) -> None:
    factory = "tests.service.apps:soon_complete"
    with running_service(factory, **variables) as (process, url):
        chats = await end_under_load(process, url, lambda chat: len(chat.ids) > 2)
    assert process.returncode in (0, -signal.SIGTERM)
    for chat in chats:
        assert (chat.errors, chat.broken) == ([], [])
        assert sorted(each["id"] for each in stored_for(chat, service_index, admin)) == sorted(
            chat.ids
        )


async def test_service_that_ends_acknowledges_what_models_have_said(
    variables: dict[str, str], service_index: str, admin: Elasticsearch
) -> None:
    factory = "tests.service.apps:never_complete"
    with running_service(factory, **variables) as (process, url):
        chats = await end_under_load(process, url, lambda chat: chat.words > 0)
    for chat in chats:
        question, answer = stored_for(chat, service_index, admin)
        assert chat.ids == [question["id"], answer["id"]]
        assert answer["message"]["data"]["response_metadata"] == {"partial": STOPPED}
        assert len(chat.errors) == 1
