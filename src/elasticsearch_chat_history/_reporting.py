"""How logs and errors describe a failure, without any message's text or credential."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from elasticsearch import (
    ApiError,
    SerializationError,
    TransportError,
    UnsupportedProductError,
    __version__,
)

from elasticsearch_chat_history._errors import MessagesNotStoredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

LOGGER = logging.getLogger("elasticsearch_chat_history")
CLIENT_VERSION = __version__[0]

# Reasons of these kinds describe the cluster. Others may quote what was sent, such as those of a
# document that could not be parsed.
KINDS_WITH_HARMLESS_REASONS = frozenset(
    {
        "circuit_breaking_exception",
        "cluster_block_exception",
        "es_rejected_execution_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "no_shard_available_action_exception",
        "security_exception",
        "unavailable_shards_exception",
    }
)
# What to do about errors whose cause is known.
HINTS = {
    "media_type_header_exception": (
        f": the server is too old for elasticsearch-py {CLIENT_VERSION}, install "
        f"'elasticsearch<{CLIENT_VERSION}' or use a newer server"
    ),
    "routing_missing_exception": ": sessions of this index are routed, give routing=True",
}


def with_hint(error: Exception) -> None:
    """Let an error of the client say what to do about it, where that is known."""
    if isinstance(error, ApiError) and error.message in HINTS:
        error.message += HINTS[error.message]


def describe(error: Exception) -> str:
    """Return the kind of a failure, its status, and its reason where that is harmless."""
    if isinstance(error, UnsupportedProductError):
        # Our words or the client's own.
        return f"{type(error).__name__} ({error.status_code}): {error.message}"
    if isinstance(error, ApiError):
        details = error.body.get("error") if isinstance(error.body, dict) else None
        if not isinstance(details, dict):
            return f"{type(error).__name__} ({error.status_code})"
        return describe_answer(details, error.status_code)
    if isinstance(error, SerializationError):
        # What follows is all of what could not be written or read.
        return f"{type(error).__name__}: {str(error.message).partition(':')[0]}"
    if isinstance(error, TransportError):
        return f"{type(error).__name__}: {error.message}"
    return type(error).__name__


def describe_answer(details: Mapping[str, Any], status: int) -> str:
    """Return the kind and status of an error as Elasticsearch answers it."""
    kind = details.get("type", "unknown error")
    if kind in KINDS_WITH_HARMLESS_REASONS:
        return f"{kind} ({status}): {details.get('reason')}"
    return f"{kind} ({status})" + HINTS.get(kind, "")


@contextmanager
def logged(failure: str) -> Iterator[None]:
    """Write one log line, beginning with `failure`, for an error of Elasticsearch's client."""
    try:
        yield
    except ApiError as error:
        # No traceback: it would hold what was sent.
        LOGGER.error("%s: %s", failure, describe(error))  # noqa: TRY400
        raise
    except MessagesNotStoredError as error:
        LOGGER.error("%s: %s", failure, error)  # noqa: TRY400
        raise
    except TransportError as error:
        LOGGER.error("Error connecting to Elasticsearch: %s", describe(error))  # noqa: TRY400
        raise
