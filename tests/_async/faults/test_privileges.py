"""What can be done with which privileges."""

import logging
from typing import Any

import pytest
from elasticsearch import AuthorizationException, Elasticsearch, NotFoundError
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from local_elasticsearch import LocalElasticsearch
from tests.support.own_nodes import PASSWORD

pytestmark = pytest.mark.faults

TURN = [HumanMessage("Hello"), AIMessage("Hi!")]
UPSTREAM_MAPPING = {
    "properties": {
        "session_id": {"type": "keyword"},
        "created_at": {"type": "date"},
        "history": {"type": "text"},
    }
}

# The named privileges, even `create_doc`, still allow new fields, which Elasticsearch warns of.
BARE_WRITE = ("indices:data/write/bulk*", "indices:data/write/index*")


class AsyncKeyed:
    """Makes histories that have these privileges on one index and no others."""

    def __init__(self, server: LocalElasticsearch, administrator: Elasticsearch) -> None:
        self._url = server.url
        self._administrator = administrator

    def history(self, index: str, *privileges: str) -> AsyncElasticsearchChatMessageHistory:
        role = {"indices": [{"names": [index], "privileges": privileges}]}
        key = self._administrator.security.create_api_key(
            name="limited", role_descriptors={"limited": role}
        )
        return AsyncElasticsearchChatMessageHistory(
            index, "s", es_url=self._url, es_api_key=key["encoded"]
        )


@pytest.fixture
def keyed(lone_node: LocalElasticsearch, administrator: Elasticsearch) -> AsyncKeyed:
    return AsyncKeyed(lone_node, administrator)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What our package has logged, but for details."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "elasticsearch_chat_history" and record.levelno > logging.DEBUG
    ]


async def test_user_and_password_let_in(lone_node: LocalElasticsearch, fresh_index: str) -> None:
    async with AsyncElasticsearchChatMessageHistory(
        fresh_index, "s", es_url=lone_node.url, es_user="elastic", es_password=PASSWORD
    ) as history:
        await history.aadd_messages(TURN)
        assert await history.aget_messages() == TURN


async def test_an_api_key_needs_nothing_but_its_index(keyed: AsyncKeyed, fresh_index: str) -> None:
    async with keyed.history(fresh_index, "read", "write", "create_index", "manage") as history:
        await history.aadd_messages(TURN)
        assert await history.aget_messages() == TURN
        assert [stored.message async for stored in history.aiter_messages()] == TURN
        await history.aclear()
        assert await history.aget_messages() == []


async def test_read_alone_reads(keyed: AsyncKeyed, fresh_index: str) -> None:
    async with keyed.history(fresh_index, "manage", "write") as writer:
        await writer.aadd_messages(TURN)
    async with keyed.history(fresh_index, "read") as reader:
        assert await reader.aget_messages() == TURN
        assert await reader.aget_messages(limit=1) == TURN[1:]
        assert [stored.message async for stored in reader.aiter_messages()] == TURN


async def test_read_alone_finds_an_index_that_is_missing_empty(
    keyed: AsyncKeyed, fresh_index: str
) -> None:
    async with keyed.history(fresh_index, "read") as reader:
        assert await reader.aget_messages() == []


async def test_adding_with_read_alone_is_refused_after_one_log_line(
    keyed: AsyncKeyed, fresh_index: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with keyed.history(fresh_index, "manage", "write") as writer:
        await writer.aadd_messages(TURN)
    async with keyed.history(fresh_index, "read") as reader:
        caplog.clear()
        with pytest.raises(AuthorizationException) as refused:
            await reader.aadd_message(HumanMessage("more"))
        assert refused.value.status_code == 403
        (line,) = said(caplog)
        assert line.startswith("Could not add message to Elasticsearch: security_exception (403)")
        assert await reader.aget_messages() == TURN


async def test_adding_with_read_alone_makes_no_index(
    keyed: AsyncKeyed,
    administrator: Elasticsearch,
    fresh_index: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with keyed.history(fresh_index, "read") as reader:
        caplog.clear()
        with pytest.raises(AuthorizationException):
            await reader.aadd_message(HumanMessage("more"))
        assert len(said(caplog)) == 1
    with pytest.raises(NotFoundError):
        administrator.indices.get(index=fresh_index)


async def test_create_doc_and_read_are_enough_for_an_index_that_exists(
    keyed: AsyncKeyed, fresh_index: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with keyed.history(fresh_index, "manage") as maker:
        await maker.create_if_missing()
    async with keyed.history(fresh_index, "create_doc", "read") as history:
        await history.aadd_messages(TURN)
        assert await history.aget_messages() == TURN
        assert said(caplog) == []
        with pytest.raises(AuthorizationException):
            await history.aclear()
        assert await history.aget_messages() == TURN


@pytest.mark.parametrize("privileges", [["create_doc"], ["create_doc", "read"]])
async def test_what_is_missing_of_a_call_is_stored_where_it_may_not_be_moved(
    keyed: AsyncKeyed,
    administrator: Elasticsearch,
    fresh_index: str,
    caplog: pytest.LogCaptureFixture,
    privileges: list[str],
) -> None:
    async with keyed.history(fresh_index, "all") as maker:
        await maker.aadd_messages(TURN, idempotency_key="k")
        first, _ = [stored async for stored in maker.aiter_messages()]
        await maker.adelete_messages([first.id])
    async with keyed.history(fresh_index, *privileges) as history:
        await history.aadd_messages(TURN, idempotency_key="k")
    assert administrator.count(index=fresh_index)["count"] == len(TURN)
    (line,) = said(caplog)
    assert "may be out of order" in line
    assert "security_exception (403)" in line
    async with keyed.history(fresh_index, "all") as other:
        assert await other.aget_messages() == TURN[::-1]


async def test_clearing_without_the_maintenance_privilege_shows_after_a_refresh(
    keyed: AsyncKeyed, administrator: Elasticsearch, fresh_index: str
) -> None:
    async with keyed.history(fresh_index, "manage") as maker:
        await maker.create_if_missing()
    async with keyed.history(fresh_index, "read", "write") as history:
        await history.aadd_messages(TURN)
        await history.aclear()
        administrator.indices.refresh(index=fresh_index)
        assert await history.aget_messages() == []
        await history.aadd_messages(TURN)
        assert await history.aget_messages() == TURN


async def test_without_the_privilege_to_add_fields_upstreams_three_are_written(
    keyed: AsyncKeyed,
    administrator: Elasticsearch,
    fresh_index: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    administrator.indices.create(index=fresh_index, mappings=UPSTREAM_MAPPING)
    async with keyed.history(fresh_index, "read", *BARE_WRITE) as history:
        for message in TURN:
            await history.aadd_message(message)
        assert await history.aget_messages() == TURN
        assert await history.aget_messages(limit=1) == TURN[1:]
    (warning,) = said(caplog)
    assert "no privilege to add the fields seq, content, type, metadata" in warning
    found: Any = administrator.search(index=fresh_index)["hits"]["hits"]
    assert all(set(hit["_source"]) == set(UPSTREAM_MAPPING["properties"]) for hit in found)
    fields = administrator.indices.get_mapping(index=fresh_index)[fresh_index]["mappings"]
    assert fields == UPSTREAM_MAPPING
