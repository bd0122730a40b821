"""The multi-get request: what its response says of the documents that it could not read.

https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-mget
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The errors of single documents have no status.
MISSING = "index_not_found_exception"
PERMANENT = frozenset(
    {"security_exception", "illegal_argument_exception", "routing_missing_exception"}
)


def error_in(documents: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return why it is not known of a document whether it is there; None if it is of all."""
    errors = (document["error"] for document in documents if "error" in document)
    return next((error for error in errors if error["type"] != MISSING), None)


def is_temporary(error: Mapping[str, Any]) -> bool:
    """Tell whether the same request may succeed later."""
    return error["type"] not in PERMANENT
