"""The lines of a bulk request, and what its answer says of each document."""

import json
from typing import Any

import pytest
from elasticsearch import ApiError, ConnectionTimeout
from elasticsearch import ConnectionError as EsConnectionError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history._documents.document import Document, documents_of
from elasticsearch_chat_history._documents.fields import GUARD, IndexLayout
from elasticsearch_chat_history._requests.bulk import created_in, failure_of_created, lines_of
from elasticsearch_chat_history._requests.failures import Failure, failure_of_request
from tests.support.api_errors import refusal

COMPLETE = IndexLayout(complete=True)


def document(text: str = "Grüße\n") -> Document:
    (one,) = documents_of([HumanMessage(text)], "s", [1_700_000_000_000_000], ensure_ascii=False)
    return one


def test_a_document_is_two_lines_of_utf8() -> None:
    one = document()
    lines = lines_of(one, COMPLETE)
    action, source, rest = lines.decode().split("\n")
    assert rest == ""
    guard = {"session_id": GUARD, "seq": GUARD}
    assert json.loads(action) == {"create": {"_id": one.id, "dynamic_templates": guard}}
    assert json.loads(source) == one.source(IndexLayout(complete=True))
    assert "Grüße".encode() in lines


def test_an_incomplete_index_gets_upstreams_fields() -> None:
    _, source, _ = lines_of(document(), IndexLayout(complete=False)).split(b"\n")
    assert json.loads(source).keys() == {"session_id", "created_at", "history"}


def test_routing_goes_with_the_action() -> None:
    action, *_ = lines_of(document(), COMPLETE, routing="s").split(b"\n")
    assert json.loads(action)["create"]["routing"] == "s"


def item(status: int, kind: str = "some_exception", reason: str = "") -> dict[str, Any]:
    return {"create": {"status": status, "error": {"type": kind, "reason": reason}}}


def failures_in(answer: dict[str, Any]) -> list[Failure | None]:
    return [failure_of_created(one) for one in created_in(answer)]


def test_what_exists_already_is_stored() -> None:
    answer = {"items": [item(409, "version_conflict_engine_exception")]}
    assert failures_in(answer) == [None]


def test_each_failure_stands_in_its_place() -> None:
    items = [
        {"create": {"status": 201}},
        item(400, "document_parsing_exception", "failed on: the text of the message"),
        item(429, "es_rejected_execution_exception", "no room"),
        item(503, "unavailable_shards_exception", "primary shard is not active"),
        item(404, "index_not_found_exception", "no such index [chats]"),
    ]
    stored, refused, rejected, unavailable, vanished = failures_in({"items": items})
    assert stored is None
    assert refused is not None
    assert rejected is not None
    assert unavailable is not None
    assert vanished is not None
    assert (refused.retriable, refused.unprepared, refused.refused) == (False, False, True)
    assert refused.reason == "document_parsing_exception (400)"
    assert (rejected.retriable, rejected.overload) == (True, True)
    assert (unavailable.retriable, unavailable.overload) == (True, False)
    assert (vanished.retriable, vanished.unprepared) == (False, True)
    assert not any(failure.refused for failure in (rejected, unavailable, vanished))


def test_a_status_of_success_alone_does_not_say_that_a_document_is_stored() -> None:
    items = [
        {"create": {"status": 200, "result": "noop", "_seq_no": -2}},
        {"create": {"status": 201, "result": "created", "failure_store": "used"}},
        {"create": {"status": 201, "result": "created", "_seq_no": 0}},
    ]
    dropped, kept_aside, stored = failures_in({"items": items})
    assert dropped is not None
    assert "pipeline" in dropped.reason
    assert kept_aside is not None
    assert "failure store" in kept_aside.reason
    assert stored is None


def test_an_index_that_lacks_fields_is_not_the_fault_of_the_document() -> None:
    reason = f"Can't find dynamic template for dynamic template name [{GUARD}]"
    answer = {"items": [item(400, "document_parsing_exception", reason)]}
    (failure,) = failures_in(answer)
    assert failure is not None
    assert (failure.unprepared, failure.refused) == (True, False)


@pytest.mark.parametrize(
    ("error", "count", "retriable", "overload"),
    [
        (refusal("es_rejected_execution_exception", 429), 5, True, True),
        (refusal("too_large", 413), 5, True, True),
        (refusal("too_large", 413), 1, False, True),
        (refusal("unavailable", 503), 5, True, False),
        (refusal("security_exception", 403), 5, False, False),
        (EsConnectionError("away"), 5, True, False),
        (ConnectionTimeout("slow"), 5, True, False),
    ],
)
def test_an_error_of_the_whole_request_tells_what_may_help(
    error: ApiError, count: int, retriable: bool, overload: bool
) -> None:
    failure = failure_of_request(error, count)
    assert (failure.retriable, failure.overload) == (retriable, overload)
    assert failure.cause is error
