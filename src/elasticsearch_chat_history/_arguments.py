"""Checks of arguments: a clear error at once, before any request is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, TypeVar

from langchain_core.embeddings import Embeddings
from langchain_core.messages import BaseMessage

Refresh = bool | Literal["wait_for"]
Value = TypeVar("Value")

# Lucene's limit for a term, in bytes of UTF-8.
MAX_TERM_BYTES = 32_766
# https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-indices-create
MAX_INDEX_BYTES = 255
NOT_IN_AN_INDEX = frozenset(' \\/"<>|#')
NOT_FIRST_IN_AN_INDEX = ("-", "_", "+")


def checked_index(index: object) -> str:
    """Return `index` if it names exactly one index or alias."""
    name = checked_text("index", index)
    # HTTP clients remove "." and ".." from an address, which would then mean all indices.
    if name in {"_all", ".", ".."} or any(character in name for character in "*?,"):
        raise ValueError(
            f"index must name one index or alias, without '*', '?' or ',', but is {name!r:.300}"
        )
    # Date math stands for a name, as in "<chats-{now/d}>".
    if name.startswith("<") and name.endswith(">"):
        return name
    if NOT_IN_AN_INDEX.intersection(name) or name.startswith(NOT_FIRST_IN_AN_INDEX):
        raise ValueError(
            "index must name an index or alias, but Elasticsearch has none with a space or one of "
            f'\\ / " < > | # in its name, or one of - _ + at its start, and it is {name!r:.300}'
        )
    if not is_encodable(name) or len(name.encode()) > MAX_INDEX_BYTES:
        raise ValueError(
            f"index must be at most {MAX_INDEX_BYTES} bytes long in UTF-8, without lone "
            f"surrogates, but is {name!r:.300}"
        )
    return name


def check_missing_index(name: str) -> None:
    """Raise a ValueError if no index can have the name of one that does not exist.

    An alias can: its name may have upper case letters, so this is not known before.
    """
    if name != name.lower() and not name.startswith("<"):
        raise ValueError(
            f"index is {name!r:.300}, but there is no such alias, and the name of an index must "
            f"be in lower case: give {name.lower()!r:.300}, or the name of an alias that exists"
        )


def checked_text(name: str, value: object) -> str:
    """Return `value` if it is a text, and not an empty one."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, but is a {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def checked_session_id(session_id: object) -> str:
    """Return `session_id` if a session can have it; an empty one may come from others."""
    text = "" if session_id == "" else checked_text("session_id", session_id)
    if not is_encodable(text):
        raise ValueError(
            f"session_id must be valid Unicode without lone surrogates, but is {text!r:.100}"
        )
    size = len(text.encode())
    if size > MAX_TERM_BYTES:
        raise ValueError(
            f"session_id must be at most {MAX_TERM_BYTES} bytes long in UTF-8, but has {size}; "
            "use a hash of it"
        )
    return text


def checked_new_session_id(session_id: object) -> str:
    """Return `session_id` if it may get new messages; an empty one tells nobody apart."""
    checked_text("session_id", session_id)
    return checked_session_id(session_id)


def checked_limit(name: str, value: object) -> int | None:
    """Return `value` if it is None or a number of messages from 1 up."""
    if value is None:
        return None
    return checked_count(name, value)


def checked_count(name: str, value: object, *, least: int = 1) -> int:
    """Return `value` if it is a whole number from `least` up."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, but is a {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, but is {value}")
    return value


def checked_ttl(ttl: object) -> timedelta | None:
    """Return `ttl` if it is None or a positive timedelta."""
    if ttl is None:
        return None
    if not isinstance(ttl, timedelta):
        raise TypeError(f"ttl must be a datetime.timedelta, but is a {type(ttl).__name__}")
    if ttl <= timedelta(0):
        raise ValueError(f"ttl must be longer than zero, but is {ttl}")
    return ttl


def checked_refresh(refresh: object) -> Refresh:
    """Return `refresh` if it is one of Elasticsearch's three policies."""
    if isinstance(refresh, bool):
        return refresh
    if refresh == "wait_for":
        return "wait_for"
    raise ValueError(f"refresh must be True, False or 'wait_for', but is {refresh!r:.100}")


def checked_messages(messages: object) -> list[BaseMessage]:
    """Return the messages as a list, if all of them are messages."""
    # A message is itself iterable, by its fields.
    if isinstance(messages, (BaseMessage, str, Mapping)) or not isinstance(messages, Iterable):
        raise TypeError(
            f"messages must be a sequence of messages, but is a {type(messages).__name__}"
        )
    listed = list(messages)
    for position, message in enumerate(listed):
        if not isinstance(message, BaseMessage):
            raise TypeError(
                f"messages must hold LangChain messages only, but the one at position {position} "
                f"is a {type(message).__name__}; nothing is stored"
            )
    return listed


def checked_list(name: str, kind: str, values: object) -> list[Any]:
    """Return `values` as a list, if it is an iterable other than a text."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of {kind}, but is a {type(values).__name__}")
    return list(values)


def checked_message_ids(ids: object) -> list[str]:
    """Return the ids of messages as a list."""
    listed = checked_list("ids", "message ids", ids)
    for one in listed:
        if not isinstance(one, str):
            raise TypeError(
                f"ids must hold str only, but one is a {type(one).__name__}: use the id of a "
                "StoredMessage"
            )
    # No message has an id that cannot be sent.
    return [one for one in listed if is_encodable(one)]


def checked_embeddings(embeddings: object) -> Embeddings | None:
    """Return `embeddings` if it is None or a LangChain embedding model."""
    if embeddings is None or isinstance(embeddings, Embeddings):
        return embeddings
    raise TypeError(
        "embeddings must be a langchain_core.embeddings.Embeddings, but is a "
        f"{type(embeddings).__name__}"
    )


def either(name: str, value: Value | None, old_name: str, old_value: Value | None) -> Value | None:
    """Return the value of an argument that has an older name, too."""
    if value is None:
        return old_value
    if old_value is not None and old_value is not value and old_value != value:
        raise ValueError(f"{name} and {old_name} are two names of one argument: give one of them")
    return value


def is_encodable(text: str) -> bool:
    """Tell whether `text` can be written as UTF-8, that is, holds no lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def encodable(text: str) -> str:
    """Return `text` with each lone surrogate replaced, as it cannot be sent."""
    return text if is_encodable(text) else text.encode("utf-8", "replace").decode()
