"""The options of a history, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from typing_extensions import TypedDict, Unpack

from elasticsearch_chat_history._arguments import (
    Refresh,
    checked_count,
    checked_limit,
    checked_refresh,
    checked_ttl,
)
from elasticsearch_chat_history._documents.metadata import checked_metadata, merged_metadata

DEFAULT_MAX_RETRIES = 10


class SessionOverrides(TypedDict, total=False):
    """The options of a store that one session may override."""

    ensure_ascii: bool | None
    history_size: int | None
    ttl: timedelta | None
    metadata: Mapping[str, Any] | None
    refresh: Refresh
    max_retries: int


@dataclass(frozen=True)
class SessionOptions:
    """How one session is read and written; the arguments of the public classes."""

    ensure_ascii: bool | None = True
    history_size: int | None = None
    ttl: timedelta | None = None
    metadata: Mapping[str, Any] | None = None
    refresh: Refresh = True
    max_retries: int = DEFAULT_MAX_RETRIES

    def __post_init__(self) -> None:
        """Check every option, so that a wrong one fails where it was given."""
        checked_limit("history_size", self.history_size)
        checked_ttl(self.ttl)
        checked_refresh(self.refresh)
        checked_count("max_retries", self.max_retries, least=0)
        object.__setattr__(self, "metadata", checked_metadata(self.metadata))
        # None means the default, as it does for the argument's older name.
        escaped = self.ensure_ascii is None or bool(self.ensure_ascii)
        object.__setattr__(self, "ensure_ascii", escaped)

    def overridden(self, **given: Unpack[SessionOverrides]) -> SessionOptions:
        """Return a copy of these options with some replaced, and with `metadata` added.

        Raises:
            TypeError: There is no such option, or it belongs to the whole index.
        """
        unknown = sorted(given.keys() - SESSION_OPTIONS)
        if unknown:
            raise TypeError(
                f"{unknown[0]!r} is not an option of a session; these are "
                f"{', '.join(sorted(SESSION_OPTIONS))}"
            )
        special = checked_metadata(given.get("metadata"))
        changes: dict[str, Any] = {**given, "metadata": merged_metadata(self.metadata, special)}
        return replace(self, **changes)


SESSION_OPTIONS = frozenset(field.name for field in fields(SessionOptions))
