"""What a process knows of indices."""

import time

import pytest

from elasticsearch_chat_history._documents.fields import IndexLayout
from elasticsearch_chat_history._requests import known_indices
from elasticsearch_chat_history._requests.known_indices import KnownIndices


@pytest.fixture
def layout() -> IndexLayout:
    return IndexLayout(complete=True)


@pytest.fixture
def indices(layout: IndexLayout) -> KnownIndices:
    """Indices of which one is known."""
    known = KnownIndices()
    known.remember("index", layout)
    return known


def test_only_the_layout_that_proved_wrong_is_forgotten(
    indices: KnownIndices, layout: IndexLayout
) -> None:
    fresh = IndexLayout(complete=True)
    indices.remember("index", fresh)
    assert not indices.forget("index", layout)
    assert indices.layout("index") is fresh
    assert indices.forget("index", fresh)
    assert indices.layout("index") is None


def test_an_empty_index_is_another_once_documents_were_stored(
    indices: KnownIndices, layout: IndexLayout
) -> None:
    assert not indices.may_be_another("index", layout)
    assert indices.may_be_another("index", layout)
    indices.remember("index", layout)
    assert not indices.may_be_another("index", layout)
    assert not indices.may_be_another("index", IndexLayout(complete=True))


def test_an_empty_index_may_be_another_a_while_after_the_look(
    indices: KnownIndices, layout: IndexLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_indices, "FRESH_SECONDS", -1.0)
    assert indices.may_be_another("index", layout)


def test_one_caller_looks_again_after_a_while(
    indices: KnownIndices, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    assert not indices.is_to_be_looked_at_again("index")
    assert not indices.is_to_be_looked_at_again("unknown")
    later = now + known_indices.LOOK_AGAIN_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert indices.is_to_be_looked_at_again("index")
    assert not indices.is_to_be_looked_at_again("index")


def test_a_line_is_new_once_for_each_index(indices: KnownIndices) -> None:
    new = [indices.is_new_in_log(*line) for line in ["ab", "ab", "ac", "bb"]]
    assert new == [True, False, True, True]
