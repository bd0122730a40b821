"""The index that we make where there is none: its fields and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from elasticsearch_chat_history._arguments import checked_count, checked_text
from elasticsearch_chat_history._mapping import PROPERTIES, VECTOR, VECTOR_PROPERTY

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True)
class IndexDefinition:
    """What we ask for when we make an index; nothing is asked for that is None.

    Serverless refuses settings for shards and replicas, so that there is no default for them.
    """

    number_of_shards: int | None = None
    number_of_replicas: int | None = None
    refresh_interval: str | None = None
    codec: str | None = None
    analyzer: str | None = None
    routing: bool = False
    vectors: bool = False

    def __post_init__(self) -> None:
        """Check every argument, so that a wrong one fails where it was given."""
        if self.number_of_shards is not None:
            checked_count("number_of_shards", self.number_of_shards)
        if self.number_of_replicas is not None:
            checked_count("number_of_replicas", self.number_of_replicas, least=0)
        for name in ("refresh_interval", "codec", "analyzer"):
            if getattr(self, name) is not None:
                checked_text(name, getattr(self, name))

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        """The fields, by name."""
        properties = dict(PROPERTIES)
        if self.analyzer is not None:
            properties["content"] = {**PROPERTIES["content"], "analyzer": self.analyzer}
        if self.vectors:
            properties[VECTOR] = VECTOR_PROPERTY
        return properties

    @property
    def mappings(self) -> dict[str, Any]:
        """The mappings of a new index."""
        if self.routing:
            # Whoever writes without a routing value is refused, and not spread over the shards.
            return {"properties": self.properties, "_routing": {"required": True}}
        return {"properties": self.properties}

    @property
    def settings(self) -> dict[str, Any] | None:
        """The settings of a new index, or None to send none."""
        asked_for = {
            "number_of_shards": self.number_of_shards,
            "number_of_replicas": self.number_of_replicas,
            "refresh_interval": self.refresh_interval,
            "codec": self.codec,
        }
        given = {name: value for name, value in asked_for.items() if value is not None}
        return given or None
