"""Errors as the clients of Elasticsearch raise them."""

from typing import Any

from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError


def refusal(
    kind: str, status: int = 400, *, cause: str | None = None, of_class: type[ApiError] = ApiError
) -> ApiError:
    """Return what a client raises for an answer with this type of error and status."""
    meta = ApiResponseMeta(
        status=status,
        http_version="1.1",
        headers=HttpHeaders(),
        duration=0.0,
        node=NodeConfig("http", "localhost", 9200),
    )
    error: dict[str, Any] = {"type": kind, "root_cause": [{"type": cause or kind}]}
    return of_class(kind, meta, {"error": error, "status": status})
