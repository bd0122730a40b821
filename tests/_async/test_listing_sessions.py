"""Sessions are listed exactly, in pages, whatever the shards and whoever writes."""

import json
from datetime import datetime, timedelta
from typing import Any, Literal

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ChatHistoryError,
    SessionSummary,
)
from elasticsearch_chat_history._async.store import listing, newest_sessions
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._queries import last_messages
from elasticsearch_chat_history._queries.cursors import cursor_of
from elasticsearch_chat_history._requests.state import transport_state
from tests.support.client_requests import Request, before_each, recorded
from tests.support.documents import (
    BEGIN,
    OWN_MAPPINGS,
    documents_of_many_sessions,
    expected_rows,
    own_document,
    rows_of,
    upstream_document,
)
from tests.support.messages import numbered
from tests.support.server import store

pytestmark = pytest.mark.server_side

Order = Literal["recent", "id"]
both_orders = pytest.mark.parametrize("order", ["recent", "id"])
DOCUMENTS = documents_of_many_sessions()


@pytest.fixture
async def many_sessions(
    index_of_many_sessions: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index_of_many_sessions, client=async_client)


async def pages_of(
    chats: AsyncElasticsearchChatStore, limit: int, **arguments: Any
) -> list[list[SessionSummary]]:
    """Return all pages up to the first empty one, by sessions and by cursors in turn."""
    pages = [await chats.alist_sessions(limit=limit, **arguments)]
    while last := pages[-1][-1:]:
        assert len(pages) < 100, "the pages never end"
        after = last[0] if len(pages) % 2 else last[0].cursor
        pages.append(await chats.alist_sessions(limit=limit, after=after, **arguments))
    return pages[:-1]


@both_orders
async def test_order_counts_times_and_last_messages_are_exact_on_several_shards(
    many_sessions: AsyncElasticsearchChatStore, order: Order
) -> None:
    assert rows_of(await many_sessions.alist_sessions(order=order)) == expected_rows(
        DOCUMENTS, order
    )


@both_orders
async def test_pages_of_every_size_make_up_the_list(
    many_sessions: AsyncElasticsearchChatStore, order: Order
) -> None:
    whole = expected_rows(DOCUMENTS, order)
    for limit in range(1, len(whole) + 2):
        pages = await pages_of(many_sessions, limit, order=order)
        assert {len(page) for page in pages[:-1]} <= {limit}
        assert rows_of([summary for page in pages for summary in page]) == whole


@both_orders
async def test_the_first_messages_are_titles_without_a_further_request(
    many_sessions: AsyncElasticsearchChatStore, order: Order
) -> None:
    firsts: dict[str, Any] = {}
    for document in sorted(DOCUMENTS, key=lambda one: (one["created_at"], one.get("seq", 0))):
        text = json.loads(document["history"])["data"]["content"]
        firsts.setdefault(document["session_id"], text)
    requests = recorded(many_sessions.client)
    listed = await many_sessions.alist_sessions(order=order)
    titles = {one.session_id: one.first_message for one in listed}
    assert {key: one and one.message.text for key, one in titles.items()} == firsts
    endpoints = [one.endpoint for one in requests]
    by_id, recent = ["_terms_enum", "_search"], ["_pit", "_search", "_search", "_pit"]
    assert endpoints == (by_id if order == "id" else recent)


