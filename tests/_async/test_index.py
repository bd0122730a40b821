"""The index: made when missing, checked and completed when it exists."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    IndexMappingError,
)
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS, UPSTREAM_MAPPINGS, upstream_document
from tests.support.messages import texts
from tests.support.server import count, mappings, sources, store


async def test_a_missing_index_is_made_with_the_fields_of_the_contract(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    requests = recorded(async_client)
    await history.create_if_missing()
    assert mappings(admin, index) == OWN_MAPPINGS
    (made,) = [request for request in requests if request.method == "PUT"]
    # Serverless refuses numbers of shards and replicas.
    assert made.body == {"mappings": OWN_MAPPINGS}


async def test_the_first_write_makes_the_index(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_message(HumanMessage("Hello"))
    assert mappings(admin, index) == OWN_MAPPINGS


async def test_an_existing_index_is_looked_at_once_by_the_whole_process(
    index: str,
    async_client: AsyncElasticsearch,
    client_arguments: dict[str, Any],
    admin: Elasticsearch,
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    requests = recorded(async_client)
    for session_id in ("s", "t"):
        history = AsyncElasticsearchChatMessageHistory(index, session_id, client=async_client)
        await history.aadd_message(HumanMessage("Hello"))
    assert [request.endpoint for request in requests] == ["_field_caps", index, "_bulk", "_bulk"]
    async with AsyncElasticsearch(**client_arguments) as another:
        requests = recorded(another)
        history = AsyncElasticsearchChatMessageHistory(index, "u", client=another)
        await history.aadd_message(HumanMessage("Hello"))
        assert [request.endpoint for request in requests] == ["_bulk"]


async def test_an_index_that_upstream_made_is_completed_once(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store(admin, index, [upstream_document("s", 1_700_000_000_000, HumanMessage("old"))])
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    requests = recorded(async_client)
    await history.create_if_missing()
    assert [request.endpoint for request in requests] == ["_field_caps", index, "_mapping"]
    assert mappings(admin, index)["properties"] == {
        **OWN_MAPPINGS["properties"],
        **UPSTREAM_MAPPINGS["properties"],
    }
    await history.aadd_message(HumanMessage("new"))
    assert requests[-1].endpoint == "_bulk"
    assert texts(await history.aget_messages()) == ["old", "new"]


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("session_id", {"type": "text", "fields": {"keyword": {"type": "keyword"}}}),
        ("session_id", {"type": "long"}),
        ("created_at", {"type": "keyword"}),
        ("seq", {"type": "keyword"}),
    ],
)
async def test_an_index_in_which_sessions_cannot_be_kept_is_refused(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    field: str,
    found: dict[str, Any],
) -> None:
    properties = {**OWN_MAPPINGS["properties"], field: found}
    admin.indices.create(index=index, mappings={"properties": properties})
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    needed = OWN_MAPPINGS["properties"][field]["type"]
    with pytest.raises(IndexMappingError, match="_reindex") as caught:
        await history.create_if_missing()
    assert caught.value.index == index
    assert caught.value.conflicts == {field: (found["type"], needed)}
    with pytest.raises(IndexMappingError):
        await history.aadd_message(HumanMessage("Hello"))
    assert count(admin, index) == 0


async def test_an_index_that_cannot_be_searched_keeps_upstreams_fields(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    properties = {**OWN_MAPPINGS["properties"], "content": {"type": "long"}}
    admin.indices.create(index=index, mappings={"properties": properties})
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, metadata={"tenant": "a"}
    )
    for number in range(2):
        await history.aadd_message(HumanMessage(str(number)))
    assert texts(await history.aget_messages()) == ["0", "1"]
    for source in sources(admin, index, "s"):
        assert source.keys() == {"session_id", "created_at", "history"}
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "content" in warnings[0]


async def test_an_alias_is_read_and_written_like_an_index(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    alias = f"{index}-alias"
    admin.indices.create(index=index, aliases={alias: {}})
    history = AsyncElasticsearchChatMessageHistory(alias, "s", client=async_client)
    await history.create_if_missing()
    await history.aadd_message(HumanMessage("Hello"))
    assert texts(await history.aget_messages()) == ["Hello"]
    assert mappings(admin, alias) == OWN_MAPPINGS
    direct = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    assert texts(await direct.aget_messages()) == ["Hello"]
