"""Finding the next sessions by id without visiting all messages for each page.

An aggregation visits all messages that match its query, for each page anew. So the query ends at
an id that is as many ids ahead as sessions are wanted. Which one that is, the terms of the field
tell, and for them no message is visited:
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-terms-enum
They are a hint and nothing depends on them: there are also ids whose messages were deleted or do
not match, and some may be missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._queries.session_lists import id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch_chat_history._queries.filters import Clauses

# A shard visits at most so many messages in vain, which takes a few milliseconds;
FEW_MESSAGES = 20_000
# or so many for each session that is wanted: most have fewer.
FEW_MESSAGES_EACH = 100
# The most that the terms enum API returns.
MOST_IDS = 10_000
# How many times more ids to look at where too few of them match.
WIDER = 10
# Where fewer of the ids match than one of so many, what matches is a small part of the index.
SELECTIVE = 10


class SearchById:
    """The search for the sessions that come next by id: how far it looks, and where it goes on.

    Args:
        after: The id after which they begin; None begins with the first.
        prefix: What the ids of all that match begin with.
        few_match: Whether it is likely that few of all messages match.

    Attributes:
        after: The same for the next page.
        ended: Whether there are no more.
    """

    def __init__(
        self, after: str | None = None, *, prefix: str | None = None, few_match: bool = False
    ) -> None:
        self._prefix = prefix or ""
        self.after = after
        self.ended = False
        # All that match are tried first, up to a number of them.
        self._tries_all = few_match
        self._in_ranges = not few_match
        self._width = 0

    def most_visited(self, count: int) -> int | None:
        """Return after how many messages each shard stops; None visits all."""
        return max(FEW_MESSAGES, FEW_MESSAGES_EACH * count) if self._tries_all else None

    def ids_ahead(self, count: int) -> int | None:
        """Return how many ids to look at for the next `count` sessions; None looks at all."""
        return min(max(count, self._width), MOST_IDS) if self._in_ranges else None

    def clauses(self, upto: str | None) -> Clauses:
        """Return the clauses that find the messages to look at.

        Args:
            upto: The last id to look at; None looks at all that come.
        """
        if not self._in_ranges:
            return []
        # The messages in front of the prefix would be visited, too.
        begin = {"gte": self._prefix} if (self.after or "") < self._prefix else {"gt": self.after}
        bounds = {name: one for name, one in {**begin, "lte": upto}.items() if one is not None}
        return [{"range": {"session_id": bounds}}] if bounds else []

    def without_ranges(self) -> None:
        """Look at all that match from now on."""
        self._in_ranges = False

    def found(
        self, answer: Mapping[str, Any], count: int, upto: str | None
    ) -> list[dict[str, Any]]:
        """Return the sessions in the answer to a search; possibly none though there are more.

        Args:
            answer: The answer.
            count: How many sessions were asked for.
            upto: The last id that was looked at; None if all were.
        """
        if self._tries_all:
            self._tries_all = False
            if answer.get("terminated_early"):
                self._in_ranges = True
                return []
        sessions: list[dict[str, Any]]
        sessions = answer.get("aggregations", {}).get("sessions", {}).get("buckets", [])
        # A document with several ids is found by any of them, and is a message of all.
        sessions = [one for one in sessions if upto is None or id_of(one) <= upto]
        if len(sessions) == count:
            self.after = id_of(sessions[-1])
        elif upto is None:
            self.ended = True
        else:
            self.after = upto
            looked_at = self.ids_ahead(count) or 0
            if looked_at == MOST_IDS and len(sessions) < MOST_IDS / SELECTIVE:
                self.without_ranges()
            self._width = WIDER * looked_at
        return sessions


def id_ahead(terms: Mapping[str, Any], count: int, after: str | None) -> str | None:
    """Return the last id to look at, given the terms that were found; None if all are near.

    Args:
        terms: The answer to a search for the next terms.
        count: How many were asked for.
        after: The id after which they begin.
    """
    ids: list[str] = terms["terms"]
    if len(ids) < count and terms["complete"]:
        return None
    # Those of several shards are ordered by the UTF-16 of the ids, and not by their code points.
    last = max(ids, default=None)
    return None if last is None or (after is not None and last <= after) else last
