"""What an error means: whether to try again, and what is wrong with an index or a document."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elasticsearch import (
    ApiError,
    ConnectionError,  # noqa: A004  # the client's own
    ConnectionTimeout,
    NotFoundError,
    SSLError,
)

from elasticsearch_chat_history._documents.fields import GUARD
from elasticsearch_chat_history._reporting import OTHER_CERTIFICATE, describe, describe_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

STATUS_OK = 200
STATUS_CREATED = 201
STATUS_BAD_REQUEST = 400
STATUS_UNAUTHORIZED = 401
STATUS_FORBIDDEN = 403
STATUS_NOT_FOUND = 404
STATUS_CONFLICT = 409
STATUS_TOO_LARGE = 413
STATUS_TOO_MANY = 429
RETRIABLE_STATUSES = frozenset({STATUS_TOO_MANY, 502, 503, 504})
# What an update may meet once and not again.
TEMPORARY_STATUSES = RETRIABLE_STATUSES | {STATUS_CONFLICT}
# How Elasticsearch refuses a document if the index or one of its fields is missing.
UNPREPARED = frozenset({"index_not_found_exception", "strict_dynamic_mapping_exception"})
LACKS_SESSIONS = re.compile(r"no mapping found for [`\[]session_id[`\]]", re.IGNORECASE)
MAX_HITS_ALLOWED = re.compile(
    r"(?:Result window|Batch size) is too large\b[^\[]*must be less than or equal to: \[(\d+)\]"
)
# What urllib3, aiohttp, httpx and asyncio say of connections that can never be used again.
CLOSED_FOR_GOOD = re.compile(
    r"(pool|session|connector|event loop) is closed|client has been closed"
    r"|after (interpreter )?shutdown|attached to a different loop",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Failure:
    """Why a document is not stored.

    Attributes:
        reason: The kind of the failure, without any content of the document.
        retriable: Whether the same request may succeed later.
        overload: Whether the server had no room for it (413, 429).
        unprepared: Whether the index was deleted, or lacks fields.
        refused: Whether Elasticsearch refuses the document itself.
        blocked: Whether the index is blocked, for example because the disk is full.
        unauthorized: Whether the server refused the credentials.
        cause: The client's error, if the request failed as a whole.
    """

    reason: str
    retriable: bool = False
    overload: bool = False
    unprepared: bool = False
    refused: bool = False
    blocked: bool = False
    unauthorized: bool = False
    cause: Exception | None = None


DROPPED = Failure("dropped by an ingest pipeline of the index")


def failure_of_request(error: Exception, count: int, *, may_return: bool = False) -> Failure:
    """Return what an error of the whole request means for each of its `count` documents.

    Args:
        error: What the client raised.
        count: How many documents the request held.
        may_return: Whether the server may soon accept the credentials, if it refused them.
    """
    status = getattr(error, "status_code", None)
    unauthorized = may_return and is_unauthorized(error)
    # A request that is too large says nothing about each of its documents.
    divisible = status == STATUS_TOO_LARGE and count > 1
    return Failure(
        describe(error),
        retriable=is_retriable(error) or divisible or unauthorized,
        overload=status in (STATUS_TOO_LARGE, STATUS_TOO_MANY),
        unauthorized=unauthorized,
        cause=error,
    )


def failure_of_item(item: Mapping[str, Any]) -> Failure | None:
    """Return why a bulk request did not store or remove a document; None if it did."""
    error = item.get("error")
    if item.get("result") == "noop":
        return DROPPED
    if item.get("failure_store") == "used":
        return Failure(
            "kept in the failure store of the data stream, where the cause stands; search "
            "<name>::failures"
        )
    # The id was chosen for this document alone: if it exists, an earlier attempt has stored it.
    if error is None or item["status"] == STATUS_CONFLICT:
        return None
    unprepared = index_is_unprepared(error)
    return Failure(
        describe_answer(error, item["status"]),
        retriable=item["status"] in RETRIABLE_STATUSES,
        overload=item["status"] == STATUS_TOO_MANY,
        unprepared=unprepared,
        refused=item["status"] == STATUS_BAD_REQUEST and not unprepared,
        blocked=error["type"] == "cluster_block_exception",
    )


def failure_elsewhere(index: str) -> Failure:
    """Return what it means that a document went to `index`, which the name does not stand for."""
    return Failure(f"stored in index {index!r} instead, as an ingest pipeline or an alias says")


def is_retriable(error: Exception) -> bool:
    """Tell whether the same request may succeed when it is sent again."""
    if isinstance(error, ApiError):
        return error.status_code in RETRIABLE_STATUSES
    if isinstance(error, SSLError) or is_closed_for_good(error) or _is_other_certificate(error):
        return False
    return isinstance(error, (ConnectionError, ConnectionTimeout))


def may_have_stored(error: Exception) -> bool:
    """Tell whether a write may have succeeded whose answer is this error."""
    if isinstance(error, ApiError):
        # From a proxy that lost the answer.
        return error.status_code in RETRIABLE_STATUSES - {STATUS_TOO_MANY}
    return True


def is_closed_for_good(error: Exception) -> bool:
    """Tell whether the client's connections are closed, or its event loop is, so that none opens.

    The client's libraries have no kind of error for it that they share, only what they say.
    """
    return isinstance(error, ConnectionError) and bool(CLOSED_FOR_GOOD.search(str(error.message)))


def _is_other_certificate(error: Exception) -> bool:
    """Tell whether the server has not the fingerprint that the client asks for.

    Over urllib3 that is an `SSLError`, over aiohttp it is not.
    """
    return isinstance(error, ConnectionError) and bool(
        OTHER_CERTIFICATE.fullmatch(str(error.message))
    )


def is_unauthorized(error: Exception) -> bool:
    """Tell whether the server refused the credentials."""
    return isinstance(error, ApiError) and error.status_code == STATUS_UNAUTHORIZED


def is_missing_index(error: Exception) -> bool:
    """Tell whether a request failed because its index does not exist."""
    return isinstance(error, ApiError) and "index_not_found_exception" in _kinds(error)


@contextmanager
def missing_index_ignored() -> Iterator[None]:
    """End the block without an error if its index does not exist: it holds nothing."""
    try:
        yield
    except NotFoundError as error:
        if not is_missing_index(error):
            raise


def is_refused_answer(error: Exception) -> bool:
    """Tell whether a node had no memory for a response; a smaller one may succeed.

    If it runs out of memory while it merges aggregations of several shards, it cancels the search
    and may answer with status 400 only: https://github.com/elastic/elasticsearch/issues/100843
    """
    refusals = {"circuit_breaking_exception", "task_cancelled_exception"}
    return isinstance(error, ApiError) and not refusals.isdisjoint(_kinds(error))


def is_retriable_search(error: Exception) -> bool:
    """Tell whether the same search may succeed when it is sent again."""
    return is_retriable(error) or is_refused_answer(error)


def max_hits_in(error: Exception) -> int | None:
    """Return how many hits an index allows at once, if a request asked for more of them.

    The setting is `index.max_result_window`:
    https://www.elastic.co/docs/reference/elasticsearch/index-settings/index-modules
    """
    found = MAX_HITS_ALLOWED.search(str(error.body)) if isinstance(error, ApiError) else None
    return int(found[1]) if found else None


def is_expensive_query(error: Exception) -> bool:
    """Tell whether a cluster does not allow a query, such as one for a range of ids.

    The setting is `search.allow_expensive_queries`:
    https://www.elastic.co/docs/reference/query-languages/querydsl
    """
    return isinstance(error, ApiError) and "search.allow_expensive_queries" in str(error.body)


def is_lost_point_in_time(error: Exception) -> bool:
    """Tell whether a point in time has expired, or was lost with its node."""
    return isinstance(error, ApiError) and "search_context_missing_exception" in _kinds(error)


def lacks_sessions(error: Exception) -> bool:
    """Tell whether an index has no `session_id` field, as no document was ever stored in it.

    A search that sorts or collapses by the field is then refused.
    """
    return isinstance(error, ApiError) and LACKS_SESSIONS.search(str(error)) is not None


def index_is_unprepared(error: Mapping[str, Any]) -> bool:
    """Tell whether a document was refused because its index is missing or lacks fields."""
    return error.get("type") in UNPREPARED or GUARD in error.get("reason", "")


def _kinds(error: ApiError) -> set[str]:
    details = error.body.get("error") if isinstance(error.body, dict) else None
    if not isinstance(details, dict):
        return set()
    causes = [details, *details.get("root_cause", []), details.get("caused_by") or {}]
    return {str(cause.get("type")) for cause in causes}
