"""An alias that stands for several indices: Elasticsearch keeps ids unique in one of them only."""

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ChatHistoryError, ImportResult
from elasticsearch_chat_history._documents.document import derived_id
from tests.support.client_requests import recorded
from tests.support.messages import numbered, texts
from tests.support.server import count

pytestmark = pytest.mark.server_side

TURN: list[BaseMessage] = [HumanMessage("What?"), AIMessage("That.")]


@pytest.fixture
def alias(index: str, admin: Elasticsearch, used_indices: list[str]) -> str:
    """An alias whose writes a rollover moves to another index."""
    name, first = f"{index}-all", f"{index}-000001"
    admin.indices.create(index=first, aliases={name: {"is_write_index": True}})
    used_indices += [first, f"{index}-000002", f"{index}-000003"]
    return name


@pytest.mark.parametrize("routing", [False, True])
@pytest.mark.parametrize("refresh", [True, False])
async def test_the_same_call_again_after_a_rollover_changes_nothing(
    alias: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    routing: bool,
    refresh: bool,
) -> None:
    chats = AsyncElasticsearchChatStore(
        alias, client=async_client, routing=routing, refresh=refresh
    )
    history = chats.session("s")
    await history.aadd_messages(TURN, idempotency_key="k")
    for _ in range(2):
        admin.indices.rollover(alias=alias)
        await history.aadd_messages(TURN, idempotency_key="k")
        await history.aadd_messages(TURN[:1])
        await history.aadd_messages(TURN, idempotency_key="k")
    admin.indices.refresh(index=alias)
    assert await history.aget_messages() == [*TURN, *TURN[:1] * 2]


async def test_another_process_finds_a_call_of_before_the_rollover(
    alias: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.rollover(alias=alias)
    chats = AsyncElasticsearchChatStore(alias, client=async_client)
    await chats.create_if_missing()
    first = alias.replace("-all", "-000001")
    # As one that did not know of the rollover has stored it.
    at_first = AsyncElasticsearchChatStore(first, client=async_client)
    await at_first.session("s").aadd_messages(TURN, idempotency_key="k")
    requests = recorded(async_client)
    await chats.session("s").aadd_messages(TURN, idempotency_key="k")
    assert [one.endpoint for one in requests] == ["_field_caps", "_mget", "_mget", "_refresh"]
    assert await chats.session("s").aget_messages() == TURN


@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_a_half_stored_call_is_completed_in_its_order(
    alias: str, async_client: AsyncElasticsearch, admin: Elasticsearch, missing: int
) -> None:
    history = AsyncElasticsearchChatStore(alias, client=async_client).session("s")
    await history.aadd_messages(numbered(3), idempotency_key="k")
    await history.aadd_messages(numbered(2, first=3))
    first = alias.replace("-all", "-000001")
    # As if a shard had refused it.
    admin.delete(index=first, id=derived_id("s", "k", missing), refresh=True)
    admin.indices.rollover(alias=alias)
    await history.aadd_messages(numbered(3), idempotency_key="k")
    assert texts(await history.aget_messages()) == ["0", "1", "2", "3", "4"]


async def test_an_import_after_a_rollover_stores_nothing_twice(
    alias: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(alias, client=async_client)
    await chats.session("s").aadd_messages(numbered(5))
    await chats.session("t").aadd_messages(numbered(5))
    records = [record async for record in chats.aexport()]
    await chats.adelete_sessions(["t"])
    admin.indices.rollover(alias=alias)
    assert await chats.aimport(records) == ImportResult(5, 5)
    assert await chats.aimport(records) == ImportResult(0, 10)
    assert count(admin, alias) == 10
    assert [record async for record in chats.aexport()] == records


async def test_messages_before_and_after_a_rollover_are_one_session(
    alias: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(alias, client=async_client)
    history = chats.session("s")
    await history.aadd_messages(numbered(3))
    admin.indices.rollover(alias=alias)
    await history.aadd_messages(numbered(3, first=3))
    assert texts(await history.aget_messages()) == texts(numbered(6))
    assert texts(await history.aget_messages(limit=4)) == texts(numbered(4, first=2))
    assert [one.message_count for one in await chats.alist_sessions()] == [6]
    fork = await history.afork("fork")
    assert texts(await fork.aget_messages()) == texts(numbered(6))
    assert [one.message.text for one in await history.apop_messages(4)] == ["2", "3", "4", "5"]
    await history.aset_messages(numbered(1))
    assert texts(await history.aget_messages()) == ["0"]
    await history.aclear()
    assert count(admin, alias, "s") == 0


async def test_a_call_that_cannot_be_looked_up_is_not_stored(
    alias: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatStore(alias, client=async_client).session("s")
    await history.aadd_messages(TURN, idempotency_key="k")
    admin.indices.rollover(alias=alias)
    mapping = {"_routing": {"required": True}}
    unreadable = alias.replace("-all", "-000003")
    admin.indices.create(index=unreadable, mappings=mapping, aliases={alias: {}})
    with pytest.raises(ChatHistoryError, match=r"cannot be told .*000003.*routing_missing"):
        await history.aadd_messages(TURN, idempotency_key="k")
    assert count(admin, alias) == 2


async def test_an_alias_of_one_index_is_looked_at_but_not_searched(
    alias: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatStore(alias, client=async_client).session("s")
    await history.aadd_messages(TURN, idempotency_key="k")
    requests = recorded(async_client)
    await history.aadd_messages(TURN, idempotency_key="k")
    assert [one.endpoint for one in requests] == ["_field_caps", "_bulk"]
    await history.aadd_messages(TURN)
    assert [one.endpoint for one in requests] == ["_field_caps", "_bulk", "_bulk"]
