"""Lists of sessions: the aggregations, and the summary of each session in the response."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Literal, cast

from elasticsearch_chat_history._arguments import checked_count
from elasticsearch_chat_history._documents.document import (
    EPOCH,
    MILLISECOND,
    stored_message_of,
    time_of,
)
from elasticsearch_chat_history._errors import UnreadableMessageError
from elasticsearch_chat_history._queries.cursors import cursor_of, values_in
from elasticsearch_chat_history._queries.selection import (
    MAX_HITS,
    STORED_MESSAGE_FIELDS,
    total_order,
)
from elasticsearch_chat_history._reporting import LOGGER
from elasticsearch_chat_history._results import SessionSummary, StoredMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from elasticsearch_chat_history._documents.document import Hit

SessionOrder = Literal["recent", "id"]
# The position of a session in the order "recent": smaller ones come first.
Position = tuple[int, str]

ORDERS = ("recent", "id")
# With two messages each, usually less than a megabyte.
SESSIONS_AT_ONCE = 500
# The first and the last message of a session.
MESSAGES_EACH = 2
# Keys are small; their number is bounded by `search.max_buckets`, 65,536.
KEYS_AT_ONCE = 10_000
# Which calls take the cursor of a session.
CURSOR = "session"
# Groups by session, in the order of the ids.
SOURCES = [{"session_id": {"terms": {"field": "session_id"}}}]


def checked_order(order: object) -> SessionOrder:
    """Return `order` if it is an order of sessions."""
    if order not in ORDERS:
        raise ValueError(f"order must be 'recent' or 'id', but is {order!r:.100}")
    return cast("SessionOrder", order)


def checked_page_limit(limit: object) -> int:
    """Return `limit` if one call may return so many sessions."""
    count = checked_count("limit", limit)
    if count > MAX_HITS:
        raise ValueError(
            f"limit must be at most {MAX_HITS}, but is {count}; get further sessions with after"
        )
    return count


def checked_after(after: object) -> Position | None:
    """Return the position of a session of the previous page, or of its cursor."""
    if after is None:
        return None
    if isinstance(after, SessionSummary):
        if after.last_at.utcoffset() is None:
            raise ValueError(
                "after must be a SessionSummary as it was listed: its last_at has no time zone"
            )
        if not after.cursor:
            return -((after.last_at - EPOCH) // MILLISECOND), after.session_id
        # The time itself, which `last_at` cannot tell outside the years 1 to 9999.
        after = after.cursor
    if not isinstance(after, str):
        raise TypeError(
            "after must be the last SessionSummary of the previous page or its cursor, "
            f"but is a {type(after).__name__}"
        )
    last_at, session_id = values_in(after, CURSOR, int, str)
    return -last_at, session_id


def keys_by_id(count: int, after: str | None) -> dict[str, Any]:
    """Return the aggregation that finds the next `count` sessions in the order of their ids.

    It is exact on any number of shards, and can continue after the last session:
    https://www.elastic.co/docs/reference/aggregations/search-aggregations-bucket-composite-aggregation
    """
    composite: dict[str, Any] = {"size": count, "sources": SOURCES}
    if after is not None:
        composite["after"] = {"session_id": after}
    return {"sessions": {"composite": composite}}


def summaries_by_id(count: int, after: str | None) -> dict[str, Any]:
    """Return the aggregation of the next `count` sessions with the values of their summaries."""
    return {"sessions": {**keys_by_id(count, after)["sessions"], "aggregations": _details()}}


def summaries_of(session_ids: Sequence[str]) -> dict[str, Any]:
    """Return the aggregation of these sessions, in a search that finds messages of no others."""
    # Exact on several shards, because each of them returns all.
    terms: dict[str, Any] = {"field": "session_id", "size": len(session_ids)}
    # For few messages of a large index, global ordinals would be most of the work.
    terms["execution_hint"] = "map"
    return {"sessions": {"terms": terms, "aggregations": _details()}}


def _details() -> dict[str, Any]:
    return {
        name: {
            "top_hits": {
                "size": 1,
                "sort": total_order(newest_first=name == "last"),
                "_source": {"includes": list(STORED_MESSAGE_FIELDS)},
            }
        }
        for name in ("first", "last")
    }


def recent_order() -> list[dict[str, Any]]:
    """Return the sort of messages that lists sessions by their last message, newest first."""
    created_at, *_ = total_order(newest_first=True)
    return [created_at, {"session_id": {"order": "asc"}}]


def newest_sessions(count: int) -> dict[str, Any]:
    """Return the aggregation of the `count` sessions with the newest messages, in `recent_order`.

    It is exact on several shards: the last message of a session is on one of them, which returns
    the session if it is among the newest of all.
    """
    order = [{"last": "desc"}, {"_key": "asc"}]
    return {
        "sessions": {
            "terms": {"field": "session_id", "size": count, "shard_size": count, "order": order},
            "aggregations": {"last": {"max": {"field": "created_at"}}},
        }
    }


def id_of(bucket: Mapping[str, Any]) -> str:
    """Return the id of a session of an answer."""
    key = bucket["key"]
    session_id: str = key if isinstance(key, str) else key["session_id"]
    return session_id


def hits_in(bucket: Mapping[str, Any]) -> tuple[Hit, Hit]:
    """Return the hits of the first and the last message of a session."""
    (first,) = bucket["first"]["hits"]["hits"]
    (last,) = bucket["last"]["hits"]["hits"]
    return first, last


def summary_of(bucket: Mapping[str, Any]) -> SessionSummary:
    """Return the summary of one session of an answer."""
    session_id = id_of(bucket)
    first, last = hits_in(bucket)
    last_at = int(last["sort"][0])
    return SessionSummary(
        session_id=session_id,
        message_count=int(bucket["doc_count"]),
        first_at=time_of(int(first["sort"][0])),
        last_at=time_of(last_at),
        last_message=_readable(last, session_id, "last"),
        first_message=_readable(first, session_id, "first"),
        cursor=cursor_of(CURSOR, last_at, session_id),
    )


def _readable(hit: Hit, session_id: str, which: str) -> StoredMessage | None:
    try:
        return stored_message_of(hit, session_id)
    except UnreadableMessageError as error:
        # One broken document must not make all sessions impossible to list.
        LOGGER.warning("A session is listed without its %s message: %s", which, error)
        return None


def positions_of(hits: Sequence[Hit]) -> list[Position]:
    """Return the positions of the sessions whose last messages these are, in `recent_order`."""
    return [(-int(hit["sort"][0]), hit["sort"][1]) for hit in hits]


def positions_in(sessions: Mapping[str, Any]) -> list[Position]:
    """Return the positions of the sessions in the answer to `newest_sessions`."""
    return [(-int(one["last"]["value"]), one["key"]) for one in sessions.get("buckets", [])]


def behind(positions: list[Position], after: Position | None) -> list[Position]:
    """Return the positions that come after that of a session when it was listed."""
    # Both sides compare ids by code points, which is also the order of their UTF-8.
    return positions if after is None else positions[bisect_right(positions, after) :]
