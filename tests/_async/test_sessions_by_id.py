"""Sessions by id are exact, however few ids are looked at, and visit no messages of others."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, SessionSummary
from elasticsearch_chat_history._async.store import listing
from elasticsearch_chat_history._queries import sessions_by_id
from tests.support.client_requests import Request, recorded
from tests.support.documents import (
    BEGIN,
    OWN_MAPPINGS,
    Document,
    documents_of_many_sessions,
    expected_rows,
    own_document,
    rows_of,
)
from tests.support.server import store

pytestmark = pytest.mark.server_side

DOCUMENTS = documents_of_many_sessions()
IDS = [row[0] for row in expected_rows(DOCUMENTS, "id")]
FILTERS: list[dict[str, Any]] = [
    {},
    {"prefix": "a-"},
    {"prefix": "a"},
    {"prefix": "none"},
    {"metadata": {"tenant": "odd"}},
    {"metadata": {"tenant": "odd"}, "prefix": "a-"},
    {"metadata": {"tenant": ["odd", "even"]}},
    {"metadata": {"tenant": "none"}},
]


@pytest.fixture
async def many_sessions(
    index_of_many_sessions: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index_of_many_sessions, client=async_client)


def look_at_few(monkeypatch: pytest.MonkeyPatch, ids: int, selective: int) -> None:
    """Let a request look at so many ids, or visit hardly any message in vain."""
    monkeypatch.setattr(sessions_by_id, "MOST_IDS", ids)
    monkeypatch.setattr(sessions_by_id, "SELECTIVE", selective)
    monkeypatch.setattr(sessions_by_id, "FEW_MESSAGES", 1)
    monkeypatch.setattr(sessions_by_id, "FEW_MESSAGES_EACH", 0)


@pytest.fixture(params=[(1, 1), (2, 10), (5, 1), (100, 10)])
def most_ids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request look at few ids, and give up looking so sooner or later."""
    look_at_few(monkeypatch, *request.param)


def those_that_match(prefix: str = "", metadata: Any = None) -> list[Document]:
    """Return the documents that filters find."""
    tenants = (metadata or {}).get("tenant", [])
    tenants = [tenants] if isinstance(tenants, str) else tenants
    return [
        one
        for one in DOCUMENTS
        if one["session_id"].startswith(prefix)
        and (not tenants or one.get("metadata", {}).get("tenant") in tenants)
    ]


async def listed_in_pages(
    chats: AsyncElasticsearchChatStore, limit: int, **arguments: Any
) -> list[SessionSummary]:
    """Return the sessions of all pages, of which the last one alone is not full."""
    listed: list[SessionSummary] = []
    while page := await chats.alist_sessions(
        order="id", limit=limit, after=listed[-1] if listed else None, **arguments
    ):
        assert len(listed) % limit == 0, "a page before was not full"
        listed += page
    return listed


@pytest.mark.usefixtures("most_ids")
@pytest.mark.parametrize("arguments", FILTERS)
async def test_lists_and_counts_are_exact_however_few_ids_are_looked_at(
    many_sessions: AsyncElasticsearchChatStore,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
) -> None:
    expected = expected_rows(those_that_match(**arguments), "id")
    for limit in (2, 7):
        monkeypatch.setattr(listing, "KEYS_AT_ONCE", limit)
        assert rows_of(await listed_in_pages(many_sessions, limit, **arguments)) == expected
        assert await many_sessions.acount_sessions(**arguments) == len(expected)


@pytest.mark.usefixtures("most_ids")
async def test_ids_whose_messages_are_deleted_are_passed_over(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    store(admin, index, DOCUMENTS)
    left = [IDS[0], IDS[len(IDS) // 2], IDS[-2]]
    deleted = {"bool": {"must_not": {"terms": {"session_id": left}}}}
    admin.delete_by_query(index=index, query=deleted, refresh=True)
    # Their ids are still among the terms: the segment is as it was.
    terms = admin.terms_enum(index=index, field="session_id", size=100)
    assert set(terms["terms"]) == set(IDS)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    assert [one.session_id for one in await listed_in_pages(chats, 2)] == left
    assert await chats.acount_sessions() == len(left)


@pytest.mark.usefixtures("most_ids")
async def test_a_document_with_several_ids_is_a_message_of_each_session(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    ids: list[Any] = ["a", "b", "c", "d", ["a", "c", "e"], ["d", "f"]]
    store(admin, index, [own_document(one, BEGIN, HumanMessage("Hello")) for one in ids])
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    listed = await listed_in_pages(chats, 2)
    counts = {one.session_id: one.message_count for one in listed}
    assert counts == {"a": 2, "b": 1, "c": 2, "d": 2, "e": 1, "f": 1}
    assert await chats.acount_sessions() == len(counts)


def query_of(request: Request) -> Any:
    """Return the query of a search."""
    assert request.endpoint == "_search"
    return request.body["query"]


@pytest.mark.parametrize("prefix", [None, "a-"])
async def test_a_page_visits_the_messages_of_its_own_sessions(
    many_sessions: AsyncElasticsearchChatStore, admin: Elasticsearch, prefix: str | None
) -> None:
    first = await many_sessions.alist_sessions(order="id", limit=3, prefix=prefix)
    requests = recorded(many_sessions.client)
    page = await many_sessions.alist_sessions(order="id", limit=3, after=first[-1], prefix=prefix)
    assert len(page) == 3
    terms, search = requests
    assert terms.endpoint == "_terms_enum"
    visited = admin.count(index=many_sessions.index, query=query_of(search))["count"]
    assert visited == sum(one.message_count for one in page)


async def test_what_few_messages_match_is_found_in_one_search(
    many_sessions: AsyncElasticsearchChatStore,
) -> None:
    requests = recorded(many_sessions.client)
    odd = those_that_match(metadata={"tenant": "odd"})
    for scoped in (False, True):
        requests.clear()
        arguments: dict[str, Any] = {} if scoped else {"metadata": {"tenant": "odd"}}
        chats = many_sessions.scoped(metadata={"tenant": "odd"}) if scoped else many_sessions
        listed = await chats.alist_sessions(order="id", limit=100, **arguments)
        assert rows_of(listed) == expected_rows(odd, "id")
        assert [one.endpoint for one in requests] == ["_search"]


async def test_once_few_ids_have_matched_the_rest_is_found_in_one_search(
    many_sessions: AsyncElasticsearchChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at_few(monkeypatch, 2, 1)
    odd: dict[str, Any] = {"prefix": "a-", "metadata": {"tenant": "odd"}}
    requests = recorded(many_sessions.client)
    listed = await many_sessions.alist_sessions(order="id", limit=5, **odd)
    # Of the first two ids both match, of the next two one does.
    assert [one.session_id for one in listed] == ["a-0", "a-1", "a-3", "a-4", "a-5"]
    in_range = ["_terms_enum", "_search"]
    assert [one.endpoint for one in requests] == ["_search", *in_range, *in_range, "_search"]
