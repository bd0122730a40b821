"""How logs and errors describe a failure, without any message's text or credential."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from elasticsearch import ApiError, TransportError

from elasticsearch_chat_history._errors import MessagesNotStoredError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

LOGGER = logging.getLogger("elasticsearch_chat_history")

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


def describe(error: Exception) -> str:
    """Return the kind of a failure, its status, and its reason if that is harmless."""
    if isinstance(error, ApiError):
        details = error.body.get("error") if isinstance(error.body, dict) else None
        if not isinstance(details, dict):
            return f"{type(error).__name__} ({error.status_code})"
        return describe_answer(details, error.status_code)
    if isinstance(error, TransportError):
        return f"{type(error).__name__}: {error.message}"
    return type(error).__name__


def describe_answer(details: Mapping[str, Any], status: int) -> str:
    """Return the kind and status of an error as Elasticsearch answers it."""
    kind = details.get("type", "unknown error")
    if kind in KINDS_WITH_HARMLESS_REASONS:
        return f"{kind} ({status}): {details.get('reason')}"
    return f"{kind} ({status})"


@contextmanager
def logged(failure: str) -> Iterator[None]:
    """Write one log line, beginning with `failure`, for an error of the Elasticsearch client."""
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
