"""Export records: a message as one JSON object, and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from elasticsearch_chat_history._arguments import checked_session_id, encodable, is_encodable
from elasticsearch_chat_history._documents.document import (
    EARLIEST,
    EPOCH,
    LATEST,
    MILLISECOND,
    Document,
    Hit,
    searchable_parts,
)
from elasticsearch_chat_history._documents.json_text import json_text
from elasticsearch_chat_history._documents.metadata import checked_metadata
from elasticsearch_chat_history._documents.sequence import Moment, place_of, seqs_of_run

if TYPE_CHECKING:
    from collections.abc import Sequence


Items = TypeVar("Items")

EXPORTED_FIELDS = ("history", "session_id", "seq", "metadata")
# Elasticsearch's limit for an `_id`, in bytes of UTF-8.
MAX_ID_BYTES = 512
LONG = range(-(2**63), 2**63)
EARLIEST_MILLISECONDS = (EARLIEST - EPOCH) // MILLISECOND
LATEST_MILLISECONDS = (LATEST - EPOCH) // MILLISECOND


@dataclass(frozen=True)
class Record:
    """One record of an import, checked.

    Attributes:
        position: Where it was in the input, from 0.
        id: The `_id` of its document.
        session_id: Its session.
        created_at: Its time in milliseconds.
        seq: Its place in the order, if it has one.
        history: The JSON text of its message.
        metadata: Its metadata, or None.
    """

    position: int
    id: str
    session_id: str
    created_at: int
    seq: int | None
    history: str
    metadata: Mapping[str, Any] | None

    @property
    def moment(self) -> Moment:
        """Its session and time, within which `seq` defines the order."""
        return self.session_id, self.created_at

    def document(self, seq: int) -> Document:
        """Return the document to store, with the text and type that its message has."""
        parts = searchable_parts(self.history) or {}
        return Document(
            id=self.id,
            session_id=self.session_id,
            seq=seq,
            history=self.history,
            content=parts.get("content", ""),
            type=parts.get("type", ""),
            metadata=self.metadata,
            created_at=self.created_at,
        )


def record_of(hit: Hit) -> dict[str, Any]:
    """Return a search hit, sorted by session and time, as a record of plain JSON values."""
    source = hit["_source"]
    history = source.get("history")
    message = _strict_object(history)
    return {
        "id": hit["_id"],
        # As it is indexed: others may have stored a number.
        "session_id": hit["sort"][0],
        "created_at": _time_text(int(hit["sort"][1])),
        "seq": source.get("seq"),
        # Only what JSON can express without loss becomes an object; the rest stays a text.
        **({"history": history} if message is None else {"message": message}),
        "metadata": source.get("metadata") or {},
    }


def latest_seqs(hits: Iterable[Hit]) -> dict[str, int]:
    """Return the `seq` of the last hit of each session; for upstream's documents, their time."""
    last = {hit["sort"][0]: hit for hit in hits}
    return {
        session_id: place_of(hit["_source"].get("seq"), int(hit["sort"][1]))
        for session_id, hit in last.items()
    }


def checked_records(records: Items) -> Items:
    """Return `records` if it may be an iterable of records or lines."""
    # These are iterable too, by their characters or keys.
    if isinstance(records, (str, bytes, bytearray, Mapping)):
        raise TypeError(
            "records must be an iterable of records or of lines of JSON, such as an open file, "
            f"but is a {type(records).__name__}"
        )
    if not isinstance(records, (Iterable, AsyncIterable)):
        raise TypeError(f"records must be an iterable, but is a {type(records).__name__}")
    return records


def record_at(position: int, item: object, *, ensure_ascii: bool) -> Record | None:
    """Return the record in `item`, a mapping or JSON; None for a blank line.

    Raises:
        TypeError: It is not a record, or something in it is of the wrong type.
        ValueError: Something in it has an unusable value or is missing. The errors quote no
            message.
    """
    if isinstance(item, (str, bytes, bytearray)):
        if not item.strip():
            return None
        item = _parsed(item)
    if not isinstance(item, Mapping):
        raise TypeError(f"it must be a JSON object, but is a {type(item).__name__}")
    return Record(
        position=position,
        id=_checked_id(_field(item, "id")),
        session_id=checked_session_id(_field(item, "session_id")),
        created_at=_milliseconds(_field(item, "created_at")),
        seq=_checked_seq(item.get("seq")),
        history=_history(item, ensure_ascii=ensure_ascii),
        metadata=checked_metadata(item.get("metadata")),
    )


