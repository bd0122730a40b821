"""What reading, listing and searching return, apart from plain messages.

The types are imported at run time, so that pydantic and FastAPI take the results as they are. In
JSON a message has LangChain's own form, that of `message_to_dict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from elasticsearch_chat_history._marking import marked_text


def _message_of(value: object) -> BaseMessage:
    """Return a message, or the one that a dict of `message_to_dict` stands for."""
    if isinstance(value, BaseMessage):
        return value
    if isinstance(value, Mapping):
        try:
            return messages_from_dict([dict(value)])[0]
        except Exception as error:  # noqa: BLE001  # any dict may be given
            # The error itself may quote the message.
            raise ValueError(f"not a message of LangChain ({type(error).__name__})") from None
    raise ValueError(f"must be a message of LangChain or its dict, not a {type(value).__name__}")


MESSAGE_SCHEMA = {
    "type": "object",
    "title": "Message",
    "properties": {"type": {"type": "string"}, "data": {"type": "object"}},
    "required": ["type", "data"],
}
Message = Annotated[
    BaseMessage,
    PlainSerializer(message_to_dict, return_type=dict[str, Any]),
    PlainValidator(_message_of),
    WithJsonSchema(MESSAGE_SCHEMA),
]


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
    message: Message
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class StoreResult:
    """What a call has stored.

    Attributes:
        stored: The messages in the order of the call, with the ids and times of their documents.
        existing: The positions of those that were there before, from an earlier call with the same
            `idempotency_key`. These are as they were stored then.

    Example:
        ```python
        result = history.store_messages([HumanMessage("Hello")], idempotency_key="request-7")
        if result.existing:
            print("This request was answered before.")
        ```
    """

    stored: tuple[StoredMessage, ...]
    existing: tuple[int, ...] = ()


@dataclass(frozen=True)
class ImportResult:
    """What an import has stored.

    Attributes:
        stored: How many messages it stored.
        existing: How many were there before, such as from an import that was interrupted; they
            stayed as they were. A record that comes twice counts here the second time.

    Example:
        ```python
        result = store.import_(store.export())
        assert result.stored == 0
        print(f"{result.existing} messages were there already")
        ```
    """

    stored: int
    existing: int = 0


@dataclass(frozen=True)
class SessionSummary:
    """One session of a list.

    Attributes:
        session_id: The session.
        message_count: How many messages it has; with a filter, how many of them match.
        first_at: When the first of these messages was stored, in UTC, to the millisecond.
        last_at: When the last one was stored.
        last_message: The last one itself; None if it cannot be read.
        first_message: The first one, which may serve as a title; None if it cannot be read.
        cursor: A short text that `list_sessions(after=...)` takes like the object, such as from
            the address of a page.

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
    first_message: StoredMessage | None = None
    cursor: str = ""


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

    def marked(self, before: str = "<mark>", after: str = "</mark>") -> str:
        """Return the text for a page in HTML, with the matched words marked.

        The text is escaped. Ranges that overlap or touch become one. No mark begins or ends within
        what is shown as one character, such as an emoji of several parts. What the text says of
        the direction of writing ends with it:
        https://www.unicode.org/reports/tr9/

        Args:
            before: What begins a mark; it is not escaped.
            after: What ends it.

        Returns:
            HTML, to be put into an element.

        Example:
            ```python
            from elasticsearch_chat_history import Highlight

            highlight = Highlight("1 < 2 shards", ((6, 12),))
            assert highlight.marked("<em>", "</em>") == "1 &lt; 2 <em>shards</em>"
            ```
        """
        return marked_text(self.text, self.ranges, before, after)


@dataclass(frozen=True)
class SearchHit:
    """A message that a search found.

    Attributes:
        score: How well it matches; higher is better. Scores are comparable within one search
            only: BM25 for words, (1 + cosine) / 2 for meaning, and for both together the sum of
            1 / (60 + rank) over the two rankings.
        stored: The message.
        highlights: The parts of its text that match; empty if it was found by meaning only.
        cursor: A short text that `search(after=...)` takes like the object, such as from the
            address of a page.

    Example:
        ```python
        for hit in store.search("hello"):
            print(hit.score, hit.session_id, hit.stored.message.content)
        ```
    """

    score: float
    stored: StoredMessage
    highlights: tuple[Highlight, ...] = ()
    cursor: str = ""

    @property
    def session_id(self) -> str:
        """The session of the message.

        Example:
            ```python
            sessions = {hit.session_id for hit in store.search("hello")}
            ```
        """
        return self.stored.session_id
