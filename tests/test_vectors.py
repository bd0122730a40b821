"""What of a model's answer can be stored as a vector."""

from array import array
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history._bulk import Failure
from elasticsearch_chat_history._documents import documents_of
from elasticsearch_chat_history._mapping import IndexLayout
from elasticsearch_chat_history._vectors import (
    EMBEDDED_AT_ONCE,
    MAX_DIMENSIONS,
    UnusableVectorError,
    batches_of,
    checked_answer,
    checked_vector,
    positions_to_embed,
    refused_with_vector,
    with_each,
    without_vectors,
)

SECRET = "the text of the message"


@pytest.mark.parametrize(
    "vector",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        array("f", [1.0, 2.0, 3.0]),
        array("b", [1, 2, 3]),
        [Decimal(1), Fraction(2), True + 2],
        (float(number) for number in range(1, 4)),
    ],
    ids=["int", "tuple", "float32", "int8", "exact", "generator"],
)
def test_all_kinds_of_numbers_become_plain_floats(vector: Any) -> None:
    checked = checked_vector(vector)
    assert checked == [1.0, 2.0, 3.0]
    assert {type(number) for number in checked} == {float}


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([], "of 0 dimensions"),
        ([0.1] * (MAX_DIMENSIONS + 1), f"of {MAX_DIMENSIONS + 1} dimensions"),
        ([0.0] * 3, "zero or not finite"),
        # Zero and infinite in the 32 bits in which Elasticsearch computes.
        ([1e-30] * 3, "zero or not finite"),
        ([1e30] * 3, "zero or not finite"),
        ([1.0, float("nan")], "zero or not finite"),
        ([1.0, float("-inf")], "zero or not finite"),
        ([10**400], "not a list of numbers"),
        (None, "not a list of numbers"),
        (1.0, "not a list of numbers"),
        ([1.0, None], "not a list of numbers"),
        ([SECRET], "not a list of numbers"),
        (SECRET, "not a list of numbers"),
        ([[1.0, 2.0]], "not a list of numbers"),
    ],
)
def test_what_no_index_takes_is_told(vector: Any, reason: str) -> None:
    with pytest.raises(UnusableVectorError, match=reason) as caught:
        checked_vector(vector)
    assert SECRET not in str(caught.value)


def test_as_many_dimensions_as_an_index_takes_are_fine() -> None:
    assert len(checked_vector([0.1] * MAX_DIMENSIONS)) == MAX_DIMENSIONS


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0]] * 3])
def test_another_number_of_vectors_belongs_to_no_text(vectors: list[list[float]]) -> None:
    with pytest.raises(UnusableVectorError, match=f"2 texts has {len(vectors)} vectors"):
        checked_answer(vectors, 2)


def test_blank_texts_are_not_asked_about() -> None:
    assert positions_to_embed(["a", "", " \n\t", "b"]) == [0, 3]


def test_many_texts_are_asked_about_in_parts() -> None:
    parts = list(batches_of(range(2 * EMBEDDED_AT_ONCE + 1)))
    assert [len(part) for part in parts] == [EMBEDDED_AT_ONCE, EMBEDDED_AT_ONCE, 1]
    assert [position for part in parts for position in part] == [*range(2 * EMBEDDED_AT_ONCE + 1)]
    assert list(batches_of([])) == []


def test_documents_get_and_lose_vectors_in_their_place() -> None:
    plain = documents_of([HumanMessage(text) for text in "abc"], "s", [1, 2, 3])
    full = with_each(plain, {0: [1.0], 2: [3.0]})
    assert [document.vector for document in full] == [[1.0], None, [3.0]]
    assert [document.id for document in full] == [document.id for document in plain]
    bare = without_vectors(full, [2])
    assert [document.vector for document in bare] == [[1.0], None, None]
    assert without_vectors(full, [0, 2]) == plain


def test_only_what_went_out_with_a_vector_and_was_refused_may_go_without() -> None:
    plain = documents_of([HumanMessage(text) for text in "abc"], "s", [1, 2, 3])
    full = with_each(plain, {0: [1.0], 1: [2.0]})
    failures = {
        0: Failure("document_parsing_exception (400)", refused=True),
        1: Failure("es_rejected_execution_exception (429)", retriable=True),
        2: Failure("document_parsing_exception (400)", refused=True),
    }
    layout = IndexLayout(complete=True, vectors=True)
    assert refused_with_vector(full, failures, layout) == [0]
    assert refused_with_vector(full, failures, IndexLayout(complete=True)) == []