@both_orders
async def test_a_page_is_read_in_portions(
    many_sessions: AsyncElasticsearchChatStore, monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    monkeypatch.setattr(listing, "SESSIONS_AT_ONCE", 7)
    requests = recorded(many_sessions.client)
    assert rows_of(await many_sessions.alist_sessions(order=order)) == expected_rows(
        DOCUMENTS, order
    )
    summaries = [one for one in requests if "aggregations" in (one.body or {})]
    assert len(summaries) == 4


@both_orders
async def test_few_sessions_of_large_messages_are_asked_for_at_once(
    many_sessions: AsyncElasticsearchChatStore, order: Order
) -> None:
    transport_state(many_sessions.client).message_bytes[many_sessions.index] = 4_000_000
    requests = recorded(many_sessions.client)
    assert rows_of(await many_sessions.alist_sessions(order=order)) == expected_rows(
        DOCUMENTS, order
    )
    bodies = [one.body for one in requests if "aggregations" in (one.body or {})]
    first = bodies[0]["aggregations"]
    kind = "terms" if order == "recent" else "composite"
    assert first["sessions"][kind]["size"] == 2


@both_orders
@pytest.mark.parametrize("prefix", ["a", "a-", "a*", "*", '"', "", "世", "nobody"])
async def test_sessions_are_filtered_by_the_beginning_of_their_ids(
    many_sessions: AsyncElasticsearchChatStore, order: Order, prefix: str
) -> None:
    matching = [one for one in DOCUMENTS if one["session_id"].startswith(prefix)]
    listed = await many_sessions.alist_sessions(order=order, prefix=prefix)
    assert rows_of(listed) == expected_rows(matching, order)


@both_orders
async def test_with_metadata_only_messages_that_match_count_and_are_shown(
    many_sessions: AsyncElasticsearchChatStore, order: Order
) -> None:
    odd = [one for one in DOCUMENTS if one.get("metadata") == {"tenant": "odd"}]
    pages = await pages_of(many_sessions, 5, order=order, metadata={"tenant": "odd"})
    assert rows_of([one for page in pages for one in page]) == expected_rows(odd, order)
    some = await many_sessions.alist_sessions(order=order, metadata={"tenant": "odd"}, prefix="a-")
    assert rows_of(some) == expected_rows(
        [one for one in odd if one["session_id"][:2] == "a-"], order
    )
    assert await many_sessions.alist_sessions(order=order, metadata={"tenant": "none"}) == []


@both_orders
async def test_what_ttl_hides_is_not_listed(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, order: Order
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client, ttl=timedelta(hours=2))
    await chats.create_if_missing()
    now, hour = CLOCK.tick("now")[0], 3_600_000_000
    store(
        admin,
        index,
        [
            own_document("a", now - 3 * hour, HumanMessage("hidden")),
            own_document("b", now - 3 * hour, HumanMessage("hidden")),
            own_document("b", now - hour, HumanMessage("shown")),
        ],
    )
    (summary,) = await chats.alist_sessions(order=order)
    assert (summary.session_id, summary.message_count) == ("b", 1)
    assert summary.first_at == summary.last_at
    assert await chats.acount_sessions() == await chats.acount_messages() == 1


@pytest.fixture
def small_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each search visit and return very little, so that every page takes many of them."""
    monkeypatch.setattr(last_messages, "MOST_VISITED", 4)
    monkeypatch.setattr(newest_sessions, "MAX_HITS", 3)


@pytest.mark.usefixtures("small_searches")
@pytest.mark.parametrize("prefix", [None, "a-"])
@pytest.mark.parametrize("limit", [1, 3, 4, 5, 8, 100])
async def test_the_most_recent_are_exact_however_many_searches_it_takes(
    many_sessions: AsyncElasticsearchChatStore, limit: int, prefix: str | None
) -> None:
    pages = await pages_of(many_sessions, limit, prefix=prefix)
    matching = [one for one in DOCUMENTS if one["session_id"].startswith(prefix or "")]
    assert rows_of([one for page in pages for one in page]) == expected_rows(matching, "recent")


@pytest.mark.usefixtures("small_searches")
async def test_a_session_with_the_newest_messages_of_all_hides_no_other(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.create_if_missing()
    documents = [
        own_document(f"s{number}", (BEGIN + number) * 1000, HumanMessage("Hello"))
        for number in range(40)
    ]
    documents += [
        # It had messages between all others as well.
        own_document("long", (BEGIN + 1000 * (number % 2) + number) * 1000, HumanMessage("Hello"))
        for number in range(100)
    ]
    store(admin, index, documents)
    for _ in range(2):  # with and without what the first call has learnt
        for limit in (1, 7, 30):
            pages = await pages_of(chats, limit)
            assert rows_of([one for page in pages for one in page]) == expected_rows(
                documents, "recent"
            )


async def test_what_a_list_has_shown_is_where_the_next_one_begins(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.create_if_missing()
    times = [BEGIN + 1000 * number for number in range(9)]
    documents = [own_document(f"s{at}", at * 1000, HumanMessage("Hello")) for at in times]
    store(admin, index, documents)
    first = await chats.alist_sessions(limit=3)
    requests = recorded(async_client)
    assert await chats.alist_sessions(limit=3) == first
    search = next(request for request in requests if request.endpoint == "_search")
    assert {"range": {"created_at": {"gte": times[-3], "format": "epoch_millis"}}} in (
        search.body["query"]["bool"]["filter"]
    )
    # What is not there any more is found by going further back.
    await chats.adelete_sessions([first[0].session_id])
    assert rows_of(await chats.alist_sessions(limit=3)) == expected_rows(documents, "recent")[1:4]


async def test_the_most_recent_of_many_sessions_take_few_requests(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(last_messages, "MOST_VISITED", 40)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.create_if_missing()
    documents = [
        own_document(f"s{number}", (BEGIN + 1000 * number) * 1000, HumanMessage("Hello"))
        for number in range(200)
    ]
    store(admin, index, documents)
    first = await chats.alist_sessions(limit=5)
    second = await chats.alist_sessions(limit=5, after=first[-1])
    assert rows_of(first + second) == expected_rows(documents, "recent")[:10]
    requests = recorded(async_client)
    assert await chats.alist_sessions(limit=5) == first
    # The point in time, its two searches, and its end.
    assert len(requests) == 4
    requests.clear()
    assert await chats.alist_sessions(limit=5, after=second[-1]) != second
    # One more finds those that have newer messages.
    assert len(requests) == 5


async def test_what_happens_between_the_requests_of_a_page_does_not_change_it(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.create_if_missing()
    documents = [
        own_document(f"s{number}", (BEGIN + number) * 1000, message)
        for number, message in enumerate(numbered(6))
    ]
    store(admin, index, documents)
    harmed: list[Request] = []

    def harm(request: Request) -> None:
        if "aggregations" in (request.body or {}) and not harmed:
            harmed.append(request)
            admin.delete_by_query(
                index=index, query={"terms": {"session_id": ["s5", "s3"]}}, refresh=True
            )
            store(admin, index, [own_document("s4", (BEGIN + 99) * 1000, HumanMessage("new"))])

    before_each(async_client, harm)
    page = await chats.alist_sessions(limit=3)
    assert harmed
    assert rows_of(page) == expected_rows(documents, "recent")[:3]
    # What moved to the front meanwhile is not repeated, and nothing else is missing.
    rest = await chats.alist_sessions(limit=3, after=page[-1])
    assert [one.session_id for one in rest] == ["s2", "s1", "s0"]


async def test_a_session_that_moves_to_the_front_is_not_repeated(
    index: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    for number in range(6):
        await chats.session(f"s{number}").aadd_message(HumanMessage("Hello"))
    seen: list[str] = []
    after = None
    while page := await chats.alist_sessions(limit=2, after=after):
        seen += [one.session_id for one in page]
        after = page[-1]
        # Both that was listed and the next ones to be listed.
        await chats.session(seen[-1]).aadd_message(HumanMessage("again"))
        await chats.session("new").aadd_message(HumanMessage("again"))
    assert seen == ["s5", "s4", "s3", "s2", "s1", "s0"]


@both_orders
async def test_a_missing_index_has_no_sessions_and_is_not_made(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, order: Order
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    assert await chats.alist_sessions(order=order) == []
    assert not admin.indices.exists(index=index)


async def test_an_index_without_any_field_has_no_sessions(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    assert await chats.alist_sessions() == await chats.alist_sessions(order="id") == []
    assert await chats.acount_sessions() == await chats.acount_messages() == 0


async def test_an_index_that_cannot_hold_sessions_is_an_error(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.indices.create(index=index, mappings={"properties": {"session_id": {"type": "text"}}})
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    for order in ("recent", "id"):
        caplog.clear()
        with pytest.raises(ApiError):
            await chats.alist_sessions(order=order)
        (line,) = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
        assert line.startswith("Could not list sessions in Elasticsearch: ")


@both_orders
async def test_what_is_no_message_is_not_listed(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, order: Order
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    theirs = upstream_document("s", BEGIN, HumanMessage("theirs"))
    store(
        admin,
        index,
        [theirs, {"session_id": "s"}, {"session_id": "t"}, {"created_at": BEGIN}, {"type": "x"}],
    )
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    assert rows_of(await chats.alist_sessions(order=order)) == expected_rows([theirs], order)
    assert await chats.acount_sessions() == await chats.acount_messages() == 1


@both_orders
async def test_an_unreadable_last_message_is_named_in_the_log(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    order: Order,
) -> None:
    admin.indices.create(index=index, mappings=OWN_MAPPINGS)
    good, bad = (own_document("s", BEGIN * 1000 + at, HumanMessage("secret")) for at in (0, 1))
    _, unreadable = store(admin, index, [good, {**bad, "history": "{ secret"}])
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    (listed,) = await chats.alist_sessions(order=order)
    assert (listed.session_id, listed.message_count, listed.last_message) == ("s", 2, None)
    (line,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert f"Document {unreadable!r} of session 's' cannot be read" in line
    assert "secret" not in caplog.text


@both_orders
async def test_what_is_written_after_a_list_sorts_after_what_it_showed(
    shared_index: str,
    session_id: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    order: Order,
) -> None:
    # The clock of another host is ahead of ours.
    ahead = CLOCK.tick("now")[0] + 60_000_000
    store(admin, shared_index, [own_document(session_id, ahead, HumanMessage("question"))])
    chats = AsyncElasticsearchChatStore(shared_index, client=async_client)
    (listed,) = await chats.alist_sessions(order=order, prefix=session_id)
    assert listed.last_message is not None
    assert listed.last_message.message.text == "question"
    await chats.session(session_id).aadd_message(HumanMessage("answer"))
    (listed,) = await chats.alist_sessions(order=order, prefix=session_id)
    assert listed.last_message is not None
    assert (listed.last_message.message.text, listed.message_count) == ("answer", 2)


@both_orders
async def test_sessions_that_are_kept_on_one_shard_each_are_listed(
    index: str, async_client: AsyncElasticsearch, order: Order
) -> None:
    chats = AsyncElasticsearchChatStore(
        index, client=async_client, routing=True, number_of_shards=3
    )
    for number in range(5):
        await chats.session(f"s{number}").aadd_messages(numbered(2))
    listed = sorted(one.session_id for one in await chats.alist_sessions(order=order))
    assert listed == [f"s{number}" for number in range(5)]
    assert await chats.acount_messages(session_id="s3") == 2
    assert await chats.adelete_sessions(["s1", "s3"]) == 4
    assert await chats.acount_sessions() == 3


LISTED = SessionSummary("s", 1, datetime(2026, 1, 1), datetime(2026, 1, 1), None)  # noqa: DTZ001  # as nobody lists it


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"order": "newest"}, ValueError, "order must be 'recent' or 'id', but is 'newest'"),
        ({"order": None}, ValueError, "order"),
        ({"order": ["id"]}, ValueError, "order"),
        ({"limit": 0}, ValueError, "limit must be at least 1"),
        ({"limit": 10_001}, ValueError, "limit must be at most 10000, but is 10001"),
        ({"limit": "5"}, TypeError, "limit"),
        ({"limit": None}, TypeError, "limit"),
        ({"limit": True}, TypeError, "limit"),
        ({"after": 5}, TypeError, "after must be the last SessionSummary"),
        ({"after": "s"}, ValueError, "after is no cursor"),
        ({"after": cursor_of("hit", 1, "s")}, ValueError, "after is a cursor of other calls"),
        ({"after": [LISTED]}, TypeError, "after"),
        ({"after": LISTED}, ValueError, "after"),
        ({"prefix": 5}, TypeError, "prefix"),
        ({"metadata": "tenant"}, TypeError, "metadata"),
        ({"metadata": {"tenant": []}}, ValueError, "metadata"),
    ],
)
async def test_a_bad_argument_is_named_and_nothing_is_sent(
    async_client: AsyncElasticsearch, arguments: Any, error: type[Exception], named: str
) -> None:
    requests = recorded(async_client)
    chats = AsyncElasticsearchChatStore("chats", client=async_client)
    with pytest.raises(error, match=named):
        await chats.alist_sessions(**arguments)
    assert requests == []


async def test_a_closed_store_lists_nothing(async_client: AsyncElasticsearch) -> None:
    chats = AsyncElasticsearchChatStore("chats", client=async_client)
    await chats.aclose()
    with pytest.raises(ChatHistoryError, match="closed"):
        await chats.alist_sessions()
