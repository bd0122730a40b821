"""The options of a history, checked once and shared by all that use them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from elasticsearch_chat_history._arguments import (
    Refresh,
    checked_count,
    checked_limit,
    checked_metadata,
    checked_refresh,
    checked_ttl,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from typing import Any

DEFAULT_MAX_RETRIES = 10


@dataclass(frozen=True)
class SessionOptions:
    """How one session is read and written; the arguments of the public classes."""

    ensure_ascii: bool = True
    history_size: int | None = None
    ttl: timedelta | None = None
    metadata: Mapping[str, Any] | None = None
    refresh: Refresh = True
    routing: bool = False
    max_retries: int = DEFAULT_MAX_RETRIES

    def __post_init__(self) -> None:
        """Check every option, so that a wrong one fails where it was given."""
        checked_limit("history_size", self.history_size)
        checked_ttl(self.ttl)
        checked_refresh(self.refresh)
        checked_count("max_retries", self.max_retries, least=0)
        object.__setattr__(self, "metadata", checked_metadata(self.metadata))
