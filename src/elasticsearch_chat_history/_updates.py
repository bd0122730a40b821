"""Changes to documents that are there, and the bulk requests that make them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._bulk import MAX_BYTES, MAX_DOCUMENTS, compact_json
from elasticsearch_chat_history._mapping import VECTOR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Somebody else may change the same document meanwhile; Elasticsearch then reads it anew.
RETRIES_ON_CONFLICT = 3
UPDATE_FILTER_PATH = "items.update.status,items.update.error.type,items.update.error.reason"


@dataclass(frozen=True)
class Update:
    """What to add to one document."""

    index: str
    id: str
    routing: str | None
    fields: Mapping[str, Any]
    text: str = ""
    readable: bool = True

    def with_vector(self, vector: Sequence[float]) -> Update:
        """Return the update with the vector of the document's text."""
        return replace(self, fields={**self.fields, VECTOR: vector})

    def without_vector(self) -> Update:
        """Return the update without the vector, which may leave nothing to update."""
        fields = {name: value for name, value in self.fields.items() if name != VECTOR}
        return replace(self, fields=fields)

    @cached_property
    def lines(self) -> bytes:
        """The two lines of a bulk request that add the fields."""
        action: dict[str, Any] = {
            "_index": self.index,
            "_id": self.id,
            "retry_on_conflict": RETRIES_ON_CONFLICT,
        }
        if self.routing is not None:
            action["routing"] = self.routing
        lines = [compact_json({"update": action}), compact_json({"doc": self.fields})]
        return "".join(f"{line}\n" for line in lines).encode()


def in_requests(updates: Sequence[Update]) -> Iterator[list[Update]]:
    """Yield the updates in parts that each fit a bulk request, in their order."""
    part: list[Update] = []
    size = 0
    for update in updates:
        length = len(update.lines)
        if part and (len(part) >= MAX_DOCUMENTS or size + length > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(update)
        size += length
    if part:
        yield part
