"""What a store can do with which privileges."""

from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import AuthorizationException, Elasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ChatHistoryError
from local_elasticsearch import LocalElasticsearch
from tests.support.documents import OWN_MAPPINGS, UPSTREAM_MAPPINGS, upstream_document
from tests.support.messages import numbered, texts
from tests.support.own_nodes import PASSWORD
from tests.support.server import store

pytestmark = pytest.mark.faults


class AsyncKeyring:
    """Makes stores that have these privileges on one index and no others."""

    def __init__(self, server: LocalElasticsearch, administrator: Elasticsearch) -> None:
        self._url = server.url
        self._administrator = administrator

    def all(self, index: str) -> AsyncElasticsearchChatStore:
        return AsyncElasticsearchChatStore(
            index, es_url=self._url, es_user="elastic", es_password=PASSWORD
        )

    def some(self, index: str, *privileges: str) -> AsyncElasticsearchChatStore:
        role = {"indices": [{"names": [index], "privileges": privileges}]}
        key = self._administrator.security.create_api_key(
            name="limited", role_descriptors={"limited": role}
        )
        return AsyncElasticsearchChatStore(
            index, es_url=self._url, es_api_key=key["encoded"], max_retries=1
        )


@pytest.fixture
def keyring(lone_node: LocalElasticsearch, administrator: Elasticsearch) -> AsyncKeyring:
    return AsyncKeyring(lone_node, administrator)


Use = Callable[[AsyncElasticsearchChatStore], Any]


async def test_read_alone_lists_counts_searches_and_exports(
    keyring: AsyncKeyring, fresh_index: str
) -> None:
    async with keyring.all(fresh_index) as everything:
        await everything.session("s").aadd_messages(numbered(3))
    async with keyring.some(fresh_index, "read") as reader:
        for order in ("recent", "id"):
            (summary,) = await reader.alist_sessions(order=order)
            assert (summary.session_id, summary.message_count) == ("s", 3)
        assert await reader.acount_sessions() == 1
        assert await reader.acount_messages() == 3
        (hit,) = await reader.asearch("2")
        assert hit.stored.message.text == "2"
        assert len([record async for record in reader.aexport()]) == 3


USES: dict[str, Use] = {
    "delete": lambda store: store.adelete_sessions(["s"]),
    "clear": lambda store: store.session("s").aclear(),
    "pop": lambda store: store.session("s").apop_messages(),
    "set": lambda store: store.session("s").aset_messages(numbered(1)),
    "fork": lambda store: store.session("s").afork("t"),
    "import": lambda store: store.aimport(
        [{"id": "a", "session_id": "s", "created_at": 1, "history": "{}"}]
    ),
    "backfill": lambda store: store.abackfill(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_read_alone_changes_nothing(
    keyring: AsyncKeyring, administrator: Elasticsearch, fresh_index: str, use: Use
) -> None:
    async with keyring.all(fresh_index) as everything:
        await everything.session("s").aadd_messages(numbered(3))
        store(administrator, fresh_index, [upstream_document("u", 1, numbered(1)[0])])
        async with keyring.some(fresh_index, "read") as reader:
            with pytest.raises((AuthorizationException, ChatHistoryError), match=r"403|manage"):
                await use(reader)
        assert texts(await everything.session("s").aget_messages()) == ["0", "1", "2"]
        assert await everything.acount_messages() == 4


async def test_messages_are_removed_without_the_privilege_to_refresh(
    keyring: AsyncKeyring, administrator: Elasticsearch, fresh_index: str
) -> None:
    async with keyring.all(fresh_index) as everything:
        await everything.session("s").aadd_messages(numbered(5))
        async with keyring.some(fresh_index, "read", "delete") as limited:
            (popped,) = await limited.session("s", refresh=False).apop_messages()
            assert popped.message.text == "4"
            administrator.indices.refresh(index=fresh_index)
            assert await limited.adelete_sessions(["s"]) == 4
        administrator.indices.refresh(index=fresh_index)
        assert await everything.acount_messages() == 0


async def test_write_is_enough_to_complete_an_index_that_has_all_fields(
    keyring: AsyncKeyring, administrator: Elasticsearch, fresh_index: str
) -> None:
    administrator.indices.create(index=fresh_index, mappings=UPSTREAM_MAPPINGS)
    store(administrator, fresh_index, [upstream_document("u", 1, one) for one in numbered(3)])
    async with keyring.all(fresh_index) as everything:
        await everything.create_if_missing()
    async with keyring.some(fresh_index, "read", "write") as limited:
        assert await limited.abackfill() == 3
    administrator.indices.refresh(index=fresh_index)
    async with keyring.some(fresh_index, "read") as reader:
        assert len(await reader.asearch("0 1 2")) == 3


REPLACEMENTS: dict[str, Use] = {
    "set": lambda store: store.session("s").aset_messages(numbered(1, first=7)),
    "fork": lambda store: store.session("other").afork("s", overwrite=True),
}


@pytest.mark.parametrize("use", REPLACEMENTS.values(), ids=REPLACEMENTS)
async def test_a_replacement_without_the_right_to_delete_changes_nothing(
    keyring: AsyncKeyring, fresh_index: str, use: Use
) -> None:
    async with keyring.all(fresh_index) as everything:
        await everything.session("s").aadd_messages(numbered(3))
        await everything.session("other").aadd_messages(numbered(1, first=7))
        async with keyring.some(fresh_index, "read", "create_doc") as limited:
            for _ in range(2):
                with pytest.raises(ChatHistoryError, match=r"Nothing was changed.*403"):
                    await use(limited)
        assert texts(await everything.session("s").aget_messages()) == ["0", "1", "2"]
        assert await everything.acount_messages() == 4


@pytest.mark.parametrize("use", REPLACEMENTS.values(), ids=REPLACEMENTS)
async def test_a_replacement_needs_read_create_doc_and_delete(
    keyring: AsyncKeyring, administrator: Elasticsearch, fresh_index: str, use: Use
) -> None:
    async with keyring.all(fresh_index) as everything:
        await everything.session("s").aadd_messages(numbered(3))
        await everything.session("other").aadd_messages(numbered(1, first=7))
        async with keyring.some(fresh_index, "read", "create_doc", "delete") as limited:
            await use(limited)
        administrator.indices.refresh(index=fresh_index)
        assert texts(await everything.session("s").aget_messages()) == ["7"]


async def test_a_look_at_the_types_alone_needs_no_more_than_read(
    keyring: AsyncKeyring, administrator: Elasticsearch, fresh_index: str
) -> None:
    properties = {
        **OWN_MAPPINGS["properties"],
        "session_id": {"type": "keyword", "ignore_above": 1},
    }
    administrator.indices.create(index=fresh_index, mappings={"properties": properties})
    async with keyring.some(fresh_index, "read", "create_doc") as limited:
        await limited.session("s").aadd_messages(numbered(2))
        administrator.indices.refresh(index=fresh_index)
        assert texts(await limited.session("s").aget_messages()) == ["0", "1"]
