"""JSON is written and read faster than `json` does it, and means the same."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from elasticsearch_chat_history._documents import json_text
from elasticsearch_chat_history._documents.json_text import compact_json, json_value

# Lone surrogates and integers of any size, which the faster ones refuse or would change.
TEXTS = st.text(st.characters(), max_size=20)
ENCODABLE = st.text(max_size=20)
INTEGERS = st.integers() | st.integers(min_value=-(2**70), max_value=2**70)


def values(texts: st.SearchStrategy[str], *, finite: bool) -> st.SearchStrategy[Any]:
    numbers = INTEGERS | st.floats(allow_nan=False, allow_infinity=not finite)
    return st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=20,
    )


@given(values(TEXTS, finite=False))
@example("\ud800")
@example(2**64)
@example(-(2**63) - 1)
@example([1e400, -0.0])
def test_a_text_has_the_value_that_json_reads(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1)):
        assert repr(json_value(text)) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["", "nan", "[1,]", "01", '"\t"', "[1] x", "{1: 2}", "'a'"])
def test_what_json_refuses_is_refused(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json_value(text)


@pytest.mark.parametrize("value", [None, 5, {}])
def test_what_is_no_text_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        json_value(value)


@pytest.mark.parametrize("with_orjson", [True, False])
@given(value=values(ENCODABLE, finite=True))
def test_a_line_has_the_value_and_no_line_break(value: Any, with_orjson: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not with_orjson:
            patch.setattr(json_text, "fast_dumps", refuse)
        line = compact_json(value)
    assert repr(json.loads(line)) == repr(value)
    assert b"\n" not in line


def refuse(_: object) -> bytes:
    raise TypeError
