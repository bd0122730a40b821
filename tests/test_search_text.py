"""The query of a search is built from any text, and never too large for a node."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elasticsearch_chat_history._queries.search_text import (
    MAX_CHARACTERS,
    MAX_FUZZY_WORDS,
    MAX_WORDS,
    WORD,
    SearchText,
    content_query,
    history_query,
    message_query,
    nearest_to,
    search_text,
    type_filters,
)

# What a node allows at least, less some for filters.
MAX_CLAUSES = 1_000

# As the JSON of a message has a character beyond ASCII.
ESCAPE = re.compile(r"\\u[0-9a-f]{4}")

any_text = st.text(st.characters() | st.sampled_from('"“”„ ab1é世🌍\u0e01\n'), max_size=2_000)
long_text = st.builds(
    lambda part, times: part * times, st.text(min_size=1, max_size=12), st.integers(1, 3_000)
)


def clauses(query: Any) -> int:
    """Return how many clauses a query has at most: one for each word, and for what is like it."""
    if isinstance(query, list):
        return sum(clauses(part) for part in query)
    if not isinstance(query, dict):
        return 0
    if "multi_match" not in query:
        return sum(clauses(part) for part in query.values())
    match = query["multi_match"]
    plain, escapes = ESCAPE.subn("a", match["query"])
    return (len(WORD.findall(plain)) + escapes) * int(match.get("max_expansions", 1))


def words_of(found: SearchText) -> list[str]:
    return [*WORD.findall(found.words), *WORD.findall("\n".join(found.phrases))]


@pytest.mark.parametrize(
    ("query", "words", "phrases"),
    [
        ("hello world", "hello world", ()),
        ('"hello world"', "", ("hello world",)),
        ('say "hello world" now', "say   now", ("hello world",)),
        ('"a" b "c d" e', "  b   e", ("a", "c d")),
        ("“a b” „c d“", "", ("a b", "c d")),
        ('an "unbalanced quote', 'an "unbalanced quote', ()),
        ('"" "!" x', "    x", ()),
        ('"x" !', "", ("x",)),
        ("\ud800x", "?x", ()),
        ("世界", "世界", ()),
        ("🌍", "🌍", ()),
    ],
)
def test_a_text_is_words_and_phrases(query: str, words: str, phrases: tuple[str, ...]) -> None:
    found = search_text(query)
    assert found is not None
    assert found.words.split() == words.split()
    assert found.phrases == phrases


@pytest.mark.parametrize("query", ["", "  ", "\n\t\0", "?!.,-", '"', '""', '" "', "„“", "\ud800"])
def test_a_text_without_words_is_nothing(query: str) -> None:
    assert search_text(query) is None


@given(any_text | long_text)
@example('"ж" ' * 3_000)
@example("世" * 300 + '"x"')
def test_a_query_is_never_too_large(query: str) -> None:
    for fuzzy, most in ((False, MAX_WORDS), (True, MAX_FUZZY_WORDS)):
        found = search_text(query, fuzzy=fuzzy)
        if found is None:
            continue
        assert len(found.words) <= MAX_CHARACTERS
        assert len(words_of(found)) <= most
        for operator in ("or", "and"):
            content = content_query(found, operator=operator, fuzzy=fuzzy)
            history = history_query(found, operator=operator, fuzzy=fuzzy)
            whole = message_query(content, history, [])
            assert clauses(whole) <= MAX_CLAUSES
            # It can be sent.
            json.dumps(whole, ensure_ascii=False).encode()


def test_a_word_alone_stands_for_many_that_are_alike_and_one_of_many_for_few() -> None:
    assert SearchText("word", ()).max_expansions == 50
    assert SearchText("word " * 20, ()).max_expansions == 10
    assert SearchText("word " * 20, ("a phrase of five words",) * 20).max_expansions == 5
    assert SearchText("word " * 200, ()).max_expansions == 1


def test_words_are_one_clause_and_phrases_one_each() -> None:
    found = search_text('a "b c" d')
    assert found is not None
    query = content_query(found, operator="or", fuzzy=True)
    first, second = (clause["multi_match"] for clause in query["bool"]["should"])
    assert (first["query"].split(), first["fuzziness"]) == (["a", "d"], "AUTO")
    assert (second["query"], second["type"]) == ("b c", "phrase")
    assert "fuzziness" not in second


def test_words_beyond_ascii_are_looked_for_in_both_forms_of_json() -> None:
    found = search_text("plain grün")
    assert found is not None
    plain, special = history_query(found, operator="and", fuzzy=False)["bool"]["must"]
    assert plain["multi_match"]["query"] == "plain"
    forms = [clause["multi_match"]["query"] for clause in special["bool"]["should"]]
    assert forms == ["grün", "gr\\u00fcn"]


def test_more_neighbours_are_looked_at_than_returned_within_the_limit() -> None:
    for count, candidates in ((1, 100), (10, 100), (200, 400), (9_000, 10_000), (10_000, 10_000)):
        nearest = nearest_to([1.0], count, [])
        assert (nearest["k"], nearest["num_candidates"]) == (count, candidates)


def test_types_are_looked_for_where_they_are() -> None:
    assert type_filters(None) == []
    (clause,) = type_filters(["human", "ai"])
    exact, maybe = clause["bool"]["should"]
    assert exact == {"terms": {"type": ["human", "ai"]}}
    assert maybe["bool"]["must_not"] == {"exists": {"field": "type"}}
