"""How many messages to ask for at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch import ApiError, ConnectionTimeout

from elasticsearch_chat_history._requests.failures import (
    is_refused_answer,
    is_retriable,
    max_hits_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_chat_history._documents.document import Hit

# A node holds a whole response in memory, and older versions crash if it does not fit.
PAGE_BYTES = 16_000_000
STEP = 8
# Connections are lost for many reasons; if it repeats, the page may be the cause.
LOST_CONNECTIONS = 2


class PageSize:
    """The size of the next page: as large as wanted if messages are small.

    Args:
        wanted: The size to use if messages are small.
        message_bytes: How large the messages of this index were so far, if that is known.
        messages_each: How many messages come with each hit or group.
    """

    def __init__(
        self, wanted: int, message_bytes: int | None = None, messages_each: int = 1
    ) -> None:
        self._wanted = wanted
        self._messages_each = messages_each
        self._lost = 0
        self.message_bytes = message_bytes or 0
        self.messages = min(wanted, self._fitting())
        self._smaller: int | None = None

    @property
    def too_large(self) -> bool:
        """Whether the size of the current page may be the cause of its failure."""
        return self._smaller is not None

    def note_failure(self, error: Exception) -> bool:
        """Note a failure of the current page; tell whether its size may be the cause."""
        self._smaller = self._size_after(error) if self.messages > 1 else None
        return self.too_large

    def shrink(self) -> None:
        """Make the next page smaller, because this one was too large."""
        self.messages = self._smaller or max(1, self.messages // STEP)
        self._lost = 0
        self._smaller = None

    def learn(self, hits: Sequence[Hit]) -> None:
        """Let the next page grow as far as the messages of this one allow."""
        self._lost = 0
        if not hits:
            return
        # Documents of others may hold anything, such as a number.
        total = sum(len(str(hit["_source"].get("history") or "")) for hit in hits)
        # A session of large messages is remembered for a few reads of small ones.
        self.message_bytes = max(total // len(hits), self.message_bytes // 2)
        self.messages = min(self._wanted, self.messages * STEP, self._fitting())

    def _size_after(self, error: Exception) -> int | None:
        allowed = max_hits_in(error)
        if allowed is not None:
            self._wanted = max(1, min(allowed, self.messages - 1))
            return self._wanted
        if is_refused_answer(error):
            # No page of this size again.
            self._wanted = max(1, self.messages // 2)
        elif isinstance(error, ConnectionTimeout):
            pass
        elif is_retriable(error) and not isinstance(error, ApiError):
            # A node that ran out of memory must not be asked for the same page for ever.
            self._lost += 1
            if self._lost <= LOST_CONNECTIONS:
                return None
        else:
            return None
        return max(1, min(self._wanted, self.messages // STEP))

    def _fitting(self) -> int:
        return max(1, PAGE_BYTES // max(1, self.message_bytes * self._messages_each))
