"""The keys of a call and of messages: what is refused, and where messages belong."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elasticsearch_chat_history._documents.keys import CallKey, MessageKeys, checked_keys


def test_a_call_has_one_key_a_key_for_each_message_or_none() -> None:
    assert checked_keys(None, None, 2) is None
    assert checked_keys("k", None, 2) == CallKey("k")
    assert checked_keys(None, iter(["a", "b"]), 2) == MessageKeys(("a", "b"))
    assert checked_keys(None, [], 0) == MessageKeys(())


@pytest.mark.parametrize(
    ("call", "messages", "error", "named"),
    [
        (5, None, TypeError, "idempotency_key must be a str, but is a int"),
        ("\ud800", None, ValueError, "idempotency_key must be valid Unicode"),
        ("k", ["a", "b"], ValueError, "either idempotency_key or message_keys"),
        (None, "ab", TypeError, "message_keys must be a list"),
        (None, 2, TypeError, "message_keys must be a list"),
        (None, ["a"], ValueError, "there are 1 keys and 2 messages"),
        (None, ["a", "a"], ValueError, "'a' is at positions 0 and 1"),
        (None, ["a", None], TypeError, r"message_keys\[1\] must be a str, but is a NoneType"),
        (None, ["a", "\udfff"], ValueError, r"message_keys\[1\] must be valid Unicode"),
    ],
)
def test_what_cannot_be_a_key_is_named(
    call: Any, messages: Any, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        checked_keys(call, messages, 2)


def test_an_id_depends_on_session_scope_and_kind_of_key() -> None:
    kinds = (MessageKeys(("k", "l")), CallKey("k"), CallKey("l"))
    places = [(session, scope) for session in "st" for scope in (None, "x", "y")]
    ids = [one for keys in kinds for place in places for one in keys.ids(*place, 2)]
    assert len(set(ids)) == len(kinds) * len(places) * 2
    assert (
        MessageKeys(("l", "k")).ids("s", None, 2)
        == MessageKeys(("k", "l")).ids("s", None, 2)[::-1]
    )


@given(
    st.dictionaries(st.integers(0, 9), st.integers(0, 20).map(lambda one: one * 500), min_size=1)
)
def test_moved_messages_are_in_order_and_move_no_more(found: dict[int, int]) -> None:
    keys = MessageKeys(())
    moved = {**found, **keys.moves(found)}
    assert list(moved) == list(found)
    in_order = [moved[position] for position in sorted(moved)]
    assert all(first < second for first, second in pairwise(in_order))
    assert keys.moves(moved) == {}
    # No message comes later than it was.
    assert all(moved[position] <= found[position] for position in found)
