"""Cursors: texts that hold a position, and nothing that can be changed unseen."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticsearch_chat_history._queries.cursors import cursor_of, values_in

CURSOR = cursor_of("session", 1_700_000_000_123, "s 1/ä")


@given(st.integers(), st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_a_position_comes_back(time: int, text: str, score: float) -> None:
    cursor = cursor_of("hit", time, text, score)
    assert values_in(cursor, "hit", int, str, float) == [time, text, score]
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()


def test_a_cursor_of_other_calls_is_refused() -> None:
    with pytest.raises(ValueError, match="of other calls: 'session' instead of 'hit'"):
        values_in(CURSOR, "hit", int, str)
    with pytest.raises(ValueError, match="of other calls"):
        values_in(CURSOR, "session", str, int)


@pytest.mark.parametrize("at", range(len(CURSOR)))
def test_a_changed_or_cut_cursor_is_refused(at: int) -> None:
    other = "A" if CURSOR[at] != "A" else "B"
    for changed in (CURSOR[:at] + other + CURSOR[at + 1 :], CURSOR[:at], CURSOR[:at] + "\n"):
        with pytest.raises(ValueError, match="no cursor: it was changed or cut"):
            values_in(changed, "session", int, str)


@pytest.mark.parametrize(
    "made_up",
    [
        *("", "s 1", "ä", "=", "A" * 1_000_000, f"{CURSOR}=", f"{CURSOR} "),
        base64.urlsafe_b64encode(b"123456" + b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b'123456["session",1,"s"]').decode(),
        base64.urlsafe_b64encode(b"123456{}").decode(),
    ],
)
def test_a_text_that_is_no_cursor_is_refused(made_up: Any) -> None:
    with pytest.raises(ValueError, match="no cursor: it was changed or cut"):
        values_in(made_up, "session", int, str)
