"""The fields of the index: what we make, and what an existing index must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._errors import IndexMappingError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROPERTIES: dict[str, dict[str, Any]] = {
    "session_id": {"type": "keyword"},
    "created_at": {"type": "date"},
    "history": {"type": "text", "index": False},
    "seq": {"type": "long"},
    "content": {"type": "text"},
    "type": {"type": "keyword"},
    "metadata": {"type": "flattened"},
}
# Without these three nothing can be written or found; upstream's indices have them.
UPSTREAM_FIELDS = ("session_id", "created_at", "history")
# A wrong type of these loses sessions or their order, so that such an index is refused.
EXACT_FIELDS = ("session_id", "created_at", "seq")
# How Elasticsearch refuses a document for want of an index or of one of its fields.
UNPREPARED = frozenset({"index_not_found_exception", "strict_dynamic_mapping_exception"})
# The name of a dynamic template that no index has, see `write_guard`.
GUARD = "index_made_by_create_if_missing"


@dataclass(frozen=True)
class IndexLayout:
    """What an existing index lets us store: all fields, or upstream's three."""

    complete: bool


@dataclass(frozen=True)
class MappingReport:
    """What a look at an existing index found."""

    missing: tuple[str, ...]
    unusable: tuple[str, ...]

    @property
    def missing_properties(self) -> dict[str, Any]:
        """The part of our mapping that the index lacks."""
        return {name: PROPERTIES[name] for name in self.missing}


def report_on(index: str, fields: Mapping[str, Mapping[str, Any]]) -> MappingReport:
    """Compare the `fields` of a field capabilities answer with what we need.

    Field capabilities need the `read` privilege only, and answer for aliases as for indices:
    https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-field-caps

    Raises:
        IndexMappingError: A field that tells sessions apart or orders them has another type.
    """
    missing, conflicts = [], {}
    for name, needed in PROPERTIES.items():
        found = set(fields.get(name, {"unmapped": {}}))
        if "unmapped" in found:
            missing.append(name)
        wrong = found - {"unmapped", needed["type"]}
        if wrong and name != "history":
            conflicts[name] = (" and ".join(sorted(wrong)), str(needed["type"]))
    fatal = {name: types for name, types in conflicts.items() if name in EXACT_FIELDS}
    if fatal:
        raise IndexMappingError(index, fatal)
    return MappingReport(tuple(missing), tuple(conflicts))


def write_guard(layout: IndexLayout) -> dict[str, str]:
    """Return the part of a bulk action that makes an unprepared index refuse the document.

    A document for an index that has vanished would make Elasticsearch create the index and guess
    the type of each field: `session_id` would become analysed text. Naming a dynamic template that
    does not exist for a field has no effect where the field is mapped, and is an error where it
    is not:
    https://www.elastic.co/docs/manage-data/data-store/mapping/dynamic-templates
    """
    fields = ("session_id", "seq") if layout.complete else ("session_id",)
    return dict.fromkeys(fields, GUARD)


def index_is_unprepared(error: Mapping[str, Any]) -> bool:
    """Tell whether a document was refused because its index vanished or lost its fields."""
    return error.get("type") in UNPREPARED or GUARD in error.get("reason", "")
