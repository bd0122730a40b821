"""What of a model's answer can be stored as a vector."""

import math
from array import array
from collections.abc import Collection
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history._documents.document import documents_of
from elasticsearch_chat_history._documents.fields import IndexLayout
from elasticsearch_chat_history._documents.vectors import (
    EMBEDDED_AT_ONCE,
    MAX_DIMENSIONS,
    MAX_FAILURES_IN_A_ROW,
    EmbeddingBatches,
    UnusableVectorError,
    checked_answer,
    checked_vector,
    positions_to_embed,
    with_each,
    without_vectors,
)
from elasticsearch_chat_history._requests.bulk import refused_with_vector
from elasticsearch_chat_history._requests.failures import Failure

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


def ask(texts: int, *, refused: Collection[int]) -> tuple[list[int], list[int], int]:
    """Ask a model that fails where one text of a batch is refused.

    Returns the positions that have their vector, the lengths of the batches, and how many texts
    were given up.
    """
    found: list[int] = []
    lengths: list[int] = []
    given_up = 0
    batches = EmbeddingBatches(range(texts))
    for batch in batches:
        lengths.append(len(batch))
        if any(position in refused for position in batch):
            given_up += batches.failed(batch)
        else:
            batches.answered()
            found += batch
    assert len(found) + given_up == texts
    return found, lengths, given_up


def test_many_texts_are_asked_about_in_parts() -> None:
    found, lengths, _ = ask(2 * EMBEDDED_AT_ONCE + 1, refused=())
    assert lengths == [EMBEDDED_AT_ONCE, EMBEDDED_AT_ONCE, 1]
    assert found == [*range(2 * EMBEDDED_AT_ONCE + 1)]
    assert ask(0, refused=()) == ([], [], 0)


@pytest.mark.parametrize("texts", [1, 2, 3, EMBEDDED_AT_ONCE, 3 * EMBEDDED_AT_ONCE])
@pytest.mark.parametrize("place", [0.0, 0.4, 1.0])
def test_a_refused_text_costs_no_vector_but_its_own(texts: int, place: float) -> None:
    _, lengths, given_up = ask(texts, refused={round(place * (texts - 1))})
    assert given_up == 1
    assert len(lengths) <= 3 + 2 * math.log2(EMBEDDED_AT_ONCE)


def test_failures_of_long_ago_are_not_in_a_row() -> None:
    refused = range(0, 100 * EMBEDDED_AT_ONCE, 2 * EMBEDDED_AT_ONCE)
    _, _, given_up = ask(100 * EMBEDDED_AT_ONCE, refused=refused)
    assert given_up == len(refused)


@pytest.mark.parametrize("texts", [1, 2, 100, 10_000])
def test_a_model_out_of_order_is_soon_asked_no_more(texts: int) -> None:
    found, lengths, _ = ask(texts, refused=range(texts))
    assert found == []
    assert len(lengths) <= MAX_FAILURES_IN_A_ROW


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
