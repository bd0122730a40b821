"""A message with a key is stored once in its session, by whatever call, in its order."""

from functools import partial
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)
from elasticsearch_chat_history._documents.document import derived_id
from tests.support.client_requests import recorded
from tests.support.concurrency import AsyncRunning
from tests.support.messages import numbered, texts
from tests.support.server import count, sources

TURN: list[BaseMessage] = [HumanMessage("What?"), AIMessage("That.")]


def endpoints(requests: Any) -> list[str]:
    return [one.endpoint for one in requests]


async def test_a_message_is_stored_once_by_whatever_call(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> None:
    index, session_id = async_history.index, async_history.session_id
    await async_history.aadd_messages(TURN[:1], message_keys=["q"])
    await async_history.aadd_message(HumanMessage("between"))
    await async_history.aadd_messages(TURN, message_keys=["q", "a"])
    before = sources(admin, index, session_id)
    anew = AsyncElasticsearchChatMessageHistory(index, session_id, client=async_client)
    requests = recorded(async_client)
    await anew.aadd_messages(TURN[::-1], message_keys=["a", "q"])
    await anew.aadd_messages(TURN[1:], message_keys=["a"])
    assert endpoints(requests) == ["_bulk", "_bulk"]
    assert sources(admin, index, session_id) == before
    assert texts(await anew.aget_messages()) == ["What?", "between", "That."]


async def test_it_is_told_which_were_there(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    first = await async_history.astore_messages(TURN[:1], message_keys=["q"])
    assert first.existing == ()
    changed = [HumanMessage("Changed?"), TURN[1]]
    second = await async_history.astore_messages(changed, message_keys=["q", "a"])
    assert second.existing == (0,)
    assert second.stored[0] == first.stored[0]
    assert list(second.stored) == await async_history.aget_stored_messages()


@pytest.mark.parametrize("missing", [0, 1])
async def test_what_was_missing_comes_before_what_follows_it_in_the_call(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch, missing: int
) -> None:
    keys = ["a", "b", "c"]
    await async_history.aadd_messages(numbered(3), message_keys=keys)
    await async_history.aadd_messages(numbered(2, first=3))
    before = sources(admin, async_history.index, async_history.session_id)
    # As if a shard had refused it.
    missing_id = derived_id(async_history.session_id, keys[missing], None)
    admin.delete(index=async_history.index, id=missing_id, refresh=True)
    await async_history.aadd_messages(numbered(3), message_keys=keys)
    assert texts(await async_history.aget_messages()) == ["0", "1", "2", "3", "4"]
    assert sources(admin, async_history.index, async_history.session_id) == before


async def test_calls_that_overlap_store_each_message_once_in_order(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    messages = numbered(6)
    keys = [message.text for message in messages]
    adding = AsyncRunning(
        *(
            partial(async_history.aadd_messages, messages[:end], message_keys=keys[:end])
            for end in range(1, 7)
        )
    )
    assert await adding.results() == [None] * 6
    assert count(admin, async_history.index, async_history.session_id) == 6
    assert texts(await async_history.aget_messages()) == keys


async def test_the_same_key_elsewhere_is_another_message(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(async_history.index, client=async_client)
    other = chats.session(f"{async_history.session_id}-2")
    scoped = chats.scoped({"user": "u1"}).session(async_history.session_id)
    for one in (async_history, other, scoped):
        await one.aadd_messages(TURN[:1], message_keys=["k"])
    await async_history.aadd_messages(TURN[:1], idempotency_key="k")
    assert texts(await scoped.aget_messages()) == ["What?"]
    assert texts(await other.aget_messages()) == ["What?"]
    assert texts(await async_history.aget_messages()) == ["What?"] * 3


@pytest.mark.server_side
async def test_a_key_holds_in_all_indices_of_an_alias(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, used_indices: list[str]
) -> None:
    alias, first = f"{index}-all", f"{index}-000001"
    admin.indices.create(index=first, aliases={alias: {"is_write_index": True}})
    used_indices += [first, f"{index}-000002"]
    history = AsyncElasticsearchChatStore(alias, client=async_client).session("s")
    await history.aadd_messages(numbered(3), message_keys=["a", "b", "c"])
    admin.delete(index=first, id=derived_id("s", "b", None), refresh=True)
    admin.indices.rollover(alias=alias)
    for _ in range(2):
        await history.aadd_messages(numbered(4), message_keys=["a", "b", "c", "d"])
    assert texts(await history.aget_messages()) == texts(numbered(4))


async def test_bad_keys_are_named_and_nothing_is_sent(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    requests = recorded(async_client)
    with pytest.raises(ValueError, match="'k' is at positions 0 and 1"):
        await async_history.aadd_messages(TURN, message_keys=["k", "k"])
    with pytest.raises(ValueError, match="either idempotency_key or message_keys"):
        await async_history.astore_messages(TURN, message_keys=["k", "l"], idempotency_key="m")
    with pytest.raises(ValueError, match="0 keys and 2 messages"):
        await async_history.aadd_messages(TURN, message_keys=[])
    assert requests == []
