"""Keys, by which a message is stored once: of a whole call, or of each message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from elasticsearch_chat_history._arguments import checked_list, checked_text, is_encodable
from elasticsearch_chat_history._documents.document import derived_id
from elasticsearch_chat_history._documents.sequence import seqs_in_order, seqs_of_call

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class CallKey:
    """The idempotency key of a call: each message is known by it and its position."""

    key: str

    def ids(self, session_id: str, scope: str | None, count: int) -> list[str]:
        """Return the ids of the messages, the same for each attempt in the same scope."""
        return [derived_id(session_id, self.key, position, scope) for position in range(count)]

    def moves(self, found: Mapping[int, int]) -> dict[int, int]:
        """Return the new `seq` of messages that several attempts have stored."""
        return seqs_of_call(found)


@dataclass(frozen=True)
class MessageKeys:
    """The keys of messages, which other calls may have stored, each among others."""

    keys: tuple[str, ...]

    def ids(self, session_id: str, scope: str | None, _count: int) -> list[str]:
        """Return the ids of the messages, the same in each call in the same scope."""
        return [derived_id(session_id, key, None, scope) for key in self.keys]

    def moves(self, found: Mapping[int, int]) -> dict[int, int]:
        """Return the new `seq` of messages that come later than the next one of the call."""
        return seqs_in_order(found)


Keys: TypeAlias = CallKey | MessageKeys


def checked_keys(idempotency_key: object, message_keys: object, count: int) -> Keys | None:
    """Return the keys of a call with `count` messages, if it has some.

    Raises:
        TypeError: A key is not a str, or the keys are no list.
        ValueError: Both kinds are given, the number of keys is another than that of messages, or
            a key comes twice or is no valid Unicode.
    """
    if message_keys is None:
        if idempotency_key is None:
            return None
        return CallKey(_checked_key("idempotency_key", idempotency_key))
    if idempotency_key is not None:
        raise ValueError("give either idempotency_key or message_keys, not both")
    listed = checked_list("message_keys", "keys", message_keys)
    if len(listed) != count:
        raise ValueError(
            f"message_keys must have one key for each message, but there are {len(listed)} keys "
            f"and {count} messages"
        )
    positions: dict[str, int] = {}
    for position, key in enumerate(listed):
        first = positions.setdefault(_checked_key(f"message_keys[{position}]", key), position)
        if first != position:
            raise ValueError(
                f"message_keys must differ, but {key!r:.100} is at positions {first} and "
                f"{position}"
            )
    return MessageKeys(tuple(listed))


def _checked_key(name: str, key: object) -> str:
    text = checked_text(name, key)
    if not is_encodable(text):
        raise ValueError(f"{name} must be valid Unicode without lone surrogates")
    return text
