"""What reading, listing and searching return, apart from plain messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from typing import Any

    from langchain_core.messages import BaseMessage


@dataclass(frozen=True)
class StoredMessage:
    """A message as it is stored.

    Attributes:
        id: The `_id` of its document.
        session_id: The session that it belongs to.
        created_at: When it was stored, in UTC, with a precision of a millisecond.
        message: The message itself.
        metadata: The `metadata` that it was stored with, or an empty mapping.

    Example:
        ```python
        from datetime import datetime, timezone

        from langchain_core.messages import HumanMessage
        from elasticsearch_chat_history import StoredMessage

        stored = StoredMessage(
            id="d1",
            session_id="s1",
            created_at=datetime(2026, 1, 1, tzinfo=timezone.utc),
            message=HumanMessage("Hello"),
            metadata={"tenant": "a"},
        )
        assert stored.message.content == "Hello"
        ```
    """

    id: str
    session_id: str
    created_at: datetime
    message: BaseMessage
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class SessionSummary:
    """One session of a list.

    Attributes:
        session_id: The session.
        message_count: How many messages it has; with a filter, how many of them match.
        first_at: When the first of these messages was stored, in UTC, to the millisecond.
        last_at: When the last one was stored.
        last_message: The last one itself; None if it cannot be read.

    Example:
        ```python
        (summary,) = store.list_sessions()
        assert summary.message_count == 2
        assert summary.last_message is not None
        assert summary.last_message.message.content == "Hi!"
        ```
    """

    session_id: str
    message_count: int
    first_at: datetime
    last_at: datetime
    last_message: StoredMessage | None


@dataclass(frozen=True)
class Highlight:
    """A part of a message's text that a search matched.

    Attributes:
        text: The part, as it is in the message, without any markup.
        ranges: Where in `text` the matched words are: for each the positions of its first
            character and of the character after its last, counted from 0.

    Example:
        ```python
        from elasticsearch_chat_history import Highlight

        highlight = Highlight("What is a shard?", ((10, 15),))
        assert [highlight.text[start:end] for start, end in highlight.ranges] == ["shard"]
        ```
    """

    text: str
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class SearchHit:
    """A message that a search found.

    Attributes:
        score: How well it matches; higher is better. Scores are comparable within one search
            only: BM25 for words, (1 + cosine) / 2 for meaning, and for both together the sum of
            1 / (60 + rank) over the two rankings.
        stored: The message.
        highlights: The parts of its text that match; empty if it was found by meaning only.

    Example:
        ```python
        for hit in store.search("hello"):
            print(hit.score, hit.session_id, hit.stored.message.content)
        ```
    """

    score: float
    stored: StoredMessage
    highlights: tuple[Highlight, ...] = ()

    @property
    def session_id(self) -> str:
        """The session of the message.

        Example:
            ```python
            sessions = {hit.session_id for hit in store.search("hello")}
            ```
        """
        return self.stored.session_id
