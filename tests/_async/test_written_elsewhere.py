"""Documents that Elasticsearch accepts, but does not store where the history reads."""

from collections.abc import Iterator

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    MessagesNotStoredError,
)
from elasticsearch_chat_history._requests import known_indices
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS, UPSTREAM_MAPPINGS
from tests.support.messages import texts
from tests.support.server import count, mappings

pytestmark = pytest.mark.server_side

HELLO = HumanMessage("hello")
CARD = HumanMessage("my card")
DROP_CARDS = {"drop": {"if": "ctx.history.contains('card')"}}


@pytest.fixture
def pipeline(index: str, admin: Elasticsearch) -> Iterator[str]:
    """The name of a pipeline that drops messages with a card."""
    admin.ingest.put_pipeline(id=index, processors=[DROP_CARDS])
    yield index
    for name in admin.indices.get(index=f"{index}*"):
        admin.indices.delete(index=name)
    admin.ingest.delete_pipeline(id=index)


@pytest.fixture
async def history(
    index: str, pipeline: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> AsyncElasticsearchChatMessageHistory:
    """A history in an index with the pipeline."""
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.create_if_missing()
    admin.indices.put_settings(index=index, settings={"index.default_pipeline": pipeline})
    return history


async def test_a_message_that_a_pipeline_drops_is_not_stored(
    history: AsyncElasticsearchChatMessageHistory,
) -> None:
    with pytest.raises(MessagesNotStoredError) as raised:
        await history.aadd_messages([HELLO, CARD])
    assert raised.value.reasons == {1: "dropped by an ingest pipeline of the index"}
    assert raised.value.stored == (0,)
    assert await history.aget_messages() == [HELLO]


async def test_a_replacement_that_a_pipeline_drops_removes_nothing(
    history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await history.aadd_message(HELLO)
    with pytest.raises(MessagesNotStoredError, match="dropped by an ingest pipeline"):
        await history.aset_messages([CARD])
    assert await history.aget_messages() == [HELLO]


async def test_what_a_pipeline_drops_is_neither_forked_nor_imported(
    index: str, history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    admin.indices.put_settings(index=index, settings={"index.default_pipeline": None})
    await history.aadd_message(CARD)
    store = AsyncElasticsearchChatStore(index, client=history.client)
    records = [record async for record in store.aexport()]
    admin.indices.put_settings(index=index, settings={"index.default_pipeline": index})
    with pytest.raises(MessagesNotStoredError, match="dropped by an ingest pipeline"):
        await history.afork("copy")
    await store.adelete_sessions(["s"])
    with pytest.raises(MessagesNotStoredError, match="dropped by an ingest pipeline"):
        await store.aimport(records)


async def test_a_message_that_a_pipeline_sends_to_another_index_is_not_stored(
    index: str,
    history: AsyncElasticsearchChatMessageHistory,
    admin: Elasticsearch,
    used_indices: list[str],
) -> None:
    other = f"{index}-other"
    used_indices.append(other)
    admin.indices.create(index=other, mappings=OWN_MAPPINGS)
    send = {"set": {"if": DROP_CARDS["drop"]["if"], "field": "_index", "value": other}}
    admin.ingest.put_pipeline(id=index, processors=[send])
    for _ in range(2):
        # The second time, the other index has it already.
        with pytest.raises(MessagesNotStoredError, match=f"in index '{other}' instead") as raised:
            await history.aadd_messages([HELLO, CARD], idempotency_key="k")
        assert list(raised.value.reasons) == [1]
    assert await history.aget_messages() == [HELLO]


async def test_what_another_index_refuses_prepares_ours_once(
    index: str,
    history: AsyncElasticsearchChatMessageHistory,
    admin: Elasticsearch,
    used_indices: list[str],
) -> None:
    other = f"{index}-other"
    used_indices.append(other)
    admin.indices.create(index=other, mappings={"dynamic": "strict"})
    send = {"reroute": {"if": DROP_CARDS["drop"]["if"], "destination": other}}
    admin.ingest.put_pipeline(id=index, processors=[send])
    requests = recorded(history.client)
    with pytest.raises(MessagesNotStoredError) as raised:
        await history.aadd_messages([HELLO, CARD])
    assert list(raised.value.reasons) == [1]
    assert [one.endpoint for one in requests].count("_field_caps") == 1
    assert await history.aget_messages() == [HELLO]


async def test_a_message_in_another_index_of_the_alias_is_stored(
    index: str,
    pipeline: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    used_indices: list[str],
) -> None:
    names = [f"{index}-1", f"{index}-2"]
    used_indices += names
    for name in names:
        admin.indices.create(
            index=name,
            mappings=OWN_MAPPINGS,
            aliases={f"{index}-all": {"is_write_index": name == names[0]}},
            settings={"default_pipeline": pipeline},
        )
    send = {"set": {"field": "_index", "value": names[1]}}
    admin.ingest.put_pipeline(id=pipeline, processors=[send])
    history = AsyncElasticsearchChatMessageHistory(f"{index}-all", "s", client=async_client)
    await history.aadd_message(HELLO)
    assert await history.aget_messages() == [HELLO]
    assert count(admin, names[1]) == 1


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_an_index_that_a_template_made_anew_is_completed_and_has_the_message(
    *,
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
    writes: int,
) -> None:
    if not writes:
        # As after a pause.
        monkeypatch.setattr(known_indices, "FRESH_SECONDS", -1.0)
    admin.indices.put_index_template(
        name=index,
        index_patterns=[index],
        priority=1_000,
        template={"mappings": {"dynamic": False}},
    )
    try:
        history = AsyncElasticsearchChatMessageHistory(
            index, "s", client=async_client, metadata={"user": "u"}
        )
        await history.create_if_missing()
        for _ in range(writes):
            await history.aadd_message(HumanMessage("one"))
        admin.indices.delete(index=index)
        await history.aadd_messages([HumanMessage("two"), HumanMessage("three")])
    finally:
        admin.indices.delete_index_template(name=index)
    assert texts(await history.aget_messages()) == ["two", "three"]
    assert mappings(admin, index)["properties"] == OWN_MAPPINGS["properties"]
    store = AsyncElasticsearchChatStore(index, client=async_client)
    assert await store.acount_messages(metadata={"user": "u"}) == 2


@pytest.mark.parametrize("dynamic", [False, True])
async def test_an_alias_that_moved_to_upstreams_index_is_completed(
    *,
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    used_indices: list[str],
    dynamic: bool,
) -> None:
    names = [f"{index}-1", f"{index}-2"]
    used_indices += names
    admin.indices.create(index=names[0], mappings=OWN_MAPPINGS, aliases={index: {}})
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, metadata={"user": "u"}
    )
    await history.aadd_message(HumanMessage("one"))
    admin.indices.create(index=names[1], mappings={**UPSTREAM_MAPPINGS, "dynamic": dynamic})
    admin.indices.update_aliases(
        actions=[
            {"remove": {"index": names[0], "alias": index}},
            {"add": {"index": names[1], "alias": index}},
        ]
    )
    await history.aadd_message(HumanMessage("two"))
    assert texts(await history.aget_messages()) == ["two"]
    store = AsyncElasticsearchChatStore(index, client=async_client)
    assert await store.acount_messages(metadata={"user": "u"}) == 1
    requests = recorded(async_client)
    await history.aadd_message(HumanMessage("three"))
    assert [request.endpoint for request in requests] == ["_bulk"]


async def test_a_conflict_waits_for_visibility_too(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(
        index, client=async_client, refresh="wait_for", refresh_interval="1h"
    )
    await store.create_if_missing()
    hidden = AsyncElasticsearchChatStore(index, client=async_client, refresh=False)
    await hidden.session("s").aadd_messages([HELLO], idempotency_key="k")
    # A search idle index is refreshed by a search alone.
    await store.session("s").aadd_messages([HELLO], idempotency_key="k")
    found = admin.search(index=index, query={"term": {"session_id": "s"}})
    assert found["hits"]["total"]["value"] == 1
