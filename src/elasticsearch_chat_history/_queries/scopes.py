"""Scopes: a wall between tenants. What is outside is not found, what is written is inside."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._documents.metadata import checked_metadata, relabelled
from elasticsearch_chat_history._queries.filters import metadata_filters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch_chat_history._queries.filters import Clauses


@dataclass(frozen=True)
class Scope:
    """The metadata that all messages of a store have; none where it sees the whole index.

    Attributes:
        metadata: The metadata.
        clauses: The clauses that find the messages that have it.
        key: Tells scopes apart in ids and in what a process remembers; None for the whole index.
    """

    metadata: Mapping[str, Any] = field(default_factory=dict)
    clauses: Clauses = field(default_factory=list)
    key: str | None = None

    def narrowed(self, metadata: object) -> Scope:
        """Return the scope of what also has this metadata.

        Raises:
            TypeError: It is not a mapping.
            ValueError: It is empty, has a value of None or a list, or contradicts this scope.
        """
        if metadata is None:
            raise TypeError("metadata must be a mapping, but is None")
        checked = checked_metadata(metadata)
        if not checked:
            raise ValueError("metadata must have at least one key: a scope without one is no wall")
        _values_in(checked)  # before a None would remove its key
        merged = relabelled(self.metadata, checked)
        values = _values_in(merged)
        for path, value in _values_in(self.metadata).items():
            if values.get(path) != value:
                raise ValueError(
                    f"{path!r:.100} is {value!r:.100} in this scope, and a scope within it can "
                    "only be narrower"
                )
        return Scope(merged, metadata_filters(merged), json.dumps(sorted(values.items())))

    def check_label(self, label: Mapping[str, Any]) -> None:
        """Refuse to label messages so that they would leave the scope.

        Raises:
            ValueError: The label changes or removes a key of the scope.
        """
        changed = relabelled(self.metadata, label)
        if relabelled(changed, self.metadata) != changed:
            keys = ", ".join(f"{path!r:.100}" for path in _values_in(self.metadata))
            raise ValueError(f"metadata must leave the keys of the scope as they are: {keys}")

    def within(self, query: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return the query that finds only what is in the scope."""
        if not self.clauses:
            return query
        return {"bool": {"must": [] if query is None else [query], "filter": self.clauses}}

    def label(self, metadata: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return the metadata of a message with that of the scope, which takes precedence."""
        return relabelled(metadata or {}, self.metadata) if self.clauses else metadata


WHOLE_INDEX = Scope()


def _values_in(metadata: Mapping[str, Any], path: str = "metadata") -> dict[str, str]:
    """Return the values as they are indexed, by their paths; refuse what cannot be in a scope."""
    values: dict[str, str] = {}
    for key, value in metadata.items():
        below = f"{path}.{key}"
        if isinstance(value, dict) and value:
            values |= _values_in(value, below)
        elif value is None or isinstance(value, (dict, list)):
            raise ValueError(f"{below!r:.100} must be one value in a scope, not None or a list")
        else:
            values[below] = value if isinstance(value, str) else json.dumps(value)
    return values
