"""Highlights are cut out of what Elasticsearch marked."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticsearch_chat_history import Highlight
from elasticsearch_chat_history._queries.highlights import MAX_CHARACTERS, Highlighter

MARKED = Highlighter(mark="M")


@pytest.mark.parametrize(
    ("fragment", "text", "ranges"),
    [
        ("plain", "plain", ()),
        ("", "", ()),
        ("a <M>shard</M>?", "a shard?", ((2, 7),)),
        ("<M>a</M> <M>b</M>", "a b", ((0, 1), (2, 3))),
        ("<M>a</M><M>b</M><M>c</M>", "abc", ((0, 3),)),
        ("🌍 <M>ä</M><M>世界</M>.", "🌍 ä世界.", ((2, 5),)),
        ("<em>x</em> &amp; <M>y</M>", "<em>x</em> &amp; y", ((17, 18),)),
    ],
)
def test_marks_become_ranges(
    fragment: str, text: str, ranges: tuple[tuple[int, int], ...]
) -> None:
    hit = {"highlight": {"content": [fragment]}}
    assert MARKED.highlights_of(hit) == (Highlight(text, ranges),)


@given(st.lists(st.tuples(st.booleans(), st.text(min_size=1)), max_size=10))
def test_any_text_comes_back_whole_with_its_matches(parts: list[tuple[bool, str]]) -> None:
    highlighter = Highlighter()
    fragment = "".join(
        f"<{highlighter.mark}>{text}</{highlighter.mark}>" if marked else text
        for marked, text in parts
    )
    (found,) = highlighter.highlights_of({"highlight": {"content": [fragment]}})
    assert found.text == "".join(text for _, text in parts)
    matched = "".join(found.text[start:end] for start, end in found.ranges)
    assert matched == "".join(text for marked, text in parts if marked)
    ends = [-1, *(end for _, end in found.ranges)]
    assert all(start > end for (start, _), end in zip(found.ranges, ends, strict=False))


def test_a_hit_without_matches_in_its_text_has_none() -> None:
    assert MARKED.highlights_of({}) == ()
    assert MARKED.highlights_of({"highlight": {}}) == ()


def test_each_request_has_marks_of_its_own_and_bounds_its_work() -> None:
    query: dict[str, Any] = {"match_all": {}}
    first, second = Highlighter().request(query), Highlighter().request(query)
    assert first["pre_tags"] != second["pre_tags"]
    assert first["post_tags"] != second["post_tags"]
    assert first["fields"] == {"content": {"highlight_query": query}}
    assert first["max_analyzed_offset"] == MAX_CHARACTERS
