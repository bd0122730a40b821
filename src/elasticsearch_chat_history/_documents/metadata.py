"""The metadata of messages: what a `flattened` field holds, and how it is filtered.

Such a field indexes each leaf value as one keyword, under its path:
https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/flattened
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from elasticsearch_chat_history._arguments import MAX_TERM_BYTES, is_encodable

# The default of the field's `depth_limit`.
MAX_METADATA_DEPTH = 20


def checked_metadata(metadata: object) -> dict[str, Any] | None:
    """Return a copy of `metadata` if a `flattened` field can hold it; None if it is empty."""
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a mapping, but is a {type(metadata).__name__}")
    return _plain_mapping(metadata, path="", depth=1) or None


def utf16_length(text: str) -> int:
    """Return the length of a text as `ignore_above` counts it, in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def longest_value(metadata: Mapping[str, Any]) -> tuple[int, str]:
    """Return the length of the longest value as it is indexed, and the key above it."""
    return max((_longest(value), key) for key, value in metadata.items())


def _longest(value: object) -> int:
    if isinstance(value, dict):
        return max(map(_longest, value.values()), default=0)
    if isinstance(value, list):
        return max(map(_longest, value), default=0)
    return utf16_length(str(value))


def relabelled(metadata: Mapping[str, Any], label: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with the keys of a label, at every depth; None as a value removes a key."""
    changed = dict(metadata)
    for key, value in label.items():
        if isinstance(value, dict):
            old = changed.get(key)
            below = relabelled(old if isinstance(old, dict) else {}, value)
            if below:
                changed[key] = below
            elif isinstance(old, dict):
                changed.pop(key)
        elif value is None:
            changed.pop(key, None)
        else:
            changed[key] = value
    return changed


def merged_metadata(
    general: Mapping[str, Any] | None, special: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """Return both together; for a key in both, the value of `special` takes precedence."""
    return {**(general or {}), **(special or {})} or None


# The result is a copy of plain dicts and lists: json writes no other mappings, and later changes
# of the original must not affect what was checked.
def _plain_mapping(mapping: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    if depth > MAX_METADATA_DEPTH:
        raise ValueError(f"metadata must not be nested deeper than {MAX_METADATA_DEPTH} levels")
    plain = {}
    for key, value in mapping.items():
        if not isinstance(key, str) or not key:
            raise ValueError("metadata must have non-empty str keys only")
        if "\0" in key or not is_encodable(key):
            raise ValueError(
                f"metadata key {key!r:.100} holds a character that Elasticsearch refuses"
            )
        plain[key] = _plain_value(value, f"{path}.{key}" if path else key, depth)
    return plain


def _plain_value(value: object, path: str, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, depth + 1)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray)):
        return [_plain_value(item, path, depth) for item in value]
    if value is not None and not isinstance(value, (str, int, float, bool)):
        raise ValueError(
            f"metadata {path!r:.100} must be JSON, but holds a {type(value).__name__}"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"metadata {path!r:.100} must be JSON, but holds {value}")
    if isinstance(value, str) and not is_encodable(value):
        raise ValueError(f"metadata {path!r:.100} must be valid Unicode without lone surrogates")
    if len(f"{path}\0{value}".encode()) > MAX_TERM_BYTES:
        raise ValueError(
            f"metadata {path!r:.100} is longer than {MAX_TERM_BYTES} bytes with its key"
        )
    return value
