"""What is said of a failure, and what is not."""

import logging

import pytest
from elasticsearch import ApiError, ConnectionTimeout

from elasticsearch_chat_history import ChatHistoryError, MessagesNotStoredError
from elasticsearch_chat_history._reporting import describe, logged
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
    with pytest.raises(type(error)) as caught, logged("It failed"):
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
    with pytest.raises(type(error)), logged("It failed"):
        raise error
    assert caplog.records == []
