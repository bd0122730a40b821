"""The query of a text search: built from words and quoted phrases, never parsed as query syntax.

A node allows a query at least 1,024 clauses. Each word adds one for each field, a fuzzy word one
for each similar word, and since Elasticsearch 9 a phrase one for each of its words:
https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/search-settings
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._arguments import encodable
from elasticsearch_chat_history._documents.fields import VECTOR
from elasticsearch_chat_history._queries.selection import MAX_HITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from elasticsearch_chat_history._queries.filters import Clauses

Clause = dict[str, Any]

# At most four times as many clauses: two fields, each with a second form of the words.
MAX_WORDS = 200
# A node needs some milliseconds on each shard to expand one.
MAX_FUZZY_WORDS = 50
MAX_CHARACTERS = 4_000
# To how many similar words a fuzzy word expands: the default of `max_expansions`.
MAX_EXPANSIONS = 50
# Each shard looks at more neighbours than are returned, so that few near ones are missed.
CANDIDATES_FOR_EACH = 2
MIN_CANDIDATES = 100
# So many cost no more than one.
MIN_NEAREST = MIN_CANDIDATES // CANDIDATES_FOR_EACH

# Scripts that are written without spaces, and symbols: each character may be a word.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2070-\u2fff\u3040-\U0010ffff"
# As fine as any usual analyzer splits; the standard one splits words of over 255 characters.
WORD = re.compile(rf"[{UNSPACED}]|[^\W\d_{UNSPACED}]{{1,255}}|\d{{1,255}}")
# Phones write typographic quotes.
QUOTED = re.compile('["“”„]([^"“”„]*)["“”„]')


@dataclass(frozen=True)
class SearchText:
    """The words and phrases of a search text.

    Attributes:
        words: The words outside of quotes, as one text.
        phrases: The texts in quotes.
    """

    words: str
    phrases: tuple[str, ...]

    @property
    def max_expansions(self) -> int:
        """To how many words a fuzzy one may expand, so that all together are not too many."""
        fuzzy = _count(self.words)
        exact = sum(_count(phrase) for phrase in self.phrases)
        return min(MAX_EXPANSIONS, max(1, (MAX_WORDS - exact) // max(1, fuzzy)))


def search_text(query: str, *, fuzzy: bool = False) -> SearchText | None:
    """Return the words and phrases of `query`; None if it has none."""
    text = _cut(encodable(query), MAX_FUZZY_WORDS if fuzzy else MAX_WORDS)
    words = QUOTED.sub(" ", text)
    phrases = tuple(phrase for phrase in QUOTED.findall(text) if _count(phrase))
    if not _count(words):
        words = ""
    return SearchText(words, phrases) if words or phrases else None


def content_query(text: SearchText, *, operator: str, fuzzy: bool) -> Clause:
    """Return the query that finds and ranks messages by their text."""
    exact = [_phrase("content", phrase) for phrase in text.phrases]
    words = [_words("content", text, operator=operator, fuzzy=fuzzy)] if text.words else []
    clauses = [*words, *exact]
    if len(clauses) == 1:
        return clauses[0]
    if operator == "or":
        return _any_of(clauses)
    # An analyzer may remove all words of a clause, such as the stop words "to be". Such a clause
    # must not keep the others from matching, nor match everything if there are no others.
    return {
        "bool": {"must": [_or_without_words(one) for one in clauses], "filter": _any_of(clauses)}
    }


def history_query(text: SearchText, *, operator: str, fuzzy: bool) -> Clause:
    """Return the query for the words in the JSON of a message.

    Non-ASCII characters may be escaped there, so such words are searched for in both forms.
    """
    listed = [word for word in text.words.split() if _count(word)]
    plain = " ".join(word for word in listed if word.isascii())
    special = [word for word in listed if not word.isascii()]
    clauses = []
    if plain:
        plain_text = SearchText(plain, (*special, *text.phrases))
        clauses.append(_words("history", plain_text, operator=operator, fuzzy=fuzzy))
    left = MAX_WORDS
    for phrase in (*special, *text.phrases):
        escaped = json.dumps(phrase)[1:-1]
        # Each escaped character begins a new word.
        length = _count(phrase) + escaped.count("\\")
        if phrase.isascii() or length > left:
            clauses.append(_phrase("history", phrase))
        else:
            left -= length
            clauses.append(_any_of([_phrase("history", phrase), _phrase("history", escaped)]))
    return _any_of(clauses) if operator == "or" else {"bool": {"must": clauses}}


def message_query(content: Clause, history: Clause, filters: Clauses) -> Clause:
    """Return the query of a search by words.

    Args:
        content: The query for the text of a message.
        history: The query for its JSON, if the text is not a field of its own.
        filters: The clauses that must match too.
    """
    without_type = {"bool": {"must": history, "must_not": _HAS_TYPE}}
    return {"bool": {**_any_of([content, without_type])["bool"], "filter": filters}}


def nearest_to(vector: Sequence[float], count: int, filters: Clauses) -> Clause:
    """Return the kNN search for the `count` messages that are nearest to a vector in meaning."""
    return {
        "field": VECTOR,
        "query_vector": vector,
        "k": count,
        "num_candidates": min(MAX_HITS, max(MIN_CANDIDATES, CANDIDATES_FOR_EACH * count)),
        "filter": filters,
    }


# The lowest score of all neighbours that a search has found.
LOWEST_SCORE: Clause = {
    "lowest": {"top_hits": {"size": 1, "sort": [{"_score": "asc"}], "_source": False}}
}


def lowest_score_in(answer: Mapping[str, Any]) -> float:
    """Return the lowest score in an answer with the aggregation `LOWEST_SCORE`."""
    (hit,) = answer["aggregations"]["lowest"]["hits"]["hits"]
    return float(hit["sort"][0])


def type_filters(types: Sequence[str] | None) -> Clauses:
    """Return the clauses that find messages of these types.

    Documents without `type` are found if their JSON mentions one of the types anywhere.
    """
    if types is None:
        return []
    maybe = _any_of([_phrase("history", f"type {one}") for one in types])
    without_type = {"bool": {"must": maybe, "must_not": _HAS_TYPE}}
    return [_any_of([{"terms": {"type": list(types)}}, without_type])]


_HAS_TYPE = {"exists": {"field": "type"}}


def _words(field: str, text: SearchText, *, operator: str, fuzzy: bool) -> Clause:
    alike = {"fuzziness": "AUTO", "max_expansions": text.max_expansions} if fuzzy else {}
    return _match(field, text.words, operator=operator, **alike)


def _phrase(field: str, phrase: str) -> Clause:
    return _match(field, phrase, type="phrase")


def _match(field: str, text: str, **options: Any) -> Clause:
    # Of the match queries, only this one is lenient for phrases too: a field that is not indexed,
    # or of another type, then finds nothing instead of raising an error.
    return {"multi_match": {"query": text, "fields": [field], "lenient": True, **options}}


def _or_without_words(clause: Clause) -> Clause:
    return {"multi_match": {**clause["multi_match"], "zero_terms_query": "all"}}


def _any_of(clauses: Sequence[Clause]) -> Clause:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def _cut(text: str, max_words: int) -> str:
    text = text[:MAX_CHARACTERS]
    for number, word in enumerate(WORD.finditer(text)):
        if number == max_words:
            return text[: word.start()]
    return text


def _count(text: str) -> int:
    return sum(1 for _ in WORD.finditer(text))
