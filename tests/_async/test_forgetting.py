"""Sessions and old messages are removed, all of them and no others, whoever writes meanwhile."""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ChatHistoryError
from elasticsearch_chat_history._async.index import deleting
from tests.support.client_requests import Request, before_each, recorded
from tests.support.concurrency import AsyncRunning, async_until
from tests.support.documents import BEGIN, ODD_IDS, OWN_MAPPINGS, own_document
from tests.support.messages import numbered, texts
from tests.support.server import count, store

pytestmark = pytest.mark.server_side

HOUR = 3_600_000_000
DAY = timedelta(days=1)


@pytest.fixture
async def chats(index: str, async_client: AsyncElasticsearch) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index, client=async_client)


@pytest.fixture
def quiet_index(index: str, admin: Elasticsearch) -> str:
    """An index that shows what was written only when somebody asks for it."""
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.refresh_interval": "-1"}
    )
    return index


def deletions(requests: list[Request]) -> int:
    """Return how many of these requests delete."""
    return sum(request.endpoint == "_delete_by_query" for request in requests)


async def test_sessions_go_by_their_exact_ids_and_others_stay(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    for session_id in [*ODD_IDS, "a", "A", "aa", "a b"]:
        await chats.session(session_id).aadd_messages(numbered(2))
    left = {*ODD_IDS, "a", "A", "aa", "a b"}
    for session_ids in (["*"], ["?", '"'], ["a"], ("a*", "nobody"), iter(["'", "\\", "\\"])):
        listed = list(session_ids)
        gone = left & set(listed)
        assert await chats.adelete_sessions(listed) == 2 * len(gone)
        left -= gone
        assert {one.session_id for one in await chats.alist_sessions()} == left
    assert await chats.adelete_sessions({"ä", "🌍"}) == 4
    assert await chats.adelete_sessions(one for one in ["{", "世界"]) == 4
    assert count(admin, chats.index) == 2 * (len(left) - 4)


async def test_what_a_metadata_names_goes_and_everything_else_stays(
    chats: AsyncElasticsearchChatStore,
) -> None:
    for session_id in ("a", "b"):
        for user in ("u1", "u2"):
            session = chats.session(session_id, metadata={"user": user})
            await session.aadd_messages(numbered(2))
        await chats.session(session_id).aadd_messages(numbered(2))
    # Both filters together take what matches both.
    assert await chats.adelete_sessions(["a"], {"user": "u1"}) == 2
    assert await chats.acount_messages(session_id="a") == 4
    assert await chats.adelete_sessions(metadata={"user": ["u1", "u3"]}) == 2
    assert await chats.acount_messages(session_id="b") == 4
    assert await chats.adelete_sessions(["b"], metadata={"user": "u2"}) == 2
    assert await chats.adelete_sessions(["b"], metadata={}) == 2
    assert await chats.acount_messages() == await chats.acount_messages(session_id="a") == 4
    assert await chats.adelete_sessions([], metadata={"user": "u2"}) == 0
    assert await chats.adelete_sessions([]) == 0
    assert await chats.acount_messages() == 4


async def test_what_ttl_hides_goes_too(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client, ttl=DAY)
    await chats.session("s").aadd_message(HumanMessage("shown"))
    now = time.time_ns() // 1000
    hidden = [own_document(name, now - 48 * HOUR, HumanMessage("hidden")) for name in ("s", "t")]
    store(admin, index, hidden)
    assert await chats.acount_messages() == 1
    assert await chats.adelete_sessions(["s", "t"]) == 3
    store(admin, index, hidden)
    assert await chats.aprune(DAY) == 2
    assert count(admin, index) == 0


async def test_more_ids_than_one_query_takes_are_sent_in_portions(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    ids = [f"s{number}" for number in range(65_537)]
    await chats.create_if_missing()
    store(
        admin,
        chats.index,
        [
            own_document(session_id, BEGIN * 1000, HumanMessage("Hello"))
            for session_id in (ids[0], ids[-2], ids[-1], "other")
        ],
    )
    requests = recorded(chats.client)
    assert await chats.adelete_sessions(ids) == 3
    assert deletions(requests) == 2
    assert await chats.acount_messages() == 1


async def test_old_messages_go_and_newer_ones_stay(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    await chats.create_if_missing()
    bound = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone(timedelta(hours=9)))
    milliseconds = 1_767_290_645_678

    def documents() -> list[dict[str, Any]]:
        return [
            {**own_document("s", (milliseconds + at) * 1000, message), "metadata": {"at": at}}
            for at, message in zip((-1000, -1, 0, 1), numbered(4), strict=True)
        ]

    store(admin, chats.index, documents())
    assert await chats.aprune(bound, metadata={"at": [-1, 1]}) == 1
    assert texts(await chats.session("s").aget_messages()) == ["0", "2", "3"]
    # A part of a millisecond belongs to what came before.
    assert await chats.aprune(bound + timedelta(microseconds=1)) == 2
    assert texts(await chats.session("s").aget_messages()) == ["3"]
    await chats.session("s").aadd_message(HumanMessage("new"))
    assert await chats.aprune(timedelta.max) == 0
    assert await chats.aprune(datetime.min.replace(tzinfo=timezone.utc)) == 0
    assert await chats.aprune(timedelta(hours=1)) == 1
    assert texts(await chats.session("s").aget_messages()) == ["new"]


async def test_what_no_refresh_has_shown_yet_goes_too(
    quiet_index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(quiet_index, client=async_client, refresh=False)
    await chats.session("s").aadd_messages(numbered(3))
    assert await chats.adelete_sessions(["s"]) == 3
    assert count(admin, quiet_index) == 0


async def test_a_missing_index_has_nothing_to_remove_and_is_not_made(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    assert await chats.adelete_sessions(["s"]) == 0
    assert await chats.adelete_sessions(metadata={"user": "u1"}) == 0
    assert await chats.aprune(DAY) == 0
    assert not admin.indices.exists(index=chats.index)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({}, ValueError, "what to delete"),
        ({"metadata": {}}, ValueError, "what to delete"),
        ({"session_ids": None, "metadata": None}, ValueError, "what to delete"),
        ({"session_ids": "s"}, TypeError, "session_ids must be a list"),
        ({"session_ids": 5}, TypeError, "session_ids"),
        ({"session_ids": ["s", "\ud800"]}, ValueError, "session_id"),
        ({"session_ids": ["s", None]}, TypeError, "session_id"),
        ({"session_ids": [], "metadata": "user"}, TypeError, "metadata"),
        ({"metadata": {"user": []}}, ValueError, "metadata"),
        ({"metadata": {"user": {}}}, ValueError, "metadata"),
    ],
)
async def test_a_bad_choice_of_what_to_delete_is_named_and_nothing_is_sent(
    chats: AsyncElasticsearchChatStore, arguments: Any, error: type[Exception], named: str
) -> None:
    requests = recorded(chats.client)
    with pytest.raises(error, match=named):
        await chats.adelete_sessions(**arguments)
    assert requests == []


@pytest.mark.parametrize(
    ("older_than", "error", "named"),
    [
        (timedelta(0), ValueError, "older_than must be longer than zero"),
        (timedelta(days=-1), ValueError, "older_than"),
        (datetime(2026, 1, 1), ValueError, "older_than .* time zone"),  # noqa: DTZ001  # as is wrong
        (date(2026, 1, 1), TypeError, "older_than must be a datetime.timedelta or"),
        (30, TypeError, "older_than .* int"),
        ("30d", TypeError, "older_than .* str"),
        (None, TypeError, "older_than"),
    ],
)
async def test_a_bad_age_is_named_and_nothing_is_sent(
    chats: AsyncElasticsearchChatStore, older_than: Any, error: type[Exception], named: str
) -> None:
    requests = recorded(chats.client)
    with pytest.raises(error, match=named):
        await chats.aprune(older_than)
    with pytest.raises(TypeError, match="metadata"):
        await chats.aprune(DAY, metadata="user")  # type: ignore[arg-type]
    assert requests == []


async def test_a_failure_is_one_line_in_the_log(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    admin.indices.create(index=chats.index, mappings=OWN_MAPPINGS)
    admin.indices.close(index=chats.index)
    with pytest.raises(ApiError, match="index_closed_exception"):
        await chats.adelete_sessions(["s"])
    with pytest.raises(ApiError, match="index_closed_exception"):
        await chats.aprune(DAY)
    lines = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("Could not delete sessions in Elasticsearch: index_closed")


def changing(
    admin: Elasticsearch, index: str, ids: list[str], times: int
) -> Callable[[Request], None]:
    """Return what changes these documents before a deletion that already knows them leaves."""
    left = [times]

    def change(request: Request) -> None:
        if request.endpoint == "_delete_by_query" and left[0]:
            left[0] -= 1
            operations: list[dict[str, Any]] = []
            for document_id in ids:
                operations += [{"update": {"_id": document_id}}, {"doc": {"type": f"{left[0]}"}}]
            answer = admin.bulk(index=index, operations=operations)
            assert not answer["errors"], answer

    return change


@pytest.mark.parametrize("changed", [1, 3])
async def test_what_somebody_changes_meanwhile_goes_with_a_further_pass(
    quiet_index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, changed: int
) -> None:
    ids = store(
        admin,
        quiet_index,
        [own_document("s", BEGIN * 1000 + at, one) for at, one in enumerate(numbered(3))],
    )
    chats = AsyncElasticsearchChatStore(quiet_index, client=async_client)
    requests = recorded(async_client)
    # The search of the deletion still finds the old versions, as nothing refreshes.
    before_each(async_client, changing(admin, quiet_index, ids[:changed], times=2))
    assert await chats.adelete_sessions(["s"]) == 3
    assert deletions(requests) == 3
    assert count(admin, quiet_index) == 0


async def test_what_somebody_changes_all_the_time_is_an_error_in_the_end(
    quiet_index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deleting, "MAX_CONTESTED_PASSES", 3)
    ids = store(admin, quiet_index, [own_document("s", BEGIN * 1000, HumanMessage("Hello"))])
    chats = AsyncElasticsearchChatStore(quiet_index, client=async_client)
    requests = recorded(async_client)
    before_each(async_client, changing(admin, quiet_index, ids, times=3))
    with pytest.raises(ChatHistoryError, match=r"1 messages .* in each of 3 attempts"):
        await chats.aprune(DAY)
    assert deletions(requests) == 3
    assert await chats.aprune(DAY) == 1


async def test_what_somebody_else_deletes_meanwhile_is_no_failure(
    quiet_index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    first, *_ = store(
        admin,
        quiet_index,
        [own_document("s", BEGIN * 1000 + at, one) for at, one in enumerate(numbered(3))],
    )
    chats = AsyncElasticsearchChatStore(quiet_index, client=async_client)

    def delete(request: Request) -> None:
        if request.endpoint == "_delete_by_query":
            admin.options(ignore_status=404).delete(index=quiet_index, id=first)

    before_each(async_client, delete)
    assert await chats.adelete_sessions(["s"]) == 2
    assert count(admin, quiet_index) == 0


async def test_full_steps_and_conflicts_together_leave_nothing(
    quiet_index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deleting, "MAX_DELETED_AT_ONCE", 10)
    ids = store(
        admin,
        quiet_index,
        [own_document("s", BEGIN * 1000 + at, one) for at, one in enumerate(numbered(25))],
    )
    chats = AsyncElasticsearchChatStore(quiet_index, client=async_client)
    before_each(async_client, changing(admin, quiet_index, ids[8:12], times=1))
    assert await chats.adelete_sessions(["s"]) == 25
    assert count(admin, quiet_index) == 0


async def test_deletions_that_race_with_writers_take_all_that_was_there_and_no_others(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    doomed = [f"doomed-{number}" for number in range(4)]
    await chats.create_if_missing()
    begin = time.time_ns() // 1000 - HOUR
    old = store(
        admin,
        chats.index,
        [
            own_document(doomed[number % 4], begin + number, HumanMessage("old"))
            for number in range(2000)
        ],
    )
    over: list[bool] = []
    writers = ("doomed-0", "doomed-9", "other")
    written = dict.fromkeys(writers, 0)

    async def write(session_id: str) -> int:
        while not over:
            await chats.session(session_id).aadd_messages(numbered(2))
            written[session_id] += 2
        return written[session_id]

    async def forget() -> int:
        try:
            await async_until(lambda: all(written.values()))
            removed = await chats.adelete_sessions(doomed)
            return removed + await chats.aprune(timedelta(minutes=30))
        finally:
            over.append(True)

    running = AsyncRunning(forget, *(partial(write, session_id) for session_id in writers))
    removed, again, beside, other = await running.results()
    assert isinstance(removed, int)
    assert isinstance(again, int)
    admin.indices.refresh(index=chats.index)
    left = admin.search(index=chats.index, query={"ids": {"values": old}}, size=10)
    assert left["hits"]["hits"] == []
    # Whatever went is counted, and whatever was not counted is still there.
    assert count(admin, chats.index, "doomed-0") == 2000 + again - removed
    assert count(admin, chats.index, "doomed-9") == beside
    assert count(admin, chats.index, "other") == other


async def test_two_deletions_at_once_share_the_work(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    await chats.create_if_missing()
    store(
        admin,
        chats.index,
        [own_document("s", BEGIN * 1000 + at, HumanMessage("old")) for at in range(3000)],
    )
    running = AsyncRunning(*[lambda: chats.adelete_sessions(["s"])] * 4)
    removed = await running.results()
    assert sum(one for one in removed if isinstance(one, int)) == 3000
    assert len(removed) == 4
    assert count(admin, chats.index) == 0
