"""Pages of a search: every hit comes once, and a cursor opens nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import TypeAdapter

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ChatHistoryError,
    SearchHit,
)
from elasticsearch_chat_history._queries.cursors import cursor_of, values_in
from elasticsearch_chat_history._queries.filters import milliseconds_now
from tests.support.client_requests import recorded
from tests.support.documents import UPSTREAM_MAPPINGS, complete_document, upstream_document
from tests.support.embedding_models import MeaningEmbeddings
from tests.support.server import store

pytestmark = pytest.mark.server_side

TIME = 1_700_000_000_000
NUMBER = 240
WORDS = ("car", "automobile", "vehicle", "doctor", "cash", "sea", "ocean", "dog")
TYPES = (str, int, str, int, float, int, int, int)

Document = dict[str, Any]


def texts_of_few_scores(number: int) -> str:
    return f"word {WORDS[number % 8]}" + " more" * (number % 3)


def ours() -> list[Document]:
    """Return messages of twelve sessions, many with one time and one `seq`, as of an import."""
    return [
        MeaningEmbeddings().with_vector(
            complete_document(
                f"s{number % 12}",
                TIME * 1000 + number // 60,
                HumanMessage(texts_of_few_scores(number)),
            )
        )
        for number in range(NUMBER)
    ]


def upstreams() -> list[Document]:
    """Return messages of one session and one millisecond, which only `_seq_no` tells apart."""
    return [
        upstream_document("s", TIME, HumanMessage(texts_of_few_scores(number)))
        for number in range(NUMBER)
    ]


@pytest.fixture
async def chats(
    request: pytest.FixtureRequest,
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
) -> AsyncElasticsearchChatStore:
    """A store over an index on three shards, unless a test says otherwise."""
    shards, kind = getattr(request, "param", (3, "ours"))
    made = AsyncElasticsearchChatStore(
        index, client=async_client, embeddings=MeaningEmbeddings(), number_of_shards=shards
    )
    if kind == "upstream":
        settings = {"number_of_shards": shards}
        admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS, settings=settings)
        store(admin, index, upstreams())
    else:
        await made.create_if_missing()
        store(admin, index, ours())
    return made


each_index = pytest.mark.parametrize(
    "chats", [(shards, kind) for shards in (1, 3) for kind in ("ours", "upstream")], indirect=True
)


async def all_pages(
    search: Callable[..., Any],
    query: str = "word",
    between: Callable[[list[SearchHit]], Any] = len,
    **options: Any,
) -> list[SearchHit]:
    """Return the hits of all pages, by hits and by cursors in turn."""
    found: list[SearchHit] = []
    after: SearchHit | str | None = None
    while page := await search(query, after=after, **options):
        assert len(page) <= options["limit"]
        found += page
        after = page[-1] if len(found) % 2 else page[-1].cursor
        between(page)
        assert len(found) <= 2 * NUMBER, "It does not end."
    return found


def ids(hits: list[SearchHit]) -> list[str]:
    return [hit.stored.id for hit in hits]


@each_index
@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_hold_each_hit_once_and_in_order(
    chats: AsyncElasticsearchChatStore, limit: int
) -> None:
    whole = await chats.asearch("word", limit=10_000)
    assert len(set(ids(whole))) == NUMBER
    assert len({hit.score for hit in whole}) < 10
    paged = await all_pages(chats.asearch, limit=limit)
    assert ids(paged) == ids(whole)
    assert [hit.score for hit in paged] == [hit.score for hit in whole]
    # The last page is empty, and stays so.
    assert await chats.asearch("word", limit=limit, after=whole[-1]) == []


@each_index
@pytest.mark.parametrize("limit", [1, 7, 20])
async def test_pages_by_words_go_to_any_depth(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, limit: int
) -> None:
    whole = await chats.asearch("word", limit=10_000)
    admin.indices.put_settings(index=chats.index, settings={"max_result_window": 20})
    assert ids(await all_pages(chats.asearch, limit=limit)) == ids(whole)


@pytest.mark.parametrize("mode", ["semantic", "hybrid"])
@pytest.mark.parametrize("per_session", [False, True])
async def test_pages_by_meaning_hold_each_hit_once(
    chats: AsyncElasticsearchChatStore, mode: str, per_session: bool
) -> None:
    options: dict[str, Any] = {"mode": mode, "per_session": per_session}
    query = "word car"
    paged = await all_pages(chats.asearch, query, limit=7, **options)
    assert ids(paged) == ids(await all_pages(chats.asearch, query, limit=25, **options))
    best = await chats.asearch(query, limit=100, **options)
    assert ids(paged)[: len(best)] == ids(best)
    assert len(set(ids(paged))) == len(paged) == (12 if per_session else NUMBER)


async def test_pages_of_the_best_hit_of_each_session(
    chats: AsyncElasticsearchChatStore,
) -> None:
    paged = await all_pages(chats.asearch, limit=5, per_session=True)
    assert ids(paged) == ids(await chats.asearch("word", limit=100, per_session=True))
    assert len({hit.session_id for hit in paged}) == len(paged) == 12


@pytest.mark.parametrize(("mode", "searches"), [("text", 1), ("semantic", 1), ("hybrid", 2)])
async def test_a_page_takes_as_many_requests_as_the_first(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, mode: Any, searches: int
) -> None:
    model = MeaningEmbeddings()
    documents = []
    for number in range(200):
        text = "unlike " + "car " * (number % 14 + 1) + "dog " * (number // 14 + 1)
        document = complete_document("s", TIME * 1000 + number, HumanMessage(text))
        documents.append(model.with_vector(document))
    store(admin, chats.index, documents)
    requests = recorded(chats.client)
    paged = await all_pages(chats.asearch, "unlike car", limit=50, mode=mode, session_id="s")
    assert len(set(ids(paged))) == 200
    assert {request.endpoint for request in requests} == {"_search"}
    # Where the last of the nearest are equally near, a search for more of them follows.
    more = 0 if mode == "text" else 5
    assert searches * 5 <= len(requests) <= searches * 5 + more
    # The same copies of the shards, as replicas may give other scores.
    (preference,) = {parse_qs(urlsplit(one.target).query)["preference"][0] for one in requests}
    await chats.asearch("unlike dog", mode=mode, session_id="s")
    assert preference not in requests[-1].target


async def test_filters_and_highlights_work_on_each_page(
    chats: AsyncElasticsearchChatStore,
) -> None:
    since = datetime.fromtimestamp(TIME / 1000 - 1, timezone.utc)
    options: dict[str, Any] = {"session_id": "s3", "types": ["human"], "since": since}
    paged = await all_pages(chats.asearch, limit=6, **options)
    assert len(paged) == NUMBER / 12
    assert {hit.session_id for hit in paged} == {"s3"}
    assert all(hit.highlights[0].text.startswith("word") for hit in paged)
    assert ids(await all_pages(chats.session("s3").asearch, limit=6)) == ids(paged)
    assert await all_pages(chats.asearch, limit=6, metadata={"tenant": "a"}) == []


async def test_a_cursor_outlives_the_millisecond_of_its_ttl(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client, ttl=timedelta(hours=1))
    await chats.create_if_missing()
    now = milliseconds_now()
    times = [now - 7_200_000, *(now - 1_000 * number for number in range(9))]
    store(
        admin,
        index,
        [complete_document("s", time * 1000, HumanMessage("a word")) for time in times],
    )
    paged: list[SearchHit] = []
    after: SearchHit | None = None
    while page := await chats.asearch("word", limit=2, after=after):
        paged += page
        after = page[-1]
        asked = milliseconds_now()
        while milliseconds_now() == asked:
            pass
    assert len(set(ids(paged))) == len(paged) == 9


@pytest.mark.parametrize("mode", ["text", "semantic"])
async def test_what_others_write_neither_repeats_nor_hides_hits(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, mode: Any
) -> None:
    options: dict[str, Any] = {"limit": 30, "mode": mode}
    before = ids(await all_pages(chats.asearch, **options))
    best = (await chats.asearch("word", limit=1))[0]

    def write(_page: list[SearchHit]) -> None:
        # The newest of a score comes first of those with the same one; the others change scores.
        message = HumanMessage(best.stored.message.text)
        first = MeaningEmbeddings().with_vector(
            complete_document("new", TIME * 1000 + 999, message)
        )
        store(admin, chats.index, [first, complete_document("o", TIME, HumanMessage("other"))])

    paged = ids(await all_pages(chats.asearch, between=write, **options))
    assert [one for one in paged if one in set(before)] == before
    assert len(set(paged)) == len(paged)
    again = (await chats.asearch("word", limit=200))[-1]
    assert mode != "text" or again.score != best.score


@pytest.mark.parametrize("mode", ["text", "semantic"])
@pytest.mark.parametrize("pages", [1, 2])
async def test_after_hits_that_were_removed_comes_what_is_left(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, mode: Any, pages: int
) -> None:
    options: dict[str, Any] = {"limit": 15, "mode": mode}
    before = ids(await all_pages(chats.asearch, **options))
    seen: list[SearchHit] = []

    def remove(page: list[SearchHit]) -> None:
        seen.extend(page)
        if len(seen) == pages * 15:
            # All that were seen, or the last one alone.
            gone = ids(seen) if pages == 2 else ids(page[-1:])
            operations = [{"delete": {"_id": one}} for one in gone]
            assert not admin.bulk(index=chats.index, operations=operations, refresh=True)["errors"]

    assert ids(await all_pages(chats.asearch, between=remove, **options)) == before


@pytest.mark.parametrize("window", [10, 10_000])
async def test_what_only_its_shard_told_apart_from_a_removed_hit_is_not_repeated(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch, window: int
) -> None:
    whole = await chats.asearch("word", limit=10_000)
    admin.indices.put_settings(index=chats.index, settings={"max_result_window": window})
    names = [values_in(hit.cursor, "hit", *TYPES)[2] for hit in whole]
    at = next(at for at, name in enumerate(names) if at > window % 100 and "." in name)
    admin.delete(index=chats.index, id=whole[at].stored.id, refresh=True)
    following = await chats.asearch("word", limit=5, after=whole[at].cursor)
    assert ids(following) == ids(whole[at + 1 : at + 6])


async def test_a_page_without_a_readable_hit_is_not_the_end(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    mentioned = [
        upstream_document("s", TIME + number, HumanMessage("word of type ai"))
        for number in range(30)
    ]
    theirs = [
        upstream_document("s", TIME - number, AIMessage("word " + "and more " * 20))
        for number in range(5)
    ]
    broken = [{**one, "history": "word: type ai"} for one in mentioned]
    ids_stored = store(admin, index, [*mentioned, *broken, *theirs])
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    assert ids(await all_pages(chats.asearch, limit=3, types=["ai"])) == ids_stored[-5:]
    requests = recorded(async_client)
    assert await chats.asearch("word", limit=65, types=["human"], session_id="t") == []
    assert len(requests) == 1


async def test_only_the_best_can_be_paged_through_by_meaning(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.put_settings(index=chats.index, settings={"max_result_window": 10})
    searches: list[dict[str, Any]] = [
        {"mode": "semantic"},
        {"mode": "hybrid"},
        {"per_session": True},
    ]
    for options in searches:
        found: list[SearchHit] = []
        after: SearchHit | None = None
        for size in (4, 4, 2):
            page = await chats.asearch("word", limit=4, after=after, **options)
            assert len(page) == size
            found += page
            after = page[-1]
        assert len(set(ids(found))) == 10
        with pytest.raises(ChatHistoryError, match="only the best 10 hits"):
            await chats.asearch("word", limit=4, after=after, **options)


async def test_a_hit_comes_back_from_json(chats: AsyncElasticsearchChatStore) -> None:
    adapter = TypeAdapter(SearchHit)
    page = await chats.asearch("word", limit=5)
    again = adapter.validate_json(adapter.dump_json(page[-1]))
    assert again == page[-1]
    following = await chats.asearch("word", limit=5, after=again)
    assert following == (await chats.asearch("word", limit=10))[5:]


async def test_a_cursor_of_another_search_is_refused(
    chats: AsyncElasticsearchChatStore, shared_index: str
) -> None:
    (hit,) = await chats.asearch("word", limit=1)
    elsewhere = AsyncElasticsearchChatStore(shared_index, client=chats.client)
    now = datetime.now(timezone.utc)
    requests = recorded(chats.client)
    others: list[tuple[Any, dict[str, Any]]] = [
        (chats, {"query": "words"}),
        (chats, {"mode": "semantic"}),
        (chats, {"mode": "hybrid"}),
        (chats, {"per_session": True}),
        (chats, {"operator": "and"}),
        (chats, {"fuzzy": True}),
        (chats, {"session_id": "s1"}),
        (chats, {"types": ["human"]}),
        (chats, {"since": now}),
        (chats, {"until": now}),
        (chats, {"metadata": {"tenant": "a"}}),
        (chats.session("s1"), {}),
        (chats.scoped({"user": "u1"}), {}),
        (elsewhere, {}),
    ]
    for searched, options in others:
        with pytest.raises(ValueError, match="cursor of another search"):
            await searched.asearch(**{"query": "word", "after": hit.cursor, **options})
    assert requests == []


async def test_the_order_of_filters_does_not_count(chats: AsyncElasticsearchChatStore) -> None:
    metadata: dict[str, Any] = {"a": [None, "x"], "b": {"c": None, "d": None}}
    other: dict[str, Any] = {"b": {"d": None, "c": None}, "a": ["x", None]}
    (hit,) = await chats.asearch("word", limit=1, types=["ai", "human"], metadata=metadata)
    rest = await chats.asearch(
        "word", limit=1_000, types=["human", "ai"], metadata=other, after=hit
    )
    assert len({hit.stored.id, *ids(rest)}) == NUMBER


async def test_what_is_no_cursor_of_a_hit_is_refused(
    chats: AsyncElasticsearchChatStore,
) -> None:
    (hit,) = await chats.asearch("word", limit=1)
    (summary,) = await chats.alist_sessions(limit=1)
    search, *place = values_in(hit.cursor, "hit", *TYPES)
    refused: list[tuple[Any, type[Exception], str]] = [
        ("s", ValueError, "after is no cursor"),
        (hit.cursor[:-2], ValueError, "after is no cursor"),
        (summary.cursor, ValueError, "cursor of other calls: 'session' instead of 'hit'"),
        (cursor_of("hit", search, *place[:-1]), ValueError, "cursor of other calls"),
        (cursor_of("hit", search, *place[:-1], 2**63), ValueError, "no search has a hit there"),
        (SearchHit(hit.score, hit.stored), ValueError, "as a search returned it, with its cursor"),
        (hit.stored, TypeError, "after must be the last SearchHit .* is a StoredMessage"),
        (1, TypeError, "after must be the last SearchHit .* is a int"),
    ]
    for after, error, says in refused:
        with pytest.raises(error, match=says):
            await chats.asearch("word", after=after)
    with pytest.raises(TypeError, match=r"after must be the last SearchHit .* is a int"):
        await chats.session("s1").asearch("word", after=1)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ValueError, match="cursor of other calls"):
        await chats.alist_sessions(after=hit.cursor)


@pytest.mark.parametrize("mode", ["text", "semantic", "hybrid"])
@pytest.mark.parametrize("per_session", [False, True])
async def test_a_cursor_opens_nothing_outside_the_scope(
    index: str, async_client: AsyncElasticsearch, mode: Any, per_session: bool
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client, embeddings=MeaningEmbeddings())
    mine, theirs = chats.scoped({"user": "u1"}), chats.scoped({"user": "u2"})
    for number in range(4):
        await theirs.session(f"s{number}").aadd_message(HumanMessage("their word"))
        await mine.session(f"s{number}").aadd_message(HumanMessage("my word"))
    options: dict[str, Any] = {"mode": mode, "per_session": per_session}
    (first,) = await mine.asearch("word", limit=1, **options)
    expected = await mine.asearch("word", limit=10, **options)
    search, *place = values_in(first.cursor, "hit", *TYPES)
    foreign = [
        values_in(hit.cursor, "hit", *TYPES)[1:]
        for hit in [
            *await theirs.asearch("word", **options),
            *await chats.asearch("word", **options),
        ]
    ]
    far = [[number, "x", 1, float(number), TIME, 0, 0] for number in (1, 5, 9, 9_000)]
    for made_up in [place, *foreign, *far]:
        # Whoever knows how a cursor is made can make one.
        found = await mine.asearch("word", after=cursor_of("hit", search, *made_up), **options)
        assert set(ids(found)) <= set(ids(expected))
    assert ids([first, *await mine.asearch("word", after=first, **options)]) == ids(expected)


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 2])
async def test_a_made_up_place_is_no_error_of_the_server(
    chats: AsyncElasticsearchChatStore, number: int
) -> None:
    (hit,) = await chats.asearch("word", limit=1)
    search, *_ = values_in(hit.cursor, "hit", *TYPES)
    for rank in (1, 2**62):
        cursor = cursor_of("hit", search, rank, "x", 0, 1e308, number, number, number)
        assert len(await chats.asearch("word", after=cursor, limit=5)) in (0, 5)
