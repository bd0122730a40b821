"""What is said of a failure, and what is not."""

import logging

import pytest
from elastic_transport import TlsError
from elasticsearch import ApiError, ConnectionTimeout

from elasticsearch_chat_history import ChatHistoryError, MessagesNotStoredError
from elasticsearch_chat_history._documents.fields import PROPERTIES, VECTOR
from elasticsearch_chat_history._reporting import (
    FIELD,
    SIGNER_HINT,
    Logged,
    describe,
    with_hint,
)
from tests.support.api_errors import refusal


def with_reason(kind: str, reason: str) -> ApiError:
    error = refusal(kind)
    error.body["error"]["reason"] = reason
    return error


def test_a_reason_about_the_cluster_is_told() -> None:
    error = with_reason("index_closed_exception", "closed")
    assert describe(error) == "index_closed_exception (400): closed"


def test_a_reason_that_may_quote_what_was_sent_is_not_told() -> None:
    error = with_reason("document_parsing_exception", "failed to parse 'secret'")
    assert describe(error) == "document_parsing_exception (400)"


@pytest.mark.parametrize(
    ("kind", "reason", "told"),
    [
        (
            "illegal_argument_exception",
            "Limit of total fields [3] has been exceeded while adding new fields [4]",
            "Limit of total fields [3] has been exceeded",
        ),
        (
            "illegal_argument_exception",
            "alias [chats] has more than one index associated with it [a, b], can't execute",
            "alias [chats] has more than one index associated with it",
        ),
        (
            "illegal_argument_exception",
            "mapper [metadata] cannot be changed from type [keyword] to [flattened]",
            "mapper [metadata] cannot be changed from type [keyword] to [flattened]",
        ),
        (
            "strict_dynamic_mapping_exception",
            "[1:15] mapping set to strict, dynamic introduction of [seq] within [_doc] is not",
            "mapping set to strict, dynamic introduction of [seq]",
        ),
        (
            "document_parsing_exception",
            "[1:65] object mapping for [type] tried to parse field [type] as object, but found a",
            "object mapping for [type] tried to parse field [type] as object",
        ),
        ("index_not_found_exception", "no such index [secret] and so on", "no such index"),
        (
            "es_rejected_execution_exception",
            "rejected execution of coordinating operation [all_bytes=0, max_bytes=1]",
            "rejected execution of coordinating operation [all_bytes=0, max_bytes=1]",
        ),
        (
            "unavailable_shards_exception",
            '[chats][0] primary shard is not active Timeout: [1m], request: [{"history":"x"}]',
            "[chats][0] primary shard is not active",
        ),
        (
            "security_exception",
            "action [a] is unauthorized on indices [secret], this action is granted by [write]",
            "action [a] is unauthorized, this action is granted by [write]",
        ),
        (
            "security_exception",
            "unable to authenticate user [u] for REST request [/chats/_bulk]",
            "unable to authenticate user [u] for REST request [/chats/_bulk]",
        ),
    ],
)
def test_of_a_reason_is_told_what_quotes_nothing(kind: str, reason: str, told: str) -> None:
    assert describe(with_reason(kind, reason)) == f"{kind} (400): {told}"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("illegal_argument_exception", "pipeline with id [the secret] does not exist"),
        ("illegal_argument_exception", "pipeline with id [x] does not exist, secret"),
        ("illegal_argument_exception", "field [secret] doesn't exist"),
        ("illegal_argument_exception", "mapper [secret] cannot be changed from type [a] to [b]"),
        ("fail_processor_exception", "pipeline with id [secret] does not exist"),
        ("invalid_index_name_exception", "Invalid index name [secret], must be lowercase"),
        ("security_exception", "unauthorized on indices [secret] and more"),
        ("unavailable_shards_exception", '{"secret"} Timeout: [1m], request: []'),
        ("es_rejected_execution_exception", "rejected execution of secret"),
    ],
)
def test_a_reason_of_another_form_is_not_told(kind: str, reason: str) -> None:
    assert describe(with_reason(kind, reason)) == f"{kind} (400)"


def test_the_fields_that_reasons_may_name_are_ours() -> None:
    names = [*PROPERTIES, VECTOR]
    assert rf"\[(?:{'|'.join(names)})\]" == FIELD


def test_a_hint_follows_the_kind_of_an_error() -> None:
    error = with_reason("routing_missing_exception", "routing is required for [secret]/[1]")
    with_hint(error)
    assert describe(error).endswith("(400): sessions of this index are routed, give routing=True")
    assert str(error).count("give routing=True") == 1
    with_hint(error)
    assert str(error).count("give routing=True") == 1


def test_a_certificate_of_an_unknown_signer_is_told_with_what_to_do() -> None:
    said = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "
    for cause in ("unable to get local issuer certificate", "self-signed certificate in chain"):
        assert describe(TlsError(said + cause)).endswith(f"{cause}{SIGNER_HINT}")
    assert describe(TlsError(f"{said}it has expired")) == f"TlsError: {said}it has expired"


@pytest.mark.parametrize("body", ["<html>secret</html>", {"error": "secret"}, None])
def test_an_answer_that_is_not_elasticsearchs_own_is_not_quoted(body: object) -> None:
    error = ApiError("secret", refusal("x", 502).meta, body)
    assert describe(error) == "ApiError (502)"


def test_a_failed_connection_is_told_by_its_kind() -> None:
    assert describe(ConnectionTimeout("timed out")) == "ConnectionTimeout: timed out"


def test_an_error_of_another_kind_is_not_quoted() -> None:
    assert describe(KeyError("secret")) == "KeyError"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (with_reason("index_closed_exception", "closed"), "It failed: index_closed_exception"),
        (ConnectionTimeout("slow"), "Error connecting to Elasticsearch: ConnectionTimeout: slow"),
        (MessagesNotStoredError("chats", "s", {0: "why"}), "It failed: 1 of 1 messages"),
    ],
)
def test_a_failure_is_one_line_and_passes_through(
    error: Exception, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(error)) as caught, Logged("It failed", None):
        raise error
    assert caught.value is error
    (record,) = caplog.records
    assert record.getMessage().startswith(line)
    assert record.levelno == logging.ERROR
    assert record.exc_info is None


@pytest.mark.parametrize("error", [ValueError("a"), ChatHistoryError("closed"), KeyError("b")])
def test_what_elasticsearch_has_no_part_in_is_not_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(error)), Logged("It failed", None):
        raise error
    assert caplog.records == []
