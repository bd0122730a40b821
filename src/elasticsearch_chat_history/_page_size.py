"""How many messages to ask for at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A node holds a whole answer in memory, and older versions end for want of it.
PAGE_BYTES = 16_000_000
STEP = 8


class PageSize:
    """The size of the next page: as large as wanted while messages are small.

    Args:
        wanted: The size to use where nothing speaks against it.
        message_bytes: How large the messages of this index were so far, if that is known.
    """

    def __init__(self, wanted: int, message_bytes: int | None = None) -> None:
        self._wanted = wanted
        self.message_bytes = message_bytes or 0
        self.messages = min(wanted, self._fitting())

    def shrink(self) -> None:
        """Make the next page smaller, as this one was too much, and none as large again."""
        self._wanted = max(1, self.messages // 2)
        self.messages = max(1, self.messages // STEP)

    def learn(self, hits: Sequence[Mapping[str, Any]]) -> None:
        """Let the next page grow as far as the messages of this one allow."""
        if not hits:
            return
        total = sum(len(hit["_source"].get("history") or "") for hit in hits)
        # One session of large messages is remembered for some reads of small ones.
        self.message_bytes = max(total // len(hits), self.message_bytes // 2)
        self.messages = min(self._wanted, self.messages * STEP, self._fitting())

    def _fitting(self) -> int:
        return max(1, PAGE_BYTES // max(1, self.message_bytes))
