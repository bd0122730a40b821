"""Searches for real questions among real conversations, in the languages they were held in."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore, SearchHit

pytestmark = pytest.mark.server_side


@pytest.fixture
async def async_chats(
    corpus_index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(corpus_index, client=async_client)


def contents(hits: list[SearchHit]) -> list[str]:
    return [str(hit.stored.message.content) for hit in hits]


def matches(hit: SearchHit) -> list[str]:
    """Return the matched parts of a hit's text, cut out of its highlights."""
    return [part.text[start:end] for part in hit.highlights for start, end in part.ranges]


@pytest.mark.parametrize(
    ("query", "options", "expected"),
    [
        ("what is a black hole", {}, "Black Hole"),
        ("largest planet", {}, "What is the largest planet in our solar system?"),
        ("künstliche Intelligenz", {}, "Dr Who. Und alle Serien über Künstliche Intelligenz."),
        ("KÜNSTLICHE INTELLIGENZ", {}, "Dr Who. Und alle Serien über Künstliche Intelligenz."),
        ("capital de Colombia", {}, "Cuál es la capital de Colombia? "),
        ("edad de la tierra", {}, "¿Cuál es la edad aproximada de la Tierra?"),
        ("que manges-tu", {}, "Qu'est ce que tu manges"),
        ("dimmi la guerra civile", {}, "dimmi della guerra civile americana"),
        ("искусственный интеллект", {}, "Я искусственный интеллект."),
        ("доброе утро", {}, "Доброе утро! Как дела?"),
        ("人工智能", {}, "你是一个人工智能"),
        ("आप कैसे हैं", {}, "आप कैसे हैं?"),
        ("テーマ", {}, "ロボティクスも私の大好きなテーマです。"),
        ("안녕", {}, "안녕"),
        ("שלום", {}, "שלום"),
        ('"largest planet" system', {"operator": "and"}, "What is the largest planet in our"),
        (
            "just an artifical inteligence",
            {"fuzzy": True},
            "I am just an artificial intelligence.",
        ),
        ("künstlihe Inteligenz", {"fuzzy": True}, "Dr Who. Und alle Serien über Künstliche"),
        ("исскуственный интелект", {"fuzzy": True}, "Я искусственный интеллект."),
    ],
)
async def test_a_question_finds_its_conversation_first(
    async_chats: AsyncElasticsearchChatStore, query: str, options: dict[str, Any], expected: str
) -> None:
    first, *others = await async_chats.asearch(query, **options)
    assert str(first.stored.message.content).startswith(expected)
    assert all(first.score >= other.score for other in others)


async def test_highlights_are_the_matched_words_of_each_language(
    async_chats: AsyncElasticsearchChatStore,
) -> None:
    (german,) = await async_chats.asearch("künstliche Intelligenz", operator="and")
    assert matches(german) == ["Künstliche", "Intelligenz"]
    (russian,) = await async_chats.asearch("ИНТЕЛЛЕКТ искусственный", operator="and")
    assert matches(russian) == ["искусственный", "интеллект"]
    chinese, *_ = await async_chats.asearch('"人工智能"')
    assert matches(chinese) == ["人工智能"]
    hindi, *_ = await async_chats.asearch("कैसे")
    assert matches(hindi) == ["कैसे"]
    for hit in (german, russian, chinese, hindi):
        assert all(part.text in str(hit.stored.message.content) for part in hit.highlights)


async def test_a_phrase_stands_together_and_in_order(
    async_chats: AsyncElasticsearchChatStore,
) -> None:
    words = await async_chats.asearch("solar system", operator="and", limit=50)
    phrase = await async_chats.asearch('"solar system"', limit=50)
    assert phrase
    assert all("solar system" in text.lower() for text in contents(phrase))
    assert len(phrase) <= len(words)
    assert await async_chats.asearch('"system solar"') == []
    typographic = await async_chats.asearch("“solar system”", limit=50)
    assert contents(typographic) == contents(phrase)


async def test_all_words_find_less_than_any(async_chats: AsyncElasticsearchChatStore) -> None:
    every = await async_chats.asearch("inteligencia artificial", operator="and", limit=1000)
    some = await async_chats.asearch("inteligencia artificial", limit=1000)
    assert 0 < len(every) < len(some)
    assert all(
        "inteligencia" in text.lower() and "artificial" in text.lower() for text in contents(every)
    )
    # What has both words stands before what has one.
    assert set(contents(some[:2])) <= set(contents(every))


async def test_a_misspelt_word_is_found_by_fuzzy_search_only(
    async_chats: AsyncElasticsearchChatStore,
) -> None:
    assert await async_chats.asearch("inteligenz") == []
    found = await async_chats.asearch("inteligenz", fuzzy=True, limit=100)
    assert any("Intelligenz" in matches(hit) for hit in found)
    assert await async_chats.asearch('"inteligenz"', fuzzy=True) == []


async def test_each_session_is_found_once_by_its_best_message(
    async_chats: AsyncElasticsearchChatStore,
) -> None:
    everything = await async_chats.asearch("hello", limit=1000)
    sessions = [hit.session_id for hit in everything]
    assert len(sessions) > len(set(sessions))
    grouped = await async_chats.asearch("hello", limit=1000, per_session=True)
    best: dict[str, SearchHit] = {}
    for hit in everything:
        best.setdefault(hit.session_id, hit)
    assert [hit.stored for hit in grouped] == [hit.stored for hit in best.values()]


async def test_the_score_is_the_same_in_each_shard_and_ties_are_newest_first(
    async_chats: AsyncElasticsearchChatStore,
) -> None:
    found = await async_chats.asearch("hello", limit=1000)
    assert found == sorted(found, key=lambda hit: (hit.score, hit.stored.created_at), reverse=True)
    # The same text has the same score, whichever shard it is on.
    equal = {hit.score for hit in found if hit.stored.message.content == "Hello"}
    assert len([hit for hit in found if hit.stored.message.content == "Hello"]) > 5
    assert len(equal) == 1
