"""Messages that are there get metadata, upstream's too, whoever writes meanwhile."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ChatHistoryError
from elasticsearch_chat_history._documents.metadata import relabelled
from elasticsearch_chat_history._queries.labels import RELABEL
from tests.support.client_requests import before_each, recorded
from tests.support.documents import CONFLICTING_MAPPINGS, UPSTREAM_MAPPINGS, upstream_document
from tests.support.messages import numbered
from tests.support.server import count, sources, store

pytestmark = pytest.mark.server_side

TIME = 1_735_689_600_000
values = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["a", "b"])
mappings = st.recursive(
    values | st.lists(values, max_size=2),
    lambda below: st.dictionaries(st.sampled_from("xyz"), below, max_size=3),
    max_leaves=8,
)
labels = st.dictionaries(st.sampled_from("xyz"), mappings, max_size=3)


@pytest.fixture
def chats(index: str, async_client: AsyncElasticsearch) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index, client=async_client)


def metadata_of(admin: Elasticsearch, index: str, session_id: str) -> list[Any]:
    return [one.get("metadata") for one in sources(admin, index, session_id)]


async def test_sessions_of_upstream_get_their_user(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.create(index=chats.index, mappings=UPSTREAM_MAPPINGS)
    for session_id in "stu":
        documents = [
            upstream_document(session_id, TIME + at, HumanMessage(str(at))) for at in range(3)
        ]
        store(admin, chats.index, documents)
    assert await chats.aset_metadata(["s", "t"], {"user": "u1"}) == 6
    assert metadata_of(admin, chats.index, "s") == [{"user": "u1"}] * 3
    mine = chats.scoped({"user": "u1"})
    assert {one.session_id for one in await mine.alist_sessions()} == {"s", "t"}
    assert len(await mine.session("s").aget_messages()) == 3
    assert await chats.aset_metadata(["s", "t"], {"user": "u1"}) == 0
    assert await chats.adelete_sessions(metadata={"user": "u1"}) == 6
    assert count(admin, chats.index) == 3


async def test_keys_are_merged_and_removed_at_every_depth(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    before = {"user": "u1", "draft": True, "team": {"id": 1, "name": "a"}, "tags": ["a"]}
    await chats.session("s", metadata=before).aadd_messages(numbered(2))
    label = {"draft": None, "team": {"id": None, "lead": "u2"}, "tags": ["b"], "none": None}
    assert await chats.aset_metadata(["s"], label) == 2
    after = {"user": "u1", "team": {"name": "a", "lead": "u2"}, "tags": ["b"]}
    assert metadata_of(admin, chats.index, "s") == [after] * 2
    gone = {"user": None, "team": {"name": None, "lead": None}, "tags": None}
    assert await chats.aset_metadata(["s"], gone) == 2
    assert metadata_of(admin, chats.index, "s") == [None] * 2


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(metadata=labels, label=labels)
def test_the_script_does_what_is_expected(
    shared_index: str, admin: Elasticsearch, metadata: dict[str, Any], label: dict[str, Any]
) -> None:
    admin.index(index=shared_index, id="one", document={"metadata": metadata})
    script = {"source": RELABEL, "params": {"label": label}}
    answer = admin.update(index=shared_index, id="one", script=script)
    found = admin.get(index=shared_index, id="one")["_source"].get("metadata", {})
    expected = relabelled(metadata, label)
    assert without_empty(found) == without_empty(expected)
    if without_empty(expected) != without_empty(metadata):
        assert answer["result"] == "updated"


def without_empty(metadata: Any) -> Any:
    if not isinstance(metadata, dict):
        return metadata
    below = {key: without_empty(value) for key, value in metadata.items()}
    return {key: value for key, value in below.items() if value not in ({}, None)}


async def test_what_others_change_meanwhile_is_kept(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    stored = (await chats.session("s").astore_messages(numbered(3))).stored
    changed: list[str] = []

    def change(request: Any) -> None:
        if request.endpoint == "_bulk" and not changed:
            changed.append("once")
            admin.update(index=chats.index, id=stored[0].id, doc={"metadata": {"seen": True}})
            admin.delete(index=chats.index, id=stored[1].id)

    before_each(chats.client, change)
    assert await chats.aset_metadata(["s"], {"user": "u1"}) == 2
    assert metadata_of(admin, chats.index, "s") == [{"seen": True, "user": "u1"}, {"user": "u1"}]


async def test_many_sessions_and_messages_are_labelled_in_pages(
    chats: AsyncElasticsearchChatStore,
) -> None:
    for number in range(3):
        await chats.session(f"s{number}").aadd_messages(numbered(1_100))
    await chats.session("other").aadd_messages(numbered(1))
    ids = [f"s{number}" for number in range(3)]
    assert await chats.aset_metadata(iter(ids), {"user": "u1"}) == 3_300
    assert await chats.acount_messages(metadata={"user": "u1"}) == 3_300
    requests = recorded(chats.client)
    assert await chats.aset_metadata(ids, {"user": "u1"}) == 0
    assert "_bulk" not in [one.endpoint for one in requests]


async def test_a_scope_labels_its_own_messages_only(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    await chats.session("s").aadd_messages(numbered(1))
    mine = chats.scoped({"user": "u1"})
    await mine.session("s").aadd_messages(numbered(1))
    assert await mine.aset_metadata(["s"], {"done": True, "user": "u1"}) == 1
    assert metadata_of(admin, chats.index, "s") == [None, {"user": "u1", "done": True}]
    for label in ({"user": "u2"}, {"user": None}, {"user": {"id": 1}}, {"user": ["u1"]}):
        with pytest.raises(ValueError, match=r"keys of the scope .*'metadata.user'"):
            await mine.aset_metadata(["s"], label)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        (("s", {"a": 1}), TypeError, "session_ids must be a list"),
        ((None, {"a": 1}), TypeError, "session_ids must be a list"),
        ((["s", 5], {"a": 1}), TypeError, "session_id must be a str"),
        ((["s"], {}), ValueError, "at least one key"),
        ((["s"], None), ValueError, "at least one key"),
        ((["s"], "user"), TypeError, "metadata must be a mapping"),
        ((["s"], {"a": object()}), ValueError, "metadata 'a' must be JSON"),
    ],
)
async def test_a_bad_argument_is_named_and_nothing_is_sent(
    chats: AsyncElasticsearchChatStore, arguments: Any, error: type[Exception], named: str
) -> None:
    requests = recorded(chats.client)
    with pytest.raises(error, match=named):
        await chats.aset_metadata(*arguments)
    assert requests == []


async def test_nothing_to_label_is_no_error(
    chats: AsyncElasticsearchChatStore,
) -> None:
    assert await chats.aset_metadata([], {"user": "u1"}) == 0
    assert await chats.aset_metadata(["none"], {"user": "u1"}) == 0


async def test_an_index_that_keeps_no_metadata_is_named(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.create(index=chats.index, mappings=CONFLICTING_MAPPINGS)
    await chats.session("s").aadd_messages(numbered(1))
    with pytest.raises(ChatHistoryError, match="keeps no metadata"):
        await chats.aset_metadata(["s"], {"user": "u1"})
