"""Filters of messages: the query clauses that searches, counts and deletions share."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._arguments import checked_list, checked_session_id
from elasticsearch_chat_history._documents.document import (
    CHUNKS,
    EPOCH,
    MILLISECOND,
    READABLE_TYPES,
)
from elasticsearch_chat_history._documents.metadata import checked_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

Clauses = list[dict[str, Any]]

# The default of `index.max_terms_count`.
MAX_TERMS = 65_536
# Well below the default of `http.max_content_length`, 100 MB.
MAX_TERMS_BYTES = 16_000_000


def session_filters(session_ids: object) -> Clauses:
    """Return the clauses that find messages of these sessions; None finds those of all."""
    ids = checked_session_ids(session_ids)
    return [] if ids is None else [{"terms": {"session_id": ids}}]


def prefix_filters(prefix: object) -> Clauses:
    """Return the clauses that find messages of sessions whose id begins with `prefix`."""
    if prefix is None:
        return []
    if not isinstance(prefix, str):
        raise TypeError(f"prefix must be a str, but is a {type(prefix).__name__}")
    # Not `checked_session_id`: a prefix need not be a valid id.
    return [{"prefix": {"session_id": prefix}}] if prefix else []


def time_filters(
    *, since: object = None, until: object = None, ttl: timedelta | None = None
) -> Clauses:
    """Return the clauses that find messages from `since` on, before `until`, within `ttl`."""
    begin, end = checked_time("since", since), checked_time("until", until)
    return time_range(gte=later_of(begin, ttl), lt=end)


def age_filters(older_than: object) -> Clauses:
    """Return the clause that finds messages from before a time, or older than an age."""
    if isinstance(older_than, timedelta):
        if older_than <= timedelta(0):
            raise ValueError(f"older_than must be longer than zero, but is {older_than}")
        before: int | None = milliseconds_now() - older_than // MILLISECOND
    elif isinstance(older_than, datetime):
        before = checked_time("older_than", older_than)
    else:
        raise TypeError(
            "older_than must be a datetime.timedelta or a datetime.datetime, "
            f"but is a {type(older_than).__name__}"
        )
    return time_range(lt=before)


def later_of(begin: int | None, ttl: timedelta | None) -> int | None:
    """Return the later of `begin` and the time since which messages are within `ttl`."""
    if ttl is None:
        return begin
    oldest = milliseconds_now() - ttl // MILLISECOND
    return oldest if begin is None else max(begin, oldest)


def time_range(**bounds: int | None) -> Clauses:
    """Return the clause that finds messages by their time in milliseconds; none without bounds.

    Args:
        bounds: Times by the parameters of a range query, such as `gte` and `lt`.
    """
    given = {bound: time for bound, time in bounds.items() if time is not None}
    return [{"range": {"created_at": {**given, "format": "epoch_millis"}}}] if given else []


def milliseconds_now() -> int:
    """Return the current time in milliseconds since 1970, as in `created_at`."""
    return time.time_ns() // 1_000_000


def message_filters(
    *,
    session_ids: Sequence[str] | None = None,
    prefix: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    ttl: timedelta | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Clauses:
    """Return the clauses of all filters that are given; none if none is."""
    return [
        *session_filters(session_ids),
        *prefix_filters(prefix),
        *time_filters(since=since, until=until, ttl=ttl),
        *metadata_filters(metadata),
    ]


def metadata_filters(metadata: object, *, deleting: bool = False) -> list[dict[str, Any]]:
    """Return the clauses that find messages with all of these keys and values.

    A list matches any of its values; None matches messages without the key.

    Args:
        metadata: The keys and values; None finds all messages.
        deleting: Whether what is found will be deleted: then None is refused as a value. It is
            what a failed look-up returns, and would find all messages of langchain-elasticsearch.

    Raises:
        TypeError: It is not a mapping.
        ValueError: A key or value is one that no message can have, or a list is empty.
    """
    leaves = _leaves(checked_metadata(metadata) or {}, "metadata")
    for path, values in leaves:
        if deleting and None in values:
            raise ValueError(
                f"{path!r:.100} must not be None for a deletion: it would remove all messages "
                "without this key, also those of langchain-elasticsearch"
            )
    return [_clause(path, values) for path, values in leaves]


def portions_of(
    session_ids: Sequence[str], most: int = MAX_TERMS, most_bytes: int = MAX_TERMS_BYTES
) -> Iterator[list[str]]:
    """Yield all of these ids once, in lists that each fit a terms query."""
    portion: list[str] = []
    room = most_bytes
    for session_id in dict.fromkeys(session_ids):
        size = len(session_id.encode())
        if portion and (len(portion) == most or size > room):
            yield portion
            portion, room = [], most_bytes
        portion.append(session_id)
        room -= size
    if portion:
        yield portion


def checked_session_ids(session_ids: object) -> list[str] | None:
    """Return the ids as a list, or None if it is None."""
    if session_ids is None:
        return None
    listed = checked_list("session_ids", "session ids", session_ids)
    return [checked_session_id(session_id) for session_id in listed]


def checked_types(types: object) -> list[str] | None:
    """Return the types of messages as a list, or None if it is None."""
    if types is None:
        return None
    listed = checked_list("types", "message types", types)
    for one in listed:
        if one not in READABLE_TYPES:
            known = ", ".join(sorted(READABLE_TYPES))
            raise ValueError(f"types must be some of {known}, but one is {one!r:.100}")
    if not listed:
        raise ValueError("types must name at least one message type")
    return listed


def with_chunks(types: list[str] | None) -> list[str] | None:
    """Return the types with those that the same messages have as parts of a streamed answer."""
    if types is None:
        return None
    chunks = [CHUNKS[one] for one in types if one in CHUNKS]
    return list(dict.fromkeys([*types, *chunks]))


def maybe_of_types(types: Sequence[str] | None, *, or_id: str | None = None) -> Clauses:
    """Return the clauses that find messages of these types, and all whose type is not stored.

    Args:
        types: The types; None finds all.
        or_id: The id of a document to find in any case.
    """
    if types is None:
        return []
    unknown = {"bool": {"must_not": {"exists": {"field": "type"}}}}
    found: Clauses = [{"terms": {"type": list(types)}}, unknown]
    if or_id is not None:
        found.append({"ids": {"values": [or_id]}})
    return [{"bool": {"should": found}}]


def checked_time(name: str, time: object) -> int | None:
    """Return a time as the milliseconds that `created_at` counts, or None if it is None."""
    if time is None:
        return None
    if not isinstance(time, datetime):
        raise TypeError(f"{name} must be a datetime.datetime, but is a {type(time).__name__}")
    if time.utcoffset() is None:
        raise ValueError(
            f"{name} must have a time zone: add one to {time.isoformat()}, "
            "such as tzinfo=datetime.timezone.utc"
        )
    # With integers: a float would make some times a millisecond later.
    return -((EPOCH - time) // MILLISECOND)


def _leaves(mapping: Mapping[str, Any], path: str) -> list[tuple[str, list[Any]]]:
    leaves: list[tuple[str, list[Any]]] = []
    for key, value in mapping.items():
        below = f"{path}.{key}"
        if isinstance(value, dict):
            if not value:
                raise ValueError(f"{below!r:.100} must have at least one value to look for")
            leaves += _leaves(value, below)
        else:
            leaves.append((below, value if isinstance(value, list) else [value]))
    return leaves


def _clause(path: str, values: list[Any]) -> dict[str, Any]:
    if not values:
        raise ValueError(f"{path!r:.100} must have at least one value to look for")
    if any(isinstance(value, (list, dict)) for value in values):
        raise ValueError(f"{path!r:.100} must be a value or a list of values to look for")
    clauses: list[dict[str, Any]] = []
    terms = [_term(value) for value in values if value is not None]
    if terms:
        clauses.append({"terms": {path: terms}})
    if None in values:
        clauses.append({"bool": {"must_not": {"exists": {"field": path}}}})
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses}}


def _term(value: object) -> str:
    # A `flattened` field indexes values that are not strings as the text of their JSON.
    return value if isinstance(value, str) else json.dumps(value)
