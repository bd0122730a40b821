"""What the log says of an index that cannot take all our fields: what it costs, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elasticsearch import AuthorizationException

from elasticsearch_chat_history._documents.fields import VECTOR
from elasticsearch_chat_history._errors import REINDEXING
from elasticsearch_chat_history._reporting import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch import ApiError

    from elasticsearch_chat_history._documents.fields import MappingReport

WITHOUT_VECTORS = "stored without their vectors, and cannot be searched by meaning"
WITHOUT_FIELDS = (
    "stored as langchain-elasticsearch stores them. They cannot be searched, and their metadata "
    "is not kept: a deletion by metadata, such as of a user who wants to be forgotten, does not "
    "find them"
)


def conflict_warning(index: str, report: MappingReport) -> str:
    """Return the line about fields that the index has with another type or parameter."""
    names = [f"{name} ({report.found[name]})" for name in report.unusable]
    return (
        f"Index {index!r} has another mapping for the fields {', '.join(names)}: "
        f"messages are {_effect(report.unusable)}. {REINDEXING}"
    )


def refusal_warning(index: str, names: Sequence[str], refusal: ApiError) -> str:
    """Return the line about fields that Elasticsearch refuses to add."""
    if isinstance(refusal, AuthorizationException) and "security_exception" in describe(refusal):
        why = "no privilege to add the fields"
        advice = "Let a client with the manage privilege call create_if_missing()"
    else:
        # The reason speaks of the mapping, in which there is no message.
        why = "refused to add the fields"
        advice = (
            f"The reason is {describe(refusal)}, {_reason(refusal)!r:.300}. Remove it, then call "
            "create_if_missing()"
        )
    return (
        f"Index {index!r} has {why} {', '.join(names)}: messages are {_effect(names)}. {advice}."
    )


def _effect(names: Sequence[str]) -> str:
    return WITHOUT_VECTORS if set(names) == {VECTOR} else WITHOUT_FIELDS


def _reason(refusal: ApiError) -> str:
    details = refusal.body.get("error") if isinstance(refusal.body, dict) else None
    return str(details.get("reason")) if isinstance(details, dict) else refusal.message
