"""Searching by words, by meaning and by both: what is found, how it is ranked, what it says."""

import json
import logging
import time
from datetime import timedelta
from typing import Any, Literal

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    ChatHistoryError,
    Highlight,
    SearchHit,
)
from elasticsearch_chat_history._documents.clock import CLOCK
from tests.support.client_requests import recorded
from tests.support.documents import (
    UPSTREAM_MAPPINGS,
    complete_document,
    own_document,
    upstream_document,
)
from tests.support.embedding_models import MeaningEmbeddings
from tests.support.messages import texts
from tests.support.server import store

pytestmark = pytest.mark.server_side

MODES: tuple[Literal["text", "semantic", "hybrid"], ...] = ("text", "semantic", "hybrid")

FIRST_SEQ = 1_700_000_000_000_000
HOUR = 3600 * 1_000_000
SECRET = "the text of a query"


def found_texts(hits: list[SearchHit]) -> list[str]:
    return texts([hit.stored.message for hit in hits])


def matches(hit: SearchHit) -> list[str]:
    """Return the matched parts of a hit's text, cut out of its highlights."""
    return [part.text[start:end] for part in hit.highlights for start, end in part.ranges]


def complete(session_id: str, *contents: str, first: int = FIRST_SEQ) -> list[dict[str, Any]]:
    """Return the documents of human messages, a second after another."""
    return [
        complete_document(session_id, first + number * 1_000_000, HumanMessage(content))
        for number, content in enumerate(contents)
    ]


