"""The queries, sorts and page sizes of searches for messages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._documents.fields import VECTOR
from elasticsearch_chat_history._documents.sequence import seq_of
from elasticsearch_chat_history._queries.filters import later_of, time_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from elasticsearch_chat_history._documents.document import Document, Hit
    from elasticsearch_chat_history._queries.filters import Clauses

# The default of `index.max_result_window`.
MAX_HITS = 10_000
# Enough to read most sessions with one request, and usually some hundred kilobytes.
PAGE_SIZE = 1_000
# Between two pages; the caller may need time for each message.
PIT_KEEP_ALIVE = "5m"
# All that a message needs; `content` would send its text a second time.
MESSAGE_FIELDS = ("history",)
# A routing value is part of the address of a request, whose length is limited.
MAX_ROUTING_LENGTH = 512
COPIED_FIELDS = ("history", "session_id", "metadata", VECTOR)
# A document without these is not ours. If all have them, the filters cost nothing.
MESSAGE_FILTERS = [{"exists": {"field": field}} for field in ("session_id", "created_at")]
STORED_MESSAGE_FIELDS = ("history", "session_id", "metadata")


@dataclass(frozen=True)
class Place:
    """Where a document is in the total order.

    Attributes:
        time: Its `created_at` in milliseconds.
        seq: Its `seq`; None if it has none.
        seq_no: Its `_seq_no`, which orders those without `seq`.
    """

    time: int
    seq: int | None
    seq_no: int = 0

    @classmethod
    def of(cls, hit: Hit) -> Place:
        """Return the place of a hit in the total order."""
        time, _, seq_no, *_ = hit["sort"]
        return cls(int(time), seq_of(hit), int(seq_no))


@dataclass(frozen=True)
class Selection:
    """Which documents to read, in which order, and with which fields.

    Attributes:
        query: The query that finds them.
        order: The sort.
        fields: The fields of their source to return.
        routing: Their routing value; None searches all shards.
    """

    query: dict[str, Any]
    order: list[dict[str, Any]]
    fields: tuple[str, ...] = STORED_MESSAGE_FIELDS
    routing: str | None = None


def session_query(
    session_id: str, ttl: timedelta | None = None, since: int | None = None
) -> dict[str, Any]:
    """Return the query that finds the messages of one session.

    Args:
        session_id: The session.
        ttl: The age of the oldest messages to find.
        since: The time of the oldest messages to find, in milliseconds.
    """
    session = {"term": {"session_id": session_id}}
    return {"bool": {"filter": [session, *time_range(gte=later_of(since, ttl))]}}


def ids_query(session_id: str, ids: Sequence[str]) -> dict[str, Any]:
    """Return the query that finds those messages of a session that have these ids."""
    return {"bool": {"filter": [{"term": {"session_id": session_id}}, {"ids": {"values": ids}}]}}


def older_query(session_id: str, documents: Sequence[Document]) -> dict[str, Any]:
    """Return the query that finds the messages of a session that come before `documents`."""
    first = documents[0]
    # Those without seq are ordered by their time, which the first of the new ones may share.
    same_time = [document.id for document in documents if document.time == first.time]
    without_seq = {
        "filter": time_range(lte=first.time),
        "must_not": [{"exists": {"field": "seq"}}, {"ids": {"values": same_time}}],
    }
    before = [{"range": {"seq": {"lt": first.seq}}}, {"bool": without_seq}]
    return {
        "bool": {"filter": [{"term": {"session_id": session_id}}, {"bool": {"should": before}}]}
    }


def before_filters(place: Place, *, with_it: bool = False) -> Clauses:
    """Return the clauses that find what comes before a place in the total order.

    Args:
        place: The place.
        with_it: Whether to find what is there, too.
    """
    bound = "lte" if with_it else "lt"
    without_seq: dict[str, Any] = {"must_not": {"exists": {"field": "seq"}}}
    if place.seq is None:
        without_seq["filter"] = {"range": {"_seq_no": {bound: place.seq_no}}}
        earlier = [{"bool": without_seq}]
    else:
        earlier = [{"bool": without_seq}, {"range": {"seq": {bound: place.seq}}}]
    same_time = time_range(gte=place.time, lte=place.time)
    at_the_time = {"bool": {"filter": [*same_time, {"bool": {"should": earlier}}]}}
    return [{"bool": {"should": [*time_range(lt=place.time), at_the_time]}}]


def after_query(session_id: str, place: Place) -> dict[str, Any]:
    """Return the query that finds the documents of a session that come after a place."""
    clauses = [{"term": {"session_id": session_id}}, {"exists": {"field": "created_at"}}]
    return {"bool": {"filter": clauses, "must_not": before_filters(place, with_it=True)}}


def total_order(*, newest_first: bool = False) -> list[dict[str, Any]]:
    """Return the sort of messages in their total order, or in its exact reverse.

    Documents without `seq` come from upstream; `_seq_no` keeps those of one millisecond in the
    order in which they were written.
    """
    order = "desc" if newest_first else "asc"
    return [
        {"created_at": {"order": order, "format": "epoch_millis", "unmapped_type": "date"}},
        {
            "seq": {
                "order": order,
                "missing": "_last" if newest_first else "_first",
                "unmapped_type": "long",
            }
        },
        # Unmapped if the index has no mapping at all, because nothing was ever stored in it.
        {"_seq_no": {"order": order, "unmapped_type": "long"}},
    ]


def session_by_session() -> list[dict[str, Any]]:
    """Return the sort by session, and within each session in the total order."""
    return [{"session_id": {"order": "asc", "unmapped_type": "keyword"}}, *total_order()]


def messages_only(clauses: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the query for what matches all `clauses` and has a session and a time.

    Other documents have no place in the order, and no page could continue after them.
    """
    return {"bool": {"filter": [*MESSAGE_FILTERS, *clauses]}}


def oldest_first(newest_first: Sequence[Hit]) -> list[Hit]:
    """Return hits that were sorted newest first in the order of a read that is oldest first.

    Upstream's documents of one millisecond on two shards may have equal sort values. Both reads
    return them in the order of the shards, which reversing the list would change.
    """
    return sorted(newest_first, key=lambda hit: [int(value) for value in hit["sort"][:3]])


def routing_of(session_id: str) -> str:
    """Return the routing value of a session.

    The address of a search takes routing values separated by commas. An id that does not fit there
    is replaced by its hash, as is an empty one.
    """
    if not session_id or "," in session_id or len(session_id) > MAX_ROUTING_LENGTH:
        return hashlib.sha256(session_id.encode()).hexdigest()
    return session_id
