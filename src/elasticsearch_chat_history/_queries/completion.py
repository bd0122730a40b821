"""Completing the documents of upstream: the text for search, the type, and the `seq`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._documents.document import Hit, searchable_parts
from elasticsearch_chat_history._documents.fields import VECTOR
from elasticsearch_chat_history._documents.sequence import Moment, seqs_of_run
from elasticsearch_chat_history._queries.selection import messages_only
from elasticsearch_chat_history._requests.bulk import Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# An index and an id: an alias may stand for several indices.
Key = tuple[str, str]

COMPLETED_FIELDS = ("history", "session_id", "seq", "type")


@dataclass(frozen=True)
class Placed:
    """Documents that have a `seq`.

    Attributes:
        documents: Their indices and ids.
        earliest: The smallest `seq` of each session and time.
    """

    documents: frozenset[Key]
    earliest: Mapping[Moment, int]

    @classmethod
    def of(cls, hits: Iterable[Hit]) -> Placed:
        """Return the documents and their `seq` from the sorted hits of `placed_query`."""
        documents: set[Key] = set()
        earliest: dict[Moment, int] = {}
        for hit in hits:
            documents.add(_key(hit))
            earliest.setdefault(moment_of(hit), int(hit["sort"][2]))
        return cls(frozenset(documents), earliest)


def incomplete_query(*, vectors: bool = False) -> dict[str, Any]:
    """Return the query that finds messages without `seq` or `type`, or without a vector.

    `content` is not checked, because it is empty for a message without text.

    Args:
        vectors: Whether messages should have vectors.
    """
    wanted = ["seq", "type", *([VECTOR] if vectors else [])]
    lacking = [{"bool": {"must_not": {"exists": {"field": name}}}} for name in wanted]
    return messages_only([{"bool": {"should": lacking}}])


def placed_query(moments: Sequence[Moment]) -> dict[str, Any]:
    """Return the query that finds the messages with `seq` of these sessions and times.

    `moments` must not be empty. The query also finds those of one session at a time of another.
    """
    sessions, times = (set(values) for values in zip(*moments, strict=True))
    return messages_only(
        [
            {"exists": {"field": "seq"}},
            {"terms": {"session_id": sorted(sessions)}},
            {"terms": {"created_at": sorted(times)}},
        ]
    )


def moment_of(hit: Hit) -> Moment:
    """Return the session and time of a hit that is sorted by them."""
    session_id, created_at, *_ = hit["sort"]
    return session_id, int(created_at)


def without_last_moment(hits: Sequence[Hit]) -> int:
    """Return how many hits come before those of the last session and time."""
    end = len(hits)
    while end and moment_of(hits[end - 1]) == moment_of(hits[-1]):
        end -= 1
    return end


def unplaced_moments(hits: Iterable[Hit]) -> list[Moment]:
    """Return the sessions and times of hits without `seq`, each once."""
    return list(dict.fromkeys(moment_of(hit) for hit in hits if _lacks_seq(hit)))


def updates_of(hits: Sequence[Hit], placed: Placed) -> list[Update]:
    """Return the updates that complete these documents, in the order in which to send them.

    Newest first: documents with `seq` sort after those without, so that the messages of each
    millisecond keep their order wherever this is interrupted. For the same reason a document that
    cannot be read gets a place: without it, the document would sort before its neighbours.

    Args:
        hits: Documents of whole milliseconds, in the total order of each session.
        placed: Those of the same milliseconds that have `seq`.
    """
    seqs = _seqs_of([hit for hit in hits if _lacks_seq(hit)], placed)
    updates = []
    for hit in reversed(hits):
        parts = searchable_parts(hit["_source"].get("history"))
        fields: dict[str, Any] = {}
        if parts is not None and "type" not in hit["_source"]:
            fields.update(parts)
        if _key(hit) in seqs:
            fields["seq"] = seqs[_key(hit)]
        elif _lacks_seq(hit):
            # Somebody else has completed it meanwhile.
            continue
        update = Update(
            hit["_index"],
            hit["_id"],
            hit.get("_routing"),
            fields,
            text=parts["content"] if parts else "",
            readable=parts is not None,
        )
        updates.append(update)
    return updates


def _seqs_of(hits: Sequence[Hit], placed: Placed) -> dict[Key, int]:
    waiting: dict[Moment, list[Key]] = {}
    for hit in hits:
        if _key(hit) not in placed.documents:
            waiting.setdefault(moment_of(hit), []).append(_key(hit))
    return {
        key: seq
        for moment, keys in waiting.items()
        for key, seq in zip(
            keys, seqs_of_run(moment[1], len(keys), placed.earliest.get(moment)), strict=True
        )
    }


def _key(hit: Hit) -> Key:
    return hit["_index"], hit["_id"]


def _lacks_seq(hit: Hit) -> bool:
    return hit["_source"].get("seq") is None
