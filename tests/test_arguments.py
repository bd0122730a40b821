"""Checks of what callers give; what the classes refuse is shown with them."""

from datetime import timedelta
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history._arguments import (
    MAX_TERM_BYTES,
    checked_count,
    checked_index,
    checked_limit,
    checked_messages,
    checked_refresh,
    checked_session_id,
    checked_ttl,
    either,
    encodable,
    is_encodable,
)


@pytest.mark.parametrize(
    "name",
    [
        "chats",
        "chats-2026.01",
        ".hidden",
        "a..b",
        "<chats-{now/d}>",
        "remote:chats",
        "An-Alias",
        "ä" * 127,
        "チャット",
    ],
)
def test_a_name_of_one_index_is_taken(name: str) -> None:
    assert checked_index(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "*", "a*", "a?", "a,b", "_all", ".", "..", "-a", "_a", "+a"),
        *("session 1", " ", "a/b", "a\\b", 'a"b', "a<b", "a>b", "a|b", "a#b"),
        *("a" * 256, "ä" * 128, "\ud800"),
    ],
)
def test_a_name_of_no_index_or_several_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="index"):
        checked_index(name)


def test_a_session_id_may_be_as_long_as_a_term() -> None:
    assert checked_session_id("s" * MAX_TERM_BYTES)
    assert checked_session_id("ä" * (MAX_TERM_BYTES // 2))
    with pytest.raises(ValueError, match="has 32767; use a hash"):
        checked_session_id("s" * (MAX_TERM_BYTES + 1))


def test_numbers_are_checked_by_kind_and_size() -> None:
    assert checked_limit("limit", None) is None
    assert checked_limit("limit", 1) == 1
    assert checked_count("retries", 0, least=0) == 0
    with pytest.raises(ValueError, match="limit must be at least 1, but is 0"):
        checked_limit("limit", 0)
    for wrong in (True, 1.0, "1"):
        with pytest.raises(TypeError, match="limit must be a whole number"):
            checked_limit("limit", wrong)


def test_a_ttl_is_a_positive_timedelta() -> None:
    assert checked_ttl(None) is None
    assert checked_ttl(timedelta(milliseconds=1)) == timedelta(milliseconds=1)


@pytest.mark.parametrize("refresh", [True, False, "wait_for"])
def test_the_three_refresh_policies_are_taken(refresh: Any) -> None:
    assert checked_refresh(refresh) is refresh


@pytest.mark.parametrize("refresh", [None, "true", "", 1, 0])
def test_another_refresh_policy_is_refused(refresh: Any) -> None:
    with pytest.raises(ValueError, match="refresh must be True, False or 'wait_for'"):
        checked_refresh(refresh)


def test_messages_may_come_from_any_iterable() -> None:
    message = HumanMessage("a")
    assert checked_messages((message,)) == checked_messages(iter([message])) == [message]
    assert checked_messages([]) == []


def test_an_argument_goes_by_either_of_its_names() -> None:
    assert either("new", None, "old", None) is None
    assert either("new", 1, "old", None) == 1
    assert either("new", None, "old", 2) == 2
    assert either("new", 3, "old", 3) == 3
    assert either("new", False, "old", None) is False
    with pytest.raises(ValueError, match="new and old are two names of one argument"):
        either("new", 1, "old", 2)
    with pytest.raises(ValueError, match="new and old"):
        either("new", False, "old", True)


def test_lone_surrogates_cannot_be_encoded() -> None:
    assert is_encodable("🌍")
    assert not is_encodable("\ud83c")
    assert encodable("a\ud83cb") == "a?b"
    assert encodable("🌍") == "🌍"
