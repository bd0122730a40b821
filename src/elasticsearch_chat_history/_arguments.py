"""Checks of what callers give: a clear error at once, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypeVar

from langchain_core.messages import BaseMessage

Refresh = bool | Literal["wait_for"]
Value = TypeVar("Value")

# Lucene's limit of a term, in bytes of UTF-8; for a flattened field the key counts, too.
MAX_TERM_BYTES = 32_766
# The `depth_limit` that a flattened field has unless the mapping says otherwise.
MAX_METADATA_DEPTH = 20


def checked_index(index: object) -> str:
    """Return `index` if it names exactly one index or alias."""
    name = checked_text("index", index)
    # HTTP clients take "." and ".." out of an address, which would leave a search of all indices.
    if name in {"_all", ".", ".."} or any(character in name for character in "*?,"):
        raise ValueError(
            f"index must name one index or alias, without '*', '?' or ',', but is {name!r}"
        )
    return name


def checked_text(name: str, value: object) -> str:
    """Return `value` if it is a text, and not an empty one."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, but is a {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def checked_session_id(session_id: object) -> str:
    """Return `session_id` if Elasticsearch can keep it as one exact term."""
    text = checked_text("session_id", session_id)
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
        raise ValueError(f"ttl must be longer than nothing, but is {ttl}")
    return ttl


def checked_refresh(refresh: object) -> Refresh:
    """Return `refresh` if it is one of Elasticsearch's three policies."""
    if isinstance(refresh, bool):
        return refresh
    if refresh == "wait_for":
        return "wait_for"
    raise ValueError(f"refresh must be True, False or 'wait_for', but is {refresh!r:.100}")


def checked_idempotency_key(key: object) -> str | None:
    """Return `key` if it is None or a text that can be part of an id."""
    if key is None:
        return None
    text = checked_text("idempotency_key", key)
    if not is_encodable(text):
        raise ValueError("idempotency_key must be valid Unicode without lone surrogates")
    return text


def checked_messages(messages: object) -> list[BaseMessage]:
    """Return the messages as a list, if all of them are messages."""
    # A message is iterable itself, by its fields.
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


def checked_metadata(metadata: object) -> dict[str, Any] | None:
    """Return `metadata` if a `flattened` field can hold it.

    Its limits: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/flattened
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a mapping, but is a {type(metadata).__name__}")
    return _plain_mapping(metadata, path="", depth=1) or None


def either(name: str, value: Value | None, old_name: str, old_value: Value | None) -> Value | None:
    """Return the one that is given of an argument and its older name."""
    if value is None:
        return old_value
    if old_value is not None and old_value is not value and old_value != value:
        raise ValueError(f"{name} and {old_name} are two names of one argument: give one of them")
    return value


def is_encodable(text: str) -> bool:
    """Tell whether `text` can be written as UTF-8, that is, holds no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# What is returned is a copy of plain dicts and lists: json writes no other mappings, and what the
# caller does to the original later must not reach what was checked.
def _plain_mapping(mapping: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    if depth > MAX_METADATA_DEPTH:
        raise ValueError(f"metadata must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    plain = {}
    for key, value in mapping.items():
        if not isinstance(key, str) or not key:
            raise ValueError("metadata must have non-empty str keys only")
        if "\0" in key or not is_encodable(key):
            raise ValueError(
                f"metadata key {key!r:.100} holds a character that Elasticsearch refuses"
            )
        plain[key] = _plain_value(value, f"{path}.{key}" if path else key, depth)
    return plain


def _plain_value(value: object, path: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, depth + 1)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        return [_plain_value(item, path, depth) for item in value]
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise ValueError(
            f"metadata {path!r:.100} must be JSON, but holds a {type(value).__name__}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"metadata {path!r:.100} must be JSON, but holds {value}")
    if isinstance(value, str) and not is_encodable(value):
        raise ValueError(f"metadata {path!r:.100} must be valid Unicode without lone surrogates")
    if len(f"{path}\0{value}".encode()) > MAX_TERM_BYTES:
        raise ValueError(
            f"metadata {path!r:.100} is longer than {MAX_TERM_BYTES} bytes with its key"
        )
    return value
