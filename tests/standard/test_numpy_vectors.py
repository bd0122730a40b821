"""What embedding models return that compute with numpy is stored as plain numbers."""

from typing import Any

import numpy as np
import pytest

from elasticsearch_chat_history._documents.vectors import checked_answer, checked_vector


@pytest.mark.parametrize(
    "vector",
    [
        np.array([1.0, 2.0, 3.0], dtype=np.float32),
        list(np.array([1.0, 2.0, 3.0], dtype=np.float16)),
        np.array([1, 2, 3], dtype=np.int8),
    ],
    ids=["array", "float16", "int8"],
)
def test_its_numbers_become_plain_floats(vector: Any) -> None:
    checked = checked_vector(vector)
    assert checked == [1.0, 2.0, 3.0]
    assert {type(number) for number in checked} == {float}


def test_a_matrix_is_a_list_of_vectors() -> None:
    first, second = checked_answer(np.eye(2), 2)
    assert checked_vector(first) == [1.0, 0.0]
    assert checked_vector(second) == [0.0, 1.0]
