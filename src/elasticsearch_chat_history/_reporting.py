"""How logs and errors describe a failure, without any message's text or credential."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Generic, TypeVar

from elasticsearch import (
    ApiError,
    SerializationError,
    TransportError,
    UnsupportedProductError,
    __version__,
)

from elasticsearch_chat_history._errors import MessagesNotStoredError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

LOGGER = logging.getLogger("elasticsearch_chat_history")
CLIENT_VERSION = __version__[0]
Given = TypeVar("Given")

# A reason may quote what was sent, such as a value that could not be parsed, or a whole document
# that found no shard. So a reason is told where its form shows that it does not, and of it what is
# in groups. A pipeline may make routing values, and names of fields and of missing indices, out of
# a text: such names are not told, but for those of our fields.
NAME = r"\[[^\s\[\]]{1,255}\]"
TYPE = r"\[[a-z_]{1,40}\]"
FIELD = r"\[(?:session_id|created_at|history|seq|content|type|metadata|embedding)\]"
AT = r"(?:\[\d+:\d+\] )?"
ALL = r"(.*)"
# In a bulk request these errors of parsing and mapping come under several kinds.
REFUSALS = (
    rf"(no write index is defined for alias {NAME})\. The write index may be explicitly .*",
    rf"(pipeline with id {NAME} does not exist)",
    rf"(Alias {NAME} has index routing associated with it {NAME}), and was provided with .*",
    rf"(alias {NAME} has more than one index associated with it) .*",
    rf"(mapper {FIELD} cannot be changed from type {TYPE} to {TYPE})",
    rf"(can't merge a non object mapping {FIELD} with an object mapping)",
    rf"{AT}(?:failed to parse: )?(Limit of total fields \[\d+\] has been exceeded)(?: .*)?",
    rf"{AT}(failed to parse field {FIELD} of type {TYPE}) in document with id .*",
    rf"{AT}(object mapping for {FIELD} tried to parse field {FIELD} as object), but found .*",
    rf"{AT}(mapping set to strict, dynamic introduction of {FIELD}) within \[_doc\] is .*",
)
HARMLESS_FORMS = {
    kind: [re.compile(form, re.DOTALL) for form in forms]
    for kind, forms in {
        "circuit_breaking_exception": (ALL,),
        "cluster_block_exception": (ALL,),
        "document_parsing_exception": REFUSALS,
        "es_rejected_execution_exception": (
            r"(rejected execution of \w+ operation \[[\w=, ]*\])",
        ),
        "illegal_argument_exception": REFUSALS,
        "index_closed_exception": (ALL,),
        "index_not_found_exception": (r"(no such index) .*",),
        "mapper_parsing_exception": REFUSALS,
        "no_shard_available_action_exception": (ALL,),
        "security_exception": (
            r"((?:(?! on indices \[).)*) on indices \[.*\](, this action is granted by .*)",
            r"((?:(?! on indices \[).)*)(?: on indices \[.*\])?",
        ),
        "strict_dynamic_mapping_exception": REFUSALS,
        "unavailable_shards_exception": (rf"({NAME}\[\d+\] [^\"{{}}]{{1,200}}?) Timeout: .*",),
    }.items()
}
# What to do about errors whose cause is known.
HINTS = {
    "media_type_header_exception": (
        f": the server is too old for elasticsearch-py {CLIENT_VERSION}, install "
        f"'elasticsearch<{CLIENT_VERSION}' or use a newer server"
    ),
    "routing_missing_exception": ": sessions of this index are routed, give routing=True",
}
# How Elasticsearch says that it got something else than the base64 form of an id and a key.
MALFORMED_API_KEY = re.compile(
    r"API key: (?:Illegal base64|Input byte|Last unit|invalid ApiKey value"
    # Bytes that hold a colon by chance: an id and a key to Elasticsearch.
    r"|unable to find apikey with id (?![\w-]{4,}(?:\Z|, )))",
    re.ASCII,
)
API_KEY_HINT = ": an API key is given as `encoded`, one of the values that create_api_key returns"
UNKNOWN_SIGNER = re.compile(
    r"certificate verify failed: .*(?:local issuer|self.signed) certificate"
)
SIGNER_HINT = ": give a client that knows who signed the certificate, with ca_certs=..."
# All that aiohttp says of it: both fingerprints as bytes, the host and the port.
OTHER_CERTIFICATE = re.compile(r"\(b['\"].+, b['\"].+, '[^']*', \d+\)", re.DOTALL)
OTHER_CERTIFICATE_SAID = "the server's certificate does not have the ssl_assert_fingerprint given"


def with_hint(error: Exception) -> None:
    """Let an error of Elasticsearch say what to do about it, where that is known."""
    if isinstance(error, ApiError):
        hint = _hint(_details(error) or {})
        if not error.message.endswith(hint):
            error.message += hint


def describe(error: Exception) -> str:
    """Return the kind of a failure, its status, and its reason where that is harmless."""
    if isinstance(error, UnsupportedProductError):
        # Our words or the client's own.
        return f"{type(error).__name__} ({error.status_code}): {error.message}"
    if isinstance(error, ApiError):
        details = _details(error)
        if details is None:
            return f"{type(error).__name__} ({error.status_code})"
        return describe_answer(details, error.status_code)
    if isinstance(error, SerializationError):
        # What follows is all of what could not be written or read.
        return f"{type(error).__name__}: {str(error.message).partition(':')[0]}"
    if isinstance(error, TransportError):
        return f"{type(error).__name__}: {_of_connection(str(error.message))}"
    return type(error).__name__


def describe_answer(details: Mapping[str, Any], status: int | None = None) -> str:
    """Return the kind of an error, and its status if it has one, as Elasticsearch answers it."""
    kind = details.get("type", "unknown error")
    told = _harmless_reason(kind, str(details.get("reason") or ""))
    with_status = kind if status is None else f"{kind} ({status})"
    return with_status + (f": {told}" if told else "") + _hint(details)


def _details(error: ApiError) -> Mapping[str, Any] | None:
    """Return what Elasticsearch says of an error; None if something else answered."""
    details = error.body.get("error") if isinstance(error.body, dict) else None
    return details if isinstance(details, dict) else None


def _hint(details: Mapping[str, Any]) -> str:
    """Return what to do about an error, or nothing."""
    if MALFORMED_API_KEY.search(str(details.get("additional_unsuccessful_credentials"))):
        return API_KEY_HINT
    return HINTS.get(details.get("type", ""), "")


def _of_connection(message: str) -> str:
    """Return what a client says of a failed connection, with what to do where that is known."""
    if OTHER_CERTIFICATE.fullmatch(message):
        return OTHER_CERTIFICATE_SAID
    return message + (SIGNER_HINT if UNKNOWN_SIGNER.search(message) else "")


def _harmless_reason(kind: str, reason: str) -> str:
    """Return what may be told of a reason: all, a part, or nothing."""
    for form in HARMLESS_FORMS.get(kind, ()):
        found = form.fullmatch(reason)
        if found:
            return "".join(part for part in found.groups() if part)
    return ""


class Logged(Generic[Given]):
    """A `with` block that writes one log line for an error of the Elasticsearch client.

    Args:
        failure: How the line begins.
        given: What the block works with.
    """

    # A class, as each call of ours has one: a generator would take three times the time.
    __slots__ = ("_failure", "_given")

    def __init__(self, failure: str, given: Given) -> None:
        self._failure = failure
        self._given = given

    def __enter__(self) -> Given:
        """Return what the block works with."""
        return self._given

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Write the line, without a traceback, which would hold what was sent."""
        if isinstance(error, ApiError):
            LOGGER.error("%s: %s", self._failure, describe(error))
        elif isinstance(error, MessagesNotStoredError):
            LOGGER.error("%s: %s", self._failure, error)
        elif isinstance(error, TransportError):
            LOGGER.error("Error connecting to Elasticsearch: %s", describe(error))
