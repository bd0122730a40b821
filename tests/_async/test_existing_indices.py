"""What an existing index may look like, and what happens then: the table for operators."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    IndexMappingError,
)
from elasticsearch_chat_history._requests import known_indices
from tests.support.client_requests import recorded
from tests.support.documents import OWN_MAPPINGS, UPSTREAM_MAPPINGS
from tests.support.messages import texts
from tests.support.server import count, mappings, sources

pytestmark = pytest.mark.server_side

OURS = OWN_MAPPINGS["properties"]
UPSTREAMS = UPSTREAM_MAPPINGS["properties"]
UPSTREAM_FIELDS = {"session_id", "created_at", "history"}


def with_field(name: str, found: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {**OURS, name: found}}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


WORKING = {
    "no field yet": {},
    "upstream's fields": UPSTREAM_MAPPINGS,
    "history as keyword": with_field("history", {"type": "keyword", "index": False}),
    "session_id with index: false": with_field("session_id", {"type": "keyword", "index": False}),
    "session_id with ignore_above": with_field(
        "session_id", {"type": "keyword", "ignore_above": 10}
    ),
    "created_at with a second format": with_field(
        "created_at", {"type": "date", "format": "yyyy-MM-dd HH:mm:ss||epoch_millis"}
    ),
    "dynamic: false": {"dynamic": False},
    "dynamic: strict": {"dynamic": "strict", **UPSTREAM_MAPPINGS},
}
IN_PART = [
    (field, {**others, field: found})
    for others in (UPSTREAMS, OURS)
    for field, found in (
        ("content", {"type": "long"}),
        ("content", {"type": "text", "index": False}),
        ("type", {"type": "object", "properties": {"name": {"type": "keyword"}}}),
        ("type", {"type": "keyword", "index": False, "doc_values": False}),
        ("metadata", {"type": "object"}),
        ("metadata", {"type": "flattened", "index": False}),
    )
]
REFUSED = {
    "session_id as text": ("session_id", "text", with_field("session_id", {"type": "text"})),
    "session_id as an object": (
        "session_id",
        "object",
        with_field("session_id", {"properties": {"user": {"type": "keyword"}}}),
    ),
    "session_id as an alias": (
        "session_id",
        "alias",
        {
            "properties": {
                **OURS,
                "conversation": {"type": "keyword"},
                "session_id": {"type": "alias", "path": "conversation"},
            }
        },
    ),
    "session_id with doc_values: false": (
        "session_id",
        "doc_values",
        with_field("session_id", {"type": "keyword", "doc_values": False}),
    ),
    "created_at with doc_values: false": (
        "created_at",
        "doc_values",
        with_field("created_at", {"type": "date", "doc_values": False}),
    ),
    "seq with doc_values: false": (
        "seq",
        "doc_values",
        with_field("seq", {"type": "long", "doc_values": False}),
    ),
    "created_at in another format": (
        "created_at",
        "format: yyyy-MM-dd",
        with_field("created_at", {"type": "date", "format": "yyyy-MM-dd"}),
    ),
    "created_at in seconds": (
        "created_at",
        "format: epoch_second",
        with_field("created_at", {"type": "date", "format": "epoch_second||epoch_millis"}),
    ),
    "_source switched off": ("_source", "enabled", {"_source": {"enabled": False}}),
    "_source without history": (
        "_source",
        "without history",
        {"_source": {"excludes": ["hist*"]}, **UPSTREAM_MAPPINGS},
    ),
    "_source with others alone": (
        "_source",
        "without session_id",
        {"_source": {"includes": ["created_at", "history"]}},
    ),
    "enabled: false": ("_doc", "enabled", {"enabled": False}),
}


@pytest.mark.parametrize("name", WORKING)
async def test_what_works(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    admin.indices.create(index=index, mappings=WORKING[name])
    store = AsyncElasticsearchChatStore(index, client=async_client)
    history = store.session("s", metadata={"user": "u"})
    await history.aadd_messages([HumanMessage("one"), HumanMessage("two")])
    assert texts(await history.aget_messages()) == ["one", "two"]
    assert [hit.session_id for hit in await store.asearch("two")] == ["s"]
    assert [one.session_id for one in await store.alist_sessions()] == ["s"]
    assert warnings(caplog) == []
    assert await store.adelete_sessions(metadata={"user": "u"}) == 2


@pytest.mark.parametrize("mapping", IN_PART)
async def test_what_works_in_part(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    mapping: tuple[str, dict[str, Any]],
) -> None:
    field, properties = mapping
    admin.indices.create(index=index, mappings={"properties": properties})
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, metadata={"user": "u"}
    )
    for text in ("one", "two"):
        await history.aadd_message(HumanMessage(text))
    assert texts(await history.aget_messages()) == ["one", "two"]
    assert all(source.keys() == UPSTREAM_FIELDS for source in sources(admin, index, "s"))
    (line,) = warnings(caplog)
    assert f"another mapping for the fields {field} (" in line
    assert "metadata is not kept" in line
    assert "_reindex" in line
    assert "privilege" not in line


@pytest.mark.parametrize("parameter", ["content", "metadata", "seq", "type"])
async def test_what_is_not_in_the_source_is_not_stored(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    parameter: str,
) -> None:
    admin.indices.create(
        index=index, mappings={**OWN_MAPPINGS, "_source": {"excludes": [parameter]}}
    )
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_message(HumanMessage("one"))
    assert texts(await history.aget_messages()) == ["one"]
    (line,) = warnings(caplog)
    assert f"{parameter} (not in _source)" in line


async def test_a_limit_of_fields_leaves_upstreams_three(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.indices.create(
        index=index,
        mappings=UPSTREAM_MAPPINGS,
        settings={"index.mapping.total_fields.limit": 4},
    )
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, metadata={"user": "u"}
    )
    for text in ("one", "two"):
        await history.aadd_message(HumanMessage(text))
    assert texts(await history.aget_messages()) == ["one", "two"]
    assert all(source.keys() == UPSTREAM_FIELDS for source in sources(admin, index, "s"))
    (line,) = warnings(caplog)
    assert "refused to add the fields seq, content, type, metadata" in line
    assert "Limit of total fields [4]" in line
    assert "metadata is not kept" in line


async def test_a_limit_that_leaves_no_room_for_vectors_costs_them_alone(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.indices.create(
        index=index,
        mappings=UPSTREAM_MAPPINGS,
        settings={"index.mapping.total_fields.limit": 7},
    )
    store = AsyncElasticsearchChatStore(
        index, client=async_client, embeddings=DeterministicFakeEmbedding(size=4)
    )
    await store.session("s").aadd_message(HumanMessage("one"))
    assert [hit.session_id for hit in await store.asearch("one")] == ["s"]
    (line,) = warnings(caplog)
    assert "refused to add the fields embedding: messages are stored without" in line


@pytest.mark.parametrize("others", [UPSTREAMS, OURS])
async def test_a_field_for_vectors_that_is_an_object_costs_them_alone(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    others: dict[str, Any],
) -> None:
    admin.indices.create(
        index=index, mappings={"properties": {**others, "embedding": {"type": "object"}}}
    )
    store = AsyncElasticsearchChatStore(
        index, client=async_client, embeddings=DeterministicFakeEmbedding(size=4)
    )
    await store.session("s").aadd_message(HumanMessage("one"))
    assert [hit.session_id for hit in await store.asearch("one")] == ["s"]
    (line,) = warnings(caplog)
    assert "fields embedding (object): messages are stored without" in line


async def test_a_limit_below_upstreams_fields_is_elasticsearchs_error(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, settings={"index.mapping.total_fields.limit": 2})
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(Exception, match=r"Limit of total fields \[2\]"):
        await history.aadd_message(HumanMessage("one"))
    assert count(admin, index) == 0


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, name: str
) -> None:
    field, parameter, mapping = REFUSED[name]
    admin.indices.create(index=index, mappings=mapping)
    store = AsyncElasticsearchChatStore(index, client=async_client)
    with pytest.raises(IndexMappingError) as caught:
        await store.session("s").aadd_message(HumanMessage("one"))
    assert list(caught.value.conflicts) == [field]
    assert parameter in str(caught.value)
    with pytest.raises(IndexMappingError):
        await store.create_if_missing()
    with pytest.raises(IndexMappingError):
        await store.abackfill()
    assert count(admin, index) == 0


async def test_a_session_id_with_a_normalizer_is_refused(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    found = {"type": "keyword", "normalizer": "lowercase"}
    admin.indices.create(index=index, mappings=with_field("session_id", found))
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    with pytest.raises(IndexMappingError, match="normalizer: lowercase"):
        await history.aadd_message(HumanMessage("one"))
    assert count(admin, index) == 0


@pytest.mark.parametrize("by_setting", [False, True])
async def test_an_id_that_would_not_be_found_is_refused(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, *, by_setting: bool
) -> None:
    if by_setting:
        admin.indices.create(index=index, settings={"index.mapping.ignore_above": 10})
    else:
        found = {"type": "keyword", "ignore_above": 10}
        admin.indices.create(index=index, mappings=with_field("session_id", found))
    store = AsyncElasticsearchChatStore(index, client=async_client)
    for fitting in ("a" * 10, "\U0001f30d" * 5):
        await store.session(fitting).aadd_message(HumanMessage("one"))
        assert texts(await store.session(fitting).aget_messages()) == ["one"]
    for longer in ("a" * 11, "\U0001f30d" * 6):
        with pytest.raises(IndexMappingError, match="ignore_above: 10") as caught:
            await store.session(longer).aadd_message(HumanMessage("one"))
        assert list(caught.value.conflicts) == ["session_id"]
        with pytest.raises(IndexMappingError):
            await store.session("a" * 10).afork(longer)
        with pytest.raises(IndexMappingError):
            await store.session(longer).aset_messages([HumanMessage("one")])
    assert count(admin, index) == 2


@pytest.mark.parametrize("by_setting", [False, True])
async def test_metadata_that_would_not_be_found_is_refused(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, *, by_setting: bool
) -> None:
    if by_setting:
        admin.indices.create(index=index, settings={"index.mapping.ignore_above": 10})
    else:
        found = {"type": "flattened", "ignore_above": 10}
        admin.indices.create(index=index, mappings=with_field("metadata", found))
    store = AsyncElasticsearchChatStore(index, client=async_client)
    history = store.session("s")
    for fitting in ("a" * 10, "\U0001f30d" * 5, 1_234_567_890, ["a", "b" * 10]):
        await history.aadd_message(HumanMessage("one"))
        await history.aadd_messages([HumanMessage("one")], metadata={"user": fitting})
    assert await store.acount_messages(metadata={"user": ["a" * 10, 1_234_567_890]}) == 2
    for longer in ("a" * 11, "\U0001f30d" * 6, 12_345_678_901, {"id": ["b", "c" * 11]}):
        with pytest.raises(IndexMappingError, match=r"ignore_above: 10.* for 'user'") as caught:
            await history.aadd_messages([HumanMessage("one")], metadata={"user": longer})
        assert list(caught.value.conflicts) == ["metadata"]
    assert count(admin, index) == 8


async def test_an_index_template_that_spoils_our_index_is_seen(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.put_index_template(
        name=index,
        index_patterns=[index],
        template={"mappings": {"_source": {"excludes": ["history"]}}},
        priority=1_000,
    )
    try:
        history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
        with pytest.raises(IndexMappingError, match="without history"):
            await history.aadd_message(HumanMessage("one"))
        assert count(admin, index) == 0
    finally:
        admin.indices.delete_index_template(name=index)


async def test_a_call_by_hand_looks_again(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    store = AsyncElasticsearchChatStore(index, client=async_client)
    for make in (history.create_if_missing, store.create_if_missing, history.create_if_missing):
        await make()
        assert mappings(admin, index) == OWN_MAPPINGS
        admin.indices.delete(index=index)


async def test_a_call_by_hand_completes_what_could_not_be_before(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    limit = "index.mapping.total_fields.limit"
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS, settings={limit: 4})
    store = AsyncElasticsearchChatStore(index, client=async_client)
    await store.session("s").aadd_message(HumanMessage("one"))
    admin.indices.put_settings(index=index, settings={limit: 100})
    await store.create_if_missing()
    await store.session("s").aadd_message(HumanMessage("two"))
    assert ["seq" in one for one in sources(admin, index, "s")] == [False, True]


async def test_an_incomplete_index_is_looked_at_again_after_some_time(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = "index.mapping.total_fields.limit"
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS, settings={limit: 4})
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    await history.aadd_message(HumanMessage("one"))
    requests = recorded(async_client)
    await history.aadd_message(HumanMessage("two"))
    assert [request.endpoint for request in requests] == ["_bulk"]
    monkeypatch.setattr(known_indices, "LOOK_AGAIN_SECONDS", 0.0)
    await history.aadd_message(HumanMessage("three"))
    admin.indices.put_settings(index=index, settings={limit: 100})
    await history.aadd_message(HumanMessage("four"))
    requests.clear()
    await history.aadd_message(HumanMessage("five"))
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert ["seq" in one for one in sources(admin, index, "s")] == [False] * 3 + [True] * 2
    assert texts(await history.aget_messages()) == ["one", "two", "three", "four", "five"]
    assert len(warnings(caplog)) == 1


async def test_a_rollover_is_no_reason_to_warn(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alias = f"{index}-alias"
    admin.indices.create(index=f"{index}-000001", aliases={alias: {"is_write_index": True}})
    history = AsyncElasticsearchChatMessageHistory(alias, "s", client=async_client)
    caplog.set_level("INFO", "elasticsearch_chat_history")
    await history.aadd_message(HumanMessage("one"))
    admin.indices.rollover(alias=alias)
    await history.aadd_message(HumanMessage("two"))
    assert texts(await history.aget_messages()) == ["one", "two"]
    assert warnings(caplog) == []
    assert any("has changed or vanished" in record.getMessage() for record in caplog.records)