def numbered(
    records: Sequence[Record], ends: Mapping[Moment, int]
) -> tuple[list[Document], dict[Moment, int]]:
    """Return the documents of one batch, all with `seq`, and where the new ones end.

    Records without `seq` keep their order, and come before those of the same session and
    millisecond that have one, as in a search. The values depend on the input alone, so that a
    repeated import gives the same ones.

    Args:
        records: The batch.
        ends: For each session and time of the previous batch, the value after its last new one.
    """
    counts: dict[Moment, int] = {}
    earliest: dict[Moment, int] = {}
    for record in records:
        if record.seq is None:
            counts[record.moment] = counts.get(record.moment, 0) + 1
        else:
            earliest[record.moment] = min(record.seq, earliest.get(record.moment, record.seq))
    following = {
        moment: max(
            seqs_of_run(moment[1], count, earliest.get(moment)).start,
            ends.get(moment, LONG.start),
        )
        for moment, count in counts.items()
    }
    documents = []
    for record in records:
        seq = record.seq
        if seq is None:
            seq = following[record.moment]
            following[record.moment] += 1
        documents.append(record.document(seq))
    return documents, following


def _parsed(line: str | bytes | bytearray) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        # The error itself holds the whole line.
        raise ValueError("it is not JSON") from None


def _field(item: Mapping[Any, Any], name: str) -> object:
    value = item.get(name)
    if value is None:
        raise ValueError(f"it has no {name}")
    return value


def _checked_id(value: object) -> str:
    if not isinstance(value, str) or not value or not is_encodable(value):
        raise ValueError("its id must be a text that is not empty")
    if len(value.encode()) > MAX_ID_BYTES:
        raise ValueError(f"its id must be at most {MAX_ID_BYTES} bytes long in UTF-8")
    return value


def _checked_seq(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value not in LONG:
        raise ValueError("its seq must be a whole number of 64 bits")
    return value


def _milliseconds(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        if not EARLIEST_MILLISECONDS <= value <= LATEST_MILLISECONDS:
            raise ValueError("its created_at is out of range: it must be in the years 1 to 9999")
        return value
    if not isinstance(value, str):
        raise TypeError("its created_at must be a time in ISO 8601, or in milliseconds")
    # Python 3.10 does not parse Z.
    text = f"{value[:-1]}+00:00" if value.endswith(("Z", "z")) else value
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("its created_at is not a time in ISO 8601") from None
    if time.utcoffset() is None:
        raise ValueError("its created_at must have a time zone, such as Z")
    return (time - EPOCH) // MILLISECOND


def _time_text(milliseconds: int) -> str | int:
    if not EARLIEST_MILLISECONDS <= milliseconds <= LATEST_MILLISECONDS:
        # From a broken clock: no year of four digits.
        return milliseconds
    time = EPOCH + milliseconds * MILLISECOND
    return f"{time.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _history(item: Mapping[Any, Any], *, ensure_ascii: bool) -> str:
    message = item.get("message")
    if message is None:
        if "history" not in item:
            raise ValueError("it has no message")
        history = item["history"]
        return encodable(history) if isinstance(history, str) else _json_text(history)
    if not isinstance(message, Mapping):
        raise TypeError(f"its message must be a JSON object, but is a {type(message).__name__}")
    return _json_text(message, ensure_ascii=ensure_ascii)


def _json_text(value: object, *, ensure_ascii: bool = True) -> str:
    try:
        return json_text(value, ensure_ascii=ensure_ascii)
    except ValueError as error:
        raise ValueError(f"its message cannot be written as JSON: {error}") from None


def _refused(constant: str) -> None:
    raise ValueError(constant)


# Python writes and reads NaN and Infinity, which other JSON parsers refuse.
_STRICT = json.JSONDecoder(parse_constant=_refused)


def _strict_object(text: object) -> dict[str, Any] | None:
    try:
        value = _STRICT.decode(text)  # type: ignore[arg-type]  # whatever it is, it is caught
    except (TypeError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
