"""Errors say what to do, and survive pickling."""

import copy
import pickle

import pytest

from elasticsearch_chat_history import (
    ChatHistoryError,
    IndexMappingError,
    MessagesNotStoredError,
    SessionExistsError,
    UnreadableMessageError,
)

ERRORS = [
    ChatHistoryError("closed"),
    MessagesNotStoredError("chats", "s", {1: "cluster_block_exception (429)", 3: "b"}, [0, 2]),
    MessagesNotStoredError("chats", "s", {0: "a"}),
    UnreadableMessageError("d", "s", "it is not JSON"),
    IndexMappingError("chats", {"session_id": ("text", "keyword")}),
    SessionExistsError("chats", "s"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling(error: ChatHistoryError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  # our own bytes
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_can_be_copied(error: ChatHistoryError) -> None:
    assert vars(copy.copy(error)) == vars(error)


def test_all_errors_have_one_base() -> None:
    assert all(isinstance(error, ChatHistoryError) for error in ERRORS)


def test_messages_that_are_not_stored_are_told_with_the_reason() -> None:
    error = MessagesNotStoredError("chats", "s", {1: "because", 3: "therefore"}, [0, 2])
    assert str(error).startswith("2 of 4 messages are not stored in index 'chats', session 's'")
    assert "1: because; 3: therefore" in str(error)
    assert error.stored == (0, 2)
    assert error.reasons == {1: "because", 3: "therefore"}


def test_many_messages_that_are_not_stored_keep_the_text_short() -> None:
    error = MessagesNotStoredError("chats", "s", dict.fromkeys(range(1000), "because"))
    assert "and 997 more" in str(error)
    assert len(str(error)) < 400
    assert len(error.reasons) == 1000


def test_an_unreadable_document_is_named() -> None:
    error = UnreadableMessageError("d1", "s1", "it has no history field")
    assert "'d1' of session 's1'" in str(error)
    assert "Correct or delete" in str(error)


def test_a_wrong_mapping_comes_with_the_way_out() -> None:
    error = IndexMappingError("chats", {"session_id": ("text", "keyword")})
    assert "field 'session_id' is text, but must be keyword" in str(error)
    assert "create_if_missing()" in str(error)
    assert "_reindex" in str(error)
