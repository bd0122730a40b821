"""Marks around the matches of a search, for a page."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticsearch_chat_history import Highlight

FAMILY = "\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e9\U0001f1ea"


@pytest.mark.parametrize(
    ("text", "ranges", "marked"),
    [
        ("a shard", [(2, 7)], "a [shard]"),
        ("a shard", [], "a shard"),
        ("<b>&\"'", [(0, 3)], "[&lt;b&gt;]&amp;&quot;&#x27;"),
        ("abcdef", [(3, 5), (0, 2), (1, 4)], "[abcde]f"),
        ("abcd", [(0, 2), (2, 4)], "[abcd]"),
        ("abcd", [(-3, 1), (3, 99), (2, 2), (9, 12)], "[a]bc[d]"),
        ("cafe\u0301s", [(0, 4)], "[cafe\u0301]s"),
        ("cafe\u0301s", [(4, 6)], "caf[e\u0301s]"),
        (f"a{FAMILY}b", [(1, 2)], f"a[{FAMILY}]b"),
        (f"a{FAMILY}b", [(3, 4)], f"a[{FAMILY}]b"),
        ("\U0001f44d\U0001f3fd!", [(0, 1)], "[\U0001f44d\U0001f3fd]!"),
        ("\u2764\ufe0f!", [(0, 1)], "[\u2764\ufe0f]!"),
        (f"{FLAG}{FLAG}", [(0, 1)], f"[{FLAG}]{FLAG}"),
        (f"{FLAG}{FLAG}", [(2, 3)], f"{FLAG}[{FLAG}]"),
        ("\u05e9\u05dc\u05d5\u05dd ab", [(0, 4)], "[\u05e9\u05dc\u05d5\u05dd] ab"),
        ("\u202eevil", [(1, 5)], "\u202e[evil]\u202c"),
        ("\u2067a\u202bb", [(1, 2)], "\u2067[a]\u202bb\u202c\u2069"),
        ("\u2067a\u202bb\u2069\u202c", [], "\u2067a\u202bb\u2069\u202c"),
    ],
)
def test_matches_are_marked(text: str, ranges: list[tuple[int, int]], marked: str) -> None:
    assert Highlight(text, tuple(ranges)).marked("[", "]") == marked


def test_the_usual_marks_are_those_of_html() -> None:
    assert Highlight("a b", ((0, 1),)).marked() == "<mark>a</mark> b"


@given(
    text=st.text(max_size=30),
    ranges=st.lists(st.tuples(st.integers(-2, 32), st.integers(-2, 32)), max_size=5),
)
def test_nothing_but_the_text_and_pairs_of_marks_is_there(
    text: str, ranges: list[tuple[int, int]]
) -> None:
    marked = Highlight(text, tuple(ranges)).marked("<em>", "</em>")
    assert html.unescape(re.sub(r"</?em>", "", marked)).startswith(text)
    assert re.fullmatch(r"([^<>]*<em>[^<>]+</em>)*[^<>]*", marked)
