"""The fields of the index: those of a new one, and what an existing one must have."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._arguments import checked_count, checked_text
from elasticsearch_chat_history._documents.metadata import longest_value, utf16_length
from elasticsearch_chat_history._errors import IndexMappingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PROPERTIES: dict[str, dict[str, Any]] = {
    "session_id": {"type": "keyword"},
    "created_at": {"type": "date"},
    "history": {"type": "text", "index": False},
    "seq": {"type": "long"},
    "content": {"type": "text"},
    "type": {"type": "keyword"},
    "metadata": {"type": "flattened"},
}
# Without dimensions: the first vector that is stored sets them.
VECTOR = "embedding"
VECTOR_PROPERTY: dict[str, Any] = {"type": "dense_vector", "similarity": "cosine"}
# Without these three nothing can be written or found; upstream's indices have them.
UPSTREAM_FIELDS = ("session_id", "created_at", "history")
# With a wrong type of these, sessions or their order are lost, so such an index is refused.
EXACT_FIELDS = ("session_id", "created_at", "seq")
# The name of a dynamic template that no index has, see `IndexLayout.write_guard`.
GUARD = "index_made_by_create_if_missing"


@dataclass(frozen=True)
class IndexDefinition:
    """The index that we create if it is missing; what is None is left to Elasticsearch.

    Serverless refuses settings for shards and replicas, so there is no default for them.
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
            # A write without a routing value is refused, instead of going to any shard.
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


@dataclass(frozen=True)
class IndexLayout:
    """Which fields an index has for us.

    Attributes:
        complete: Whether it has all fields, or only upstream's three.
        vectors: Whether it has one for the vector of a message as well.
        longest_id: How long a session id may be, in UTF-16 code units; None if any may be used.
        longest_value: The same for the values of metadata.
        indices: The indices behind the name when it was looked at.
        added: Whether fields were added then: what was stored before may not be indexed.
    """

    complete: bool
    vectors: bool = False
    longest_id: int | None = None
    longest_value: int | None = None
    indices: frozenset[str] = field(default=frozenset(), compare=False)
    added: bool = field(default=False, compare=False)

    @cached_property
    def write_guard(self) -> dict[str, str]:
        """The part of a bulk action that makes an unprepared index refuse the document.

        If the index was deleted, a document would make Elasticsearch create it and guess the type
        of each field: `session_id` would become a `text` field. Naming a dynamic template that
        does not exist has no effect if the field is mapped, and is an error if it is not:
        https://www.elastic.co/docs/manage-data/data-store/mapping/dynamic-templates
        """
        fields = ["session_id"]
        if self.complete:
            fields.append("seq")
            if self.vectors:
                fields.append(VECTOR)
        return dict.fromkeys(fields, GUARD)

    def check_lengths(
        self, index: str, session_id: str, metadata: Mapping[str, Any] | None
    ) -> None:
        """Refuse an id or metadata that the index would store, but not find.

        Raises:
            IndexMappingError: `ignore_above` of the field is less than the length.
        """
        if self.longest_id is not None and utf16_length(session_id) > self.longest_id:
            found = f"keyword with ignore_above: {self.longest_id}"
            needed = f"keyword with ignore_above: {utf16_length(session_id)} or more for this id"
            raise IndexMappingError(index, {"session_id": (found, needed)})
        if self.longest_value is not None and self.complete and metadata:
            length, key = longest_value(metadata)
            if length > self.longest_value:
                found = f"flattened with ignore_above: {self.longest_value}"
                needed = f"flattened with ignore_above: {length} or more for {key!r:.100}"
                raise IndexMappingError(index, {"metadata": (found, needed)})


@dataclass(frozen=True)
class MappingReport:
    """What a look at an existing index found.

    Attributes:
        missing: The fields that it lacks.
        unusable: Those that it has with another type, or with parameters that we cannot use.
        found: How it has each of these.
    """

    missing: tuple[str, ...]
    unusable: tuple[str, ...]
    found: Mapping[str, str] = field(default_factory=dict)

    def additions(self) -> list[tuple[str, ...]]:
        """Return which fields to add: all that are of use, or if they are refused, fewer."""
        needed = tuple(name for name in self.missing if name in UPSTREAM_FIELDS)
        if set(self.unusable) - {VECTOR}:
            # Only upstream's fields will be stored.
            tries = [needed]
        else:
            tries = [self.missing, tuple(one for one in self.missing if one != VECTOR), needed]
        return [names for names in dict.fromkeys(tries) if names]

    def layout(
        self, *, wanted: Iterable[str], added: Collection[str], indices: Iterable[str] = ()
    ) -> IndexLayout:
        """Return what the index lets us store of the `wanted` fields.

        Args:
            wanted: The fields that we would like to store.
            added: Those of the missing ones that have been added.
            indices: The indices behind the name.
        """
        lacking = {*self.unusable, *self.missing} - {*added}
        return IndexLayout(
            complete=not lacking - {VECTOR},
            vectors=VECTOR in wanted and VECTOR not in lacking,
            indices=frozenset(indices),
            added=bool(added),
        )


def report_on(
    index: str,
    fields: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, Mapping[str, Any]] = PROPERTIES,
) -> MappingReport:
    """Compare the `fields` of a field capabilities answer with the `wanted` properties.

    Field capabilities need the `read` privilege only, and work for aliases as for indices:
    https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-field-caps

    Raises:
        IndexMappingError: A field that tells sessions apart or orders them has another type, or
            cannot be sorted by.
    """
    missing = []
    conflicts: dict[str, tuple[str, str]] = {}
    for name, needed in wanted.items():
        types = fields.get(name, {"unmapped": {}})
        found = set(types)
        if "unmapped" in found:
            missing.append(name)
        type_ = str(needed["type"])
        wrong = found - {"unmapped", type_}
        if name == "history":
            continue
        if wrong:
            conflicts[name] = (" and ".join(sorted(wrong)), type_)
        elif name in EXACT_FIELDS and types.get(type_, {}).get("aggregatable") is False:
            conflicts[name] = (f"{type_} with doc_values: false", f"{type_} with doc_values: true")
        elif types.get(type_, {}).get("searchable") is False:
            conflicts[name] = (f"{type_} with index: false", f"{type_} with index: true")
    fatal = {name: types for name, types in conflicts.items() if name in EXACT_FIELDS}
    if fatal:
        raise IndexMappingError(index, fatal)
    found_of = {name: found for name, (found, _) in conflicts.items()}
    return MappingReport(tuple(missing), tuple(conflicts), found_of)
