"""What reading returns besides plain messages."""

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
        created_at: When it was stored, to the millisecond, in UTC.
        message: The message itself.
        metadata: What the writer gave as `metadata`, or an empty mapping.

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