@pytest.fixture
async def async_chats(
    shared_index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(shared_index, client=async_client)


@pytest.fixture
async def async_semantic(
    index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    """A store whose index has a field for vectors."""
    made = AsyncElasticsearchChatStore(index, client=async_client, embeddings=MeaningEmbeddings())
    await made.create_if_missing()
    return made


def store_meanings(admin: Elasticsearch, index: str, documents: list[dict[str, Any]]) -> None:
    model = MeaningEmbeddings()
    store(admin, index, [model.with_vector(document) for document in documents])


async def test_what_was_added_is_found_with_all_that_is_stored(
    async_chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    history = async_chats.session(session_id, metadata={"tenant": "a"})
    await history.aadd_messages(
        [HumanMessage("Where is my refund?"), AIMessage("On its way.", id="m2")]
    )
    (hit,) = await async_chats.asearch("refund", session_id=session_id)
    stored = [stored async for stored in history.aiter_messages()]
    assert hit.stored == stored[0]
    assert hit.session_id == session_id
    assert hit.stored.metadata == {"tenant": "a"}
    assert hit.score > 0
    assert hit.highlights == (Highlight("Where is my refund?", ((12, 18),)),)
    assert await history.asearch("REFUND way", limit=1) == await async_chats.asearch(
        "REFUND way", session_id=session_id, limit=1
    )


async def test_a_search_takes_one_request(
    async_chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    requests = recorded(async_chats.client)
    await async_chats.asearch("refund", session_id=session_id, per_session=True)
    assert [request.endpoint for request in requests] == ["_search"]


async def test_a_text_without_words_finds_nothing_and_asks_nobody(
    async_semantic: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    model = async_semantic._embeddings
    assert isinstance(model, MeaningEmbeddings)
    store_meanings(admin, async_semantic.index, complete("s", "? ! -"))
    requests = recorded(async_semantic.client)
    for query in ("", " \n\t", "?!", '""', '"!" "-"', "\ud800"):
        for mode in MODES:
            assert await async_semantic.asearch(query, mode=mode) == []
    assert requests == []
    assert model.asked == []


async def test_a_missing_index_has_no_hits_and_is_not_made(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client, embeddings=MeaningEmbeddings())
    for mode in MODES:
        assert await chats.asearch("hello", mode=mode) == []
        assert await chats.session("s").asearch("hello", mode=mode) == []
    assert not admin.indices.exists(index=index)


async def test_an_index_without_any_field_has_no_hits(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index)
    chats = AsyncElasticsearchChatStore(index, client=async_client, embeddings=MeaningEmbeddings())
    for mode in MODES:
        assert await chats.asearch("hello", types=["ai"], mode=mode) == []
        assert await chats.asearch("hello", types=["ai"], mode=mode, per_session=True) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"query": 5}, TypeError, "query must be a str, but is a int"),
        ({"query": None}, TypeError, "query must be a str"),
        ({"limit": 0}, ValueError, "limit must be at least 1, but is 0"),
        ({"limit": 10_001}, ValueError, "limit must be at most 10,000, but is 10001"),
        ({"limit": "5"}, TypeError, "limit must be a whole number"),
        ({"operator": "xor"}, ValueError, "operator must be one of 'or', 'and', but is 'xor'"),
        ({"mode": "magic"}, ValueError, "one of 'text', 'semantic', 'hybrid', but is 'magic'"),
        ({"mode": "semantic"}, ValueError, "give the store embeddings="),
        ({"mode": "hybrid"}, ValueError, "give the store embeddings="),
        ({"types": ["robot"]}, ValueError, "types must be some of AIMessageChunk.*'robot'"),
        ({"types": "human"}, TypeError, "types must be a list"),
        ({"since": "yesterday"}, TypeError, "since must be a datetime"),
        ({"metadata": {"a": []}}, ValueError, "at least one value"),
    ],
)
async def test_what_cannot_be_searched_for_is_said_before_anything_is_sent(
    async_chats: AsyncElasticsearchChatStore,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    requests = recorded(async_chats.client)
    given_arguments: dict[str, Any] = {"query": "hello", **arguments}
    with pytest.raises(error, match=message):
        await async_chats.asearch(**given_arguments)
    with pytest.raises(error, match=message):
        await async_chats.session("s").asearch(**given_arguments)
    assert requests == []


async def test_a_closed_store_is_not_searched(async_client: AsyncElasticsearch) -> None:
    chats = AsyncElasticsearchChatStore("chats", client=async_client)
    history = chats.session("s")
    await chats.aclose()
    with pytest.raises(ChatHistoryError, match="was closed"):
        await chats.asearch("hello")
    with pytest.raises(ChatHistoryError, match="was closed"):
        await history.asearch("hello")


syntax = st.text(st.sampled_from('"“”„ab*?~^:()[]{}/\\+-!&|<>=\n\0 '), max_size=40)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.text(st.characters(), max_size=100) | syntax,
    st.sampled_from(["or", "and"]),
    st.booleans(),
)
@example('content:secret AND NOT type:human OR "', "and", True)
@example("_id:* history:/.*/ \\", "or", True)
async def test_any_text_can_be_searched_for(
    shared_index: str,
    client_arguments: dict[str, Any],
    query: str,
    operator: Literal["or", "and"],
    fuzzy: bool,
) -> None:
    # A client can only be used where it was made, and each example runs on its own.
    async with AsyncElasticsearch(**client_arguments) as client:
        chats = AsyncElasticsearchChatStore(shared_index, client=client)
        await chats.asearch(query, operator=operator, fuzzy=fuzzy)


async def test_a_query_reaches_no_field_and_no_syntax(
    async_chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    await async_chats.session(session_id).aadd_messages([HumanMessage("plain words")])
    for query in ("type:human", "session_id:*", "*", "plai*", "/pl.*/", "_exists_:content"):
        assert await async_chats.asearch(query, session_id=session_id) == []
    # What looks like syntax is words.
    assert await async_chats.asearch("-plain", session_id=session_id, operator="and")
    assert await async_chats.asearch("NOT plain", session_id=session_id)
    assert not await async_chats.asearch("NOT plain", session_id=session_id, operator="and")


@pytest.mark.parametrize(
    "query",
    [
        " ".join(f"word{number}" for number in range(20_000)),
        "你好世界" * 5_000,
        "ж" * 20_000,
        "жук " * 5_000,
        "£ " * 20_000,
        " ".join(f'"жук{number} и word{number}" word{number}' for number in range(5_000)),
        " ".join(f'"{number}"' for number in range(5_000)),
        '"' + " ".join(f"word{number}" for number in range(150)) + '" word word1 word2 word3',
        "!" * 5_000_000 + " word",
    ],
    ids=range(9),
)
async def test_no_length_is_too_much(
    neighbours: str, async_client: AsyncElasticsearch, query: str
) -> None:
    chats = AsyncElasticsearchChatStore(neighbours, client=async_client)
    await chats.asearch(query)
    await chats.asearch(query, fuzzy=True, operator="and")


@pytest.fixture(scope="module")
def neighbours(admin: Elasticsearch) -> Any:
    """An index with many words that are alike, for both fields that can be searched."""
    name = f"test-neighbours-{time.time_ns()}"
    admin.indices.create(index=name, mappings=UPSTREAM_MAPPINGS)
    admin.indices.put_mapping(
        index=name, properties={"content": {"type": "text"}, "type": {"type": "keyword"}}
    )
    listed = [
        " ".join(f"word{number} wor{number} жук{number}" for number in range(start, start + 100))
        for start in range(0, 20_000, 100)
    ]
    store(
        admin,
        name,
        [
            *(upstream_document("s", 1, HumanMessage(text)) for text in listed),
            *(complete_document("s", 1, HumanMessage(text)) for text in listed),
        ],
    )
    yield name
    admin.indices.delete(index=name)


async def test_only_the_beginning_of_a_long_text_is_looked_for(
    async_chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    await async_chats.session(session_id).aadd_messages([HumanMessage("needle")])
    hay = " ".join(f"hay{letter}" for letter in "abcdefghij" * 20)
    listed = hay.split()
    assert len(listed) == 200
    for fuzzy, most in ((False, 200), (True, 50)):
        few, many = " ".join(listed[1:most]), " ".join(listed[:most])
        history = async_chats.session(session_id)
        assert await history.asearch(f"{few} needle", fuzzy=fuzzy)
        assert not await history.asearch(f"{many} needle", fuzzy=fuzzy)


async def test_stop_words_alone_find_nothing_and_keep_nothing_from_being_found(
    index: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client, analyzer="english")
    await chats.session("s").aadd_messages([HumanMessage("Hamlet"), HumanMessage("Othello")])
    for query in ('"to be" Hamlet', 'to "Hamlet"', '"not to" "Hamlet"', "to be hamlets"):
        assert found_texts(await chats.asearch(query, operator="and")) == ["Hamlet"]
    for query in ("to be", '"to be"', '"to be" "or not"', '"to be" or'):
        assert await chats.asearch(query, operator="and") == []
        assert await chats.asearch(query) == []


async def test_equal_matches_are_newest_first(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    # The last two share a millisecond.
    seqs = [FIRST_SEQ + step for step in (0, 5_000, 9_000, 9_001)]
    metadata = [{"number": number} for number in range(4)]
    order = [2, 0, 3, 1]
    store(
        admin,
        async_chats.index,
        [
            {
                **complete_document(session_id, seqs[number], HumanMessage("same")),
                "metadata": metadata[number],
            }
            for number in order
        ],
    )
    hits = await async_chats.asearch("same", session_id=session_id)
    assert [hit.stored.metadata["number"] for hit in hits] == [3, 2, 1, 0]
    assert [hit.stored.created_at.timestamp() for hit in hits] == [
        FIRST_SEQ // 1000 / 1000 + step for step in (0.009, 0.009, 0.005, 0)
    ]


async def test_what_is_found_pushes_the_clock_on(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    ahead = (time.time_ns() // 1000) + 10 * HOUR
    store(admin, async_chats.index, [complete_document(session_id, ahead, HumanMessage("later"))])
    await async_chats.asearch("later", session_id=session_id)
    assert CLOCK.tick((async_chats.index, session_id))[0] > ahead


async def test_a_broken_document_is_left_out_with_a_warning(
    async_chats: AsyncElasticsearchChatStore,
    session_id: str,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    documents = complete(session_id, f"needle {SECRET}", "needle", "needle again")
    documents[0]["history"] = "{"
    broken, *_ = store(admin, async_chats.index, documents)
    with caplog.at_level(logging.WARNING, "elasticsearch_chat_history"):
        hits = await async_chats.asearch("needle", session_id=session_id)
    assert sorted(found_texts(hits)) == ["needle", "needle again"]
    (line,) = [record.getMessage() for record in caplog.records]
    assert broken in line
    assert SECRET not in caplog.text


async def test_what_is_no_message_is_not_found(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.session("s").aadd_messages([HumanMessage("needle")])
    document = complete("s", "needle")[0]
    without = [
        {name: value for name, value in document.items() if name != missing}
        for missing in ("session_id", "created_at")
    ]
    store(admin, index, [{"content": "needle"}, *without])
    assert len(await chats.asearch("needle")) == 1
    assert len(await chats.asearch("needle", per_session=True)) == 1


async def test_a_very_long_message_is_found_and_highlighted_at_its_beginning(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    text = "needle " + "hay " * 300_000 + "pin"
    store(admin, async_chats.index, complete(session_id, text))
    (hit,) = await async_chats.asearch("needle", session_id=session_id)
    assert matches(hit) == ["needle"]
    (hit,) = await async_chats.asearch("pin", session_id=session_id)
    assert matches(hit) == []


async def test_highlights_hold_no_markup_and_markup_is_no_highlight(
    async_chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    text = "<em>no</em> <b>needle</b> & 🌍 needle-work, a sewing   needle kit"
    await async_chats.session(session_id).aadd_messages([HumanMessage(text)])
    (hit,) = await async_chats.asearch('needle "sewing needle"', session_id=session_id)
    (part,) = hit.highlights
    assert part.text == text
    assert matches(hit)[:2] == ["needle", "needle"]
    assert "".join(matches(hit)[2:]).endswith("needle")
    (hit,) = await async_chats.asearch("neddle", session_id=session_id, fuzzy=True)
    assert matches(hit) == ["needle"] * 3


async def test_a_failing_search_is_one_line_in_the_log_without_the_text(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.indices.create(index=index)
    admin.indices.close(index=index)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    with pytest.raises(ApiError):
        await chats.asearch(SECRET)
    with pytest.raises(ApiError):
        await chats.session("s").asearch(SECRET)
    lines = [
        record.getMessage()
        for record in caplog.records
        if record.name == "elasticsearch_chat_history"
    ]
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("Could not search messages in Elasticsearch: index_closed_exc")
    assert SECRET not in caplog.text


class TestMessagesOfUpstream:
    """Documents without `content` and `type` are searched through their JSON."""

    MESSAGES: tuple[BaseMessage, ...] = (
        HumanMessage("Where is my umbrella?"),
        AIMessage("Your umbrella is grün. 你好世界 🌍"),
        AIMessage("I said: type human, do you hear, umbrella stand"),
    )

    @pytest.fixture
    async def async_chats(
        self, index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
    ) -> AsyncElasticsearchChatStore:
        admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
        old = [
            upstream_document("old", 1_700_000_000_000 + number, message)
            for number, message in enumerate(self.MESSAGES)
        ]
        store(admin, index, old)
        return AsyncElasticsearchChatStore(index, client=async_client)

    async def test_words_and_phrases_are_found_in_their_json(
        self, async_chats: AsyncElasticsearchChatStore, admin: Elasticsearch
    ) -> None:
        hits = await async_chats.asearch("umbrella")
        assert sorted(found_texts(hits)) == sorted(texts(list(self.MESSAGES)))
        assert all(hit.highlights == () for hit in hits)
        assert all(hit.session_id == "old" for hit in hits)
        asked: list[tuple[str, dict[str, Any]]] = [
            ('"my umbrella"', {}),
            ("where umbrella", {"operator": "and"}),
            ("umbrela wher !", {"operator": "and", "fuzzy": True}),
        ]
        for query, options in asked:
            assert found_texts(await async_chats.asearch(query, **options)) == [
                "Where is my umbrella?"
            ]
        raw = json.dumps({"type": "human", "data": {"content": "Grüße"}}, ensure_ascii=False)
        document = {
            **upstream_document("raw", 1_700_000_000_000, HumanMessage("")),
            "history": raw,
        }
        store(admin, async_chats.index, [document])
        assert found_texts(await async_chats.asearch("grüße")) == ["Grüße"]

    @pytest.mark.parametrize("operator", ["or", "and"])
    @pytest.mark.parametrize("query", ["grün", "你好世界", "🌍", '"is grün"', "umbrella 世界"])
    async def test_words_beyond_ascii_are_found_in_their_escaped_form(
        self,
        async_chats: AsyncElasticsearchChatStore,
        query: str,
        operator: Literal["or", "and"],
    ) -> None:
        best, *others = await async_chats.asearch(query, operator=operator)
        assert str(best.stored.message.content).startswith("Your umbrella is grün")
        assert operator == "or" or others == []

    async def test_types_are_those_of_the_messages(
        self, async_chats: AsyncElasticsearchChatStore
    ) -> None:
        human = await async_chats.asearch("umbrella", types=["human"])
        assert found_texts(human) == ["Where is my umbrella?"]
        assert len(await async_chats.asearch("umbrella", types=["ai"])) == 2
        assert len(await async_chats.asearch("umbrella", types=["ai", "human"])) == 3
        assert await async_chats.asearch("umbrella", types=["tool"]) == []

    async def test_they_are_found_beside_new_messages(
        self, async_chats: AsyncElasticsearchChatStore
    ) -> None:
        await async_chats.session("new").aadd_messages([HumanMessage("An umbrella!")])
        assert len(await async_chats.asearch("umbrella")) == 4
        sessions = await async_chats.asearch("umbrella", per_session=True)
        assert sorted(hit.session_id for hit in sessions) == ["new", "old"]
        # A message that has its text by itself is not searched through its JSON.
        assert await async_chats.asearch("additional_kwargs", session_id="new") == []
        assert len(await async_chats.asearch("umbrella", types=["human"])) == 2

    async def test_nothing_in_our_own_index_is_found_by_its_json(
        self, shared_index: str, session_id: str, async_client: AsyncElasticsearch
    ) -> None:
        chats = AsyncElasticsearchChatStore(shared_index, client=async_client)
        await chats.session(session_id).aadd_messages([HumanMessage("Hello")])
        for query in ("additional_kwargs", '"type human"', "grün"):
            assert await chats.asearch(query, session_id=session_id, types=["human"]) == []


class TestMeaning:
    """Searching by meaning, and by both."""

    async def test_it_is_found_without_any_word_in_common(
        self, async_semantic: AsyncElasticsearchChatStore, admin: Elasticsearch
    ) -> None:
        documents = complete("s", "My automobile is broken", "A physician", "The ocean is wide")
        store_meanings(admin, async_semantic.index, documents)
        first, *_ = await async_semantic.asearch("car", mode="semantic")
        assert first.stored.message.content == "My automobile is broken"
        assert first.highlights == ()
        assert 0.9 < first.score <= 1
        assert await async_semantic.asearch("car") == []
        hits = await async_semantic.asearch("doctor sea", mode="semantic", limit=2)
        assert sorted(found_texts(hits)) == ["A physician", "The ocean is wide"]
        assert hits == sorted(hits, key=lambda hit: hit.score, reverse=True)

    async def test_the_model_gets_the_whole_text_once(
        self, async_semantic: AsyncElasticsearchChatStore
    ) -> None:
        model = async_semantic._embeddings
        assert isinstance(model, MeaningEmbeddings)
        query = "a long text " * 2_000
        await async_semantic.asearch(query + "\ud800", mode="semantic")
        await async_semantic.asearch("b", mode="hybrid", per_session=True)
        await async_semantic.asearch("c")
        assert model.asked == [query + "?", "b"]

    async def test_filters_are_applied_before_the_nearest_are_counted(
        self, async_semantic: AsyncElasticsearchChatStore, admin: Elasticsearch
    ) -> None:
        near = complete("near", *["car"] * 50)
        far = complete("far", "the sea and a car", first=FIRST_SEQ + HOUR)
        store_meanings(admin, async_semantic.index, [*near, *far])
        in_session = async_semantic.session("far")
        for hits in (
            await async_semantic.asearch("car", mode="semantic", session_id="far", limit=1),
            await in_session.asearch("car", mode="semantic", limit=1),
            await in_session.asearch("car", mode="hybrid", limit=1),
        ):
            assert found_texts(hits) == ["the sea and a car"]
        only_ai = await async_semantic.asearch("car", mode="semantic", types=["ai"])
        assert only_ai == []

    async def test_each_session_is_found_even_where_one_is_near_many_times(
        self, async_semantic: AsyncElasticsearchChatStore, admin: Elasticsearch
    ) -> None:
        near = complete("near", *["car"] * 50)
        far = [complete(name, f"the sea and a car {name}")[0] for name in ("far", "farther")]
        store_meanings(admin, async_semantic.index, [*near, *far])
        requests = recorded(async_semantic.client)
        hits = await async_semantic.asearch("car", mode="semantic", per_session=True, limit=3)
        assert hits[0].session_id == "near"
        assert {hit.session_id for hit in hits} == {"near", "far", "farther"}
        # The nearest 50 are of one session.
        assert len(requests) == 2
        requests.clear()
        hits = await async_semantic.asearch("car", mode="semantic", per_session=True, limit=100)
        assert len(hits) == 3
        assert len(requests) == 1

    async def test_both_rankings_together_put_what_is_in_both_first(
        self, async_semantic: AsyncElasticsearchChatStore, admin: Elasticsearch
    ) -> None:
        documents = [
            *complete("words", "puppy food, puppy toys, money"),
            *complete("both", "my puppy has toys"),
            *complete("meaning", "the dog sleeps"),
            *complete("neither", "rain in the mountains"),
        ]
        store_meanings(admin, async_semantic.index, documents)
        hits = await async_semantic.asearch("puppy", mode="hybrid", limit=3)
        assert {hit.session_id for hit in hits[:2]} == {"words", "both"}
        assert hits[2].session_id == "meaning"
        assert matches(hits[0])[0] == "puppy"
        assert hits[2].highlights == ()
        best = 1 / 61 + 1 / 61
        assert best >= hits[0].score > hits[1].score > hits[2].score > 0
        sessions = await async_semantic.asearch("puppy", mode="hybrid", limit=3, per_session=True)
        assert [hit.session_id for hit in sessions] == [hit.session_id for hit in hits]
        (only,) = await async_semantic.asearch("puppy", mode="hybrid", limit=1)
        assert only == hits[0]

    async def test_what_meaning_ranks_higher_is_highlighted_where_its_words_match(
        self, async_semantic: AsyncElasticsearchChatStore, admin: Elasticsearch
    ) -> None:
        documents = [
            *complete("near", "the dog, a dog, that dog and this puppy"),
            *complete("other", "puppy money", "a dog", "puppy cash"),
        ]
        store_meanings(admin, async_semantic.index, documents)
        by_words = await async_semantic.asearch("puppy")
        assert [hit.session_id for hit in by_words] == ["other", "other", "near"]
        hits = await async_semantic.asearch("puppy", mode="hybrid")
        (near,) = [hit for hit in hits if hit.session_id == "near"]
        assert matches(near) == ["puppy"]
        # Its best message by words is not its best by meaning.
        sessions = await async_semantic.asearch("puppy", mode="hybrid", per_session=True)
        assert sorted(hit.session_id for hit in sessions) == ["near", "other"]

    async def test_an_index_without_vectors_is_searched_by_words_only(
        self, shared_index: str, session_id: str, async_client: AsyncElasticsearch
    ) -> None:
        chats = AsyncElasticsearchChatStore(
            shared_index, client=async_client, embeddings=MeaningEmbeddings()
        )
        plain = AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=async_client)
        await plain.aadd_messages([HumanMessage("the sea")])
        history = chats.session(session_id)
        assert await history.asearch("sea", mode="semantic") == []
        (hit,) = await history.asearch("sea", mode="hybrid")
        assert matches(hit) == ["sea"]
        assert hit.score == 1 / 61

    async def test_vectors_of_another_length_are_an_error_of_elasticsearch(
        self,
        async_semantic: AsyncElasticsearchChatStore,
        admin: Elasticsearch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        store_meanings(admin, async_semantic.index, complete("s", "the sea"))
        other = AsyncElasticsearchChatStore(
            async_semantic.index,
            client=async_semantic.client,
            embeddings=MeaningEmbeddings(extra_dimensions=1),
        )
        with pytest.raises(ApiError, match="different number of dimensions"):
            await other.asearch(SECRET, mode="semantic")
        assert "Could not search messages in Elasticsearch: search_phase" in caplog.text
        assert SECRET not in caplog.text

    async def test_an_error_of_the_model_passes_as_it_is(
        self, index: str, async_client: AsyncElasticsearch
    ) -> None:
        error = RuntimeError("the model is away")
        chats = AsyncElasticsearchChatStore(
            index, client=async_client, embeddings=MeaningEmbeddings(error=error)
        )
        for mode in MODES[1:]:
            with pytest.raises(RuntimeError) as caught:
                await chats.asearch("hello", mode=mode)
            assert caught.value is error

    async def test_older_messages_than_ttl_are_not_found(
        self, async_semantic: AsyncElasticsearchChatStore, admin: Elasticsearch
    ) -> None:
        now = time.time_ns() // 1000
        old = complete("s", "an old car", first=now - 2 * HOUR)
        new = complete("s", "a new car", first=now)
        store_meanings(admin, async_semantic.index, [*old, *new])
        history = async_semantic.session("s", ttl=timedelta(hours=1))
        for mode in MODES:
            assert found_texts(await history.asearch("car", mode=mode)) == ["a new car"]
            assert len(await async_semantic.asearch("car", mode=mode)) == 2


async def test_the_document_of_a_test_without_text_is_not_found(
    async_chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    # It has a `type`, so that it counts as complete.
    store(admin, async_chats.index, [own_document(session_id, FIRST_SEQ, HumanMessage("hay"))])
    assert await async_chats.asearch("hay", session_id=session_id) == []
