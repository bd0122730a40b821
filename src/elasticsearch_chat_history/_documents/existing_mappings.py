"""The mappings of an existing index: parameters with which messages would be lost or not found.

Field capabilities tell of types only; what a parameter does is in the mapping and the settings:
https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/mapping-parameters
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from elasticsearch_chat_history._arguments import MAX_TERM_BYTES
from elasticsearch_chat_history._documents.fields import (
    EXACT_FIELDS,
    PROPERTIES,
    UPSTREAM_FIELDS,
    VECTOR,
    VECTOR_PROPERTY,
    MappingReport,
)
from elasticsearch_chat_history._errors import IndexMappingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OBJECTS = frozenset({"object", "nested", "passthrough"})
# They read our numbers as something else than milliseconds, or not at all, if they come first.
OTHER_NUMBERS = frozenset({"epoch_second", "year"})


@dataclass
class Examination:
    """What is wrong with the mappings of the indices behind a name.

    Attributes:
        fatal: For each field with which messages would be lost: what was found, and what is
            needed.
        unusable: For each field that we can do without: what was found.
        longest_id: How long a session id may be, in UTF-16 code units; None if any may be used.
        longest_value: The same for the values of metadata.
    """

    fatal: dict[str, tuple[str, str]] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)
    longest_id: int | None = None
    longest_value: int | None = None

    def added_to(self, report: MappingReport, index: str) -> MappingReport:
        """Return the report of the look at the types with what was found here.

        Raises:
            IndexMappingError: Messages would be lost.
        """
        if self.fatal:
            raise IndexMappingError(index, self.fatal)
        found = {**report.found, **self.unusable}
        # Field capabilities do not show a field that is an object.
        missing = tuple(name for name in report.missing if name not in self.unusable)
        return MappingReport(missing, tuple(found), found)


def examine(indices: Mapping[str, Mapping[str, Any]]) -> Examination:
    """Examine the mappings and settings of the indices behind a name.

    Args:
        indices: The answer to a request for them; none where we may not see them.
    """
    result = Examination()
    ids: list[int] = []
    values: list[int] = []
    for answer in indices.values():
        mappings: Mapping[str, Any] = answer.get("mappings", {})
        properties: Mapping[str, Any] = mappings.get("properties", {})
        for name, found, needed in _faults_of_source(mappings):
            result.fatal.setdefault(name, (found, needed))
        for name in _not_in_source(mappings):
            if name in UPSTREAM_FIELDS:
                result.fatal.setdefault("_source", (f"without {name}", f"with {name}"))
            else:
                result.unusable.setdefault(name, "not in _source")
        for name, wanted in {**PROPERTIES, VECTOR: VECTOR_PROPERTY}.items():
            type_ = _type_of(properties.get(name))
            if type_ is None or (type_ not in OBJECTS and type_ != "alias"):
                continue
            if name in UPSTREAM_FIELDS or name in EXACT_FIELDS:
                result.fatal.setdefault(name, (type_, str(wanted["type"])))
            else:
                result.unusable.setdefault(name, type_)
        if properties.get("metadata", {}).get("index") is False:
            result.unusable.setdefault("metadata", "flattened with index: false")
        for name, found, needed in _faulty_parameters(properties):
            result.fatal.setdefault(name, (found, needed))
        settings: Mapping[str, Any] = answer.get("settings", {})
        ids += _limits_of("session_id", properties, settings)
        values += _limits_of("metadata", properties, settings)
    result.longest_id = min(ids, default=None)
    result.longest_value = min(values, default=None)
    return result


def takes_milliseconds(date_format: str) -> bool:
    """Tell whether a field of this format reads a number as milliseconds since 1970."""
    for one in date_format.split("||"):
        if one == "epoch_millis":
            return True
        if one in OTHER_NUMBERS:
            return False
    return False


def _type_of(found: Mapping[str, Any] | None) -> str | None:
    if found is None:
        return None
    return str(found.get("type", "object"))


def _faults_of_source(mappings: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if mappings.get("enabled") is False:
        yield "_doc", "enabled: false", "enabled: true"
    if mappings.get("_source", {}).get("enabled") is False:
        yield "_source", "enabled: false", "enabled: true"


def _not_in_source(mappings: Mapping[str, Any]) -> list[str]:
    source = mappings.get("_source", {})
    includes, excludes = source.get("includes", []), source.get("excludes", [])
    return [
        name
        for name in PROPERTIES
        if (includes and not _matches(name, includes)) or _matches(name, excludes)
    ]


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _faulty_parameters(properties: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    session_id = properties.get("session_id", {})
    if "normalizer" in session_id:
        # It would make one session of several.
        found = f"keyword with normalizer: {session_id['normalizer']}"
        yield "session_id", found, "keyword without normalizer"
    date_format = properties.get("created_at", {}).get("format")
    if date_format is not None and not takes_milliseconds(date_format):
        found = f"date with format: {date_format}"
        yield "created_at", found, "date whose format reads numbers as epoch_millis"


def _limits_of(name: str, properties: Mapping[str, Any], settings: Mapping[str, Any]) -> list[int]:
    general = settings.get("index", {}).get("mapping", {}).get("ignore_above")
    given = properties.get(name, {}).get("ignore_above", general)
    limit = MAX_TERM_BYTES if given is None else int(given)
    return [limit] if limit < MAX_TERM_BYTES else []
