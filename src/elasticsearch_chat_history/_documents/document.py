"""The stored document: from a message to its document and back."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from elasticsearch_chat_history._arguments import encodable
from elasticsearch_chat_history._documents.fields import VECTOR
from elasticsearch_chat_history._documents.json_text import json_text, json_value
from elasticsearch_chat_history._errors import UnreadableMessageError
from elasticsearch_chat_history._results import StoredMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from elasticsearch_chat_history._documents.fields import IndexLayout

# A hit of a search.
Hit = Mapping[str, Any]

# Makes the ids that are derived from an idempotency key differ from all other uuid5.
IDEMPOTENCY_NAMESPACE = uuid.UUID("7c1f1d5e-58a3-4d0b-9a57-3f5c2f0f6f11")
# What a message of a type is called as a part of a streamed answer.
CHUNKS = {
    "human": "HumanMessageChunk",
    "ai": "AIMessageChunk",
    "system": "SystemMessageChunk",
    "chat": "ChatMessageChunk",
    "function": "FunctionMessageChunk",
    "tool": "ToolMessageChunk",
}
# The types that `messages_from_dict` reads; another one would make its session unreadable.
READABLE_TYPES = frozenset(
    {
        *("human", "ai", "system", "chat", "function", "tool", "remove"),
        *CHUNKS.values(),
    }
)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)
# What a missing time sorts as: before Elasticsearch 9, as the first or last one.
NO_TIME = frozenset({"None", str(-(1 << 63)), str((1 << 63) - 1)})
# What a `datetime` can tell, to the millisecond; `created_at` of a document may lie beyond.
EARLIEST = datetime.min.replace(tzinfo=timezone.utc)
LATEST = datetime.max.replace(tzinfo=timezone.utc, microsecond=999_000)


class Document(NamedTuple):
    """One message, ready to be stored."""

    id: str
    session_id: str
    seq: int
    history: str
    content: str
    type: str
    metadata: Mapping[str, Any] | None
    vector: Sequence[float] | None = None
    created_at: int | None = None

    @property
    def time(self) -> int:
        """The time of the message in milliseconds; that of `seq` unless it has one of its own."""
        return self.seq // 1000 if self.created_at is None else self.created_at

    def stored(self, message: BaseMessage) -> StoredMessage:
        """Return its message as it is stored."""
        return StoredMessage(
            id=self.id,
            session_id=self.session_id,
            created_at=time_of(self.time),
            message=message,
            metadata=self.metadata or {},
        )

    def source(self, layout: IndexLayout) -> dict[str, Any]:
        """Return the source of the document, as far as the index has fields for it."""
        body: dict[str, Any] = {
            "session_id": self.session_id,
            "created_at": self.time,
            "history": self.history,
        }
        if layout.complete:
            body.update(seq=self.seq, content=self.content)
            # A message that cannot be read has no type.
            if self.type:
                body["type"] = self.type
            if self.metadata is not None:
                body["metadata"] = self.metadata
        if layout.complete and layout.vectors and self.vector is not None:
            body[VECTOR] = self.vector
        return body


def documents_of(
    messages: Sequence[BaseMessage],
    session_id: str,
    seqs: Iterable[int],
    *,
    ensure_ascii: bool = True,
    metadata: Mapping[str, Any] | None = None,
    ids: Sequence[str] | None = None,
) -> list[Document]:
    """Return one document for each message, with new ids unless `ids` are given.

    Raises:
        TypeError: A message cannot be written as JSON; the error names its position.
    """
    return [
        Document(
            id=time_ordered_id(seq) if ids is None else ids[position],
            session_id=session_id,
            seq=seq,
            history=_history_of(message, position, ensure_ascii=ensure_ascii),
            content=encodable(message.text),
            type=message.type,
            metadata=metadata,
        )
        for position, (message, seq) in enumerate(zip(messages, seqs, strict=True))
    ]


def copy_of(hit: Hit, seq: int, session_id: str) -> Document:
    """Return a copy of a hit with a new id, for another session.

    Raises:
        UnreadableMessageError: The document does not hold a message.
    """
    source = hit["_source"]
    message = message_of(hit, str(source["session_id"]))
    return Document(
        id=time_ordered_id(seq),
        session_id=session_id,
        seq=seq,
        history=source["history"],
        content=encodable(message.text),
        type=encodable(message.type),
        metadata=source.get("metadata"),
        vector=source.get(VECTOR),
        created_at=int(hit["sort"][0]),
    )


def time_of(milliseconds: int) -> datetime:
    """Return a `created_at` as a time; one that is out of range is at the end of the range."""
    try:
        return EPOCH + milliseconds * MILLISECOND
    except OverflowError:
        return EARLIEST if milliseconds < 0 else LATEST


def time_ordered_id(seq: int) -> str:
    """Return a new uuid7 that sorts by `seq`, a time in microseconds.

    The microseconds within the millisecond fill the 12 bits after the version (RFC 9562, section
    6.2, method 3). The other 62 come from the operating system, so that forked processes differ.
    """
    milliseconds, microseconds = divmod(seq, 1000)
    time = f"{milliseconds & (1 << 48) - 1:012x}"
    fraction = microseconds * 4096 // 1000
    rest = os.urandom(8).hex()
    variant = "89ab"[int(rest[0], 16) & 3]
    return f"{time[:8]}-{time[8:]}-7{fraction:03x}-{variant}{rest[1:4]}-{rest[4:]}"


def seq_in_id(document_id: str) -> int | None:
    """Return the `seq` from which `time_ordered_id` has made an id; None if it is another one."""
    try:
        value = uuid.UUID(document_id)
    except ValueError:
        return None
    if value.version != 7 or str(value) != document_id:  # noqa: PLR2004  # RFC 9562
        return None
    milliseconds, fraction = value.int >> 80, value.int >> 64 & 0xFFF
    # Rounded up, as it was rounded down.
    return milliseconds * 1000 + -(-fraction * 1000 // 4096)


def derived_id(session_id: str, key: str, position: int | None, scope: str | None = None) -> str:
    """Return the id of a message with a key, or at a position in the call with that key."""
    parts = [session_id, key, position]
    name = json.dumps(parts if scope is None else [*parts, scope])
    return str(uuid.uuid5(IDEMPOTENCY_NAMESPACE, name))


def message_of(hit: Hit, session_id: str) -> BaseMessage:
    """Return the message of a search hit.

    Raises:
        UnreadableMessageError: The document does not hold a message.
    """
    try:
        stored = json_value(hit["_source"]["history"])
    except KeyError:
        reason = "it has no history field"
    except (TypeError, ValueError):
        reason = "its history field is not JSON"
    except RecursionError:
        reason = "its history field is nested too deep"
    else:
        try:
            return messages_from_dict([stored])[0]
        except Exception as error:  # noqa: BLE001  # any text may be stored, so anything may fail
            # The error itself may quote the message, so only its type is named.
            reason = (
                f"its history field is not a message that langchain-core knows "
                f"({type(error).__name__}, type {_type_name(stored)})"
            )
    raise UnreadableMessageError(hit["_id"], session_id, reason) from None


def session_id_of(hit: Hit) -> str:
    """Return the session of a hit: Elasticsearch finds a number by its text.

    Raises:
        UnreadableMessageError: The document is in several sessions, or in none.
    """
    value = hit["_source"].get("session_id")
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return json.dumps(value)
    raise UnreadableMessageError(hit["_id"], "", "its session_id is not one value")


def stored_message_of(hit: Hit, session_id: str | None = None) -> StoredMessage:
    """Return a search hit as a `StoredMessage`.

    Args:
        hit: The hit.
        session_id: Its session, if the search was for one.

    Raises:
        UnreadableMessageError: The document does not hold a message of one session.
    """
    if session_id is None:
        session_id = session_id_of(hit)
    created_at, *_ = hit["sort"]
    if str(created_at) in NO_TIME:
        raise UnreadableMessageError(hit["_id"], session_id, "it has no created_at field")
    return StoredMessage(
        id=hit["_id"],
        session_id=session_id,
        created_at=time_of(int(created_at)),
        message=message_of(hit, session_id),
        metadata=hit["_source"].get("metadata") or {},
    )


def searchable_parts(history: object) -> dict[str, str] | None:
    """Return the text and type of a stored message; None if it cannot be read."""
    try:
        message = message_of({"_id": "", "_source": {"history": history}}, "")
    except UnreadableMessageError:
        return None
    return {"content": encodable(message.text), "type": encodable(message.type)}


def _history_of(message: BaseMessage, position: int, *, ensure_ascii: bool) -> str:
    if message.type not in READABLE_TYPES:
        raise TypeError(
            f"The message at position {position} is of type {message.type!r}, which "
            "langchain-core cannot read back. Nothing is stored."
        )
    try:
        as_dict = message_to_dict(message)
    except (TypeError, ValueError, RecursionError) as error:
        reason = type(error).__name__  # its text may quote the message
    else:
        try:
            return json_text(as_dict, ensure_ascii=ensure_ascii)
        except ValueError as error:
            # The path within the message.
            reason = str(error).replace("data.", "", 1)
    raise TypeError(
        f"The message at position {position} (type {message.type!r}) cannot be written as JSON: "
        f"{reason}. Nothing is stored; put only JSON values into its fields."
    ) from None


def _type_name(stored: object) -> str:
    if not isinstance(stored, dict):
        return f"a JSON {type(stored).__name__}"
    return f"{str(stored.get('type'))[:50]!r}"
