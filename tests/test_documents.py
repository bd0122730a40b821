"""From a message to its document, and back."""

import json
import uuid
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core import messages as langchain_messages
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    HumanMessage,
    ToolMessage,
    message_to_dict,
)

from elasticsearch_chat_history import UnreadableMessageError
from elasticsearch_chat_history._documents.document import (
    READABLE_TYPES,
    Document,
    derived_id,
    documents_of,
    message_of,
    stored_message_of,
    time_ordered_id,
)
from elasticsearch_chat_history._documents.fields import IndexLayout
from tests.support.messages import EVERY_TYPE, messages, numbered

WHEN = datetime(2026, 1, 2, tzinfo=timezone.utc)
SEQ = 1_700_000_000_123_456


def document_of(message: BaseMessage, **options: Any) -> Document:
    (document,) = documents_of([message], "s", [SEQ], **options)
    return document


def read(document: Document) -> BaseMessage:
    return message_of({"_id": "d", "_source": {"history": document.history}}, "s")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=messages, ensure_ascii=st.booleans())
def test_a_message_comes_back_equal(message: BaseMessage, ensure_ascii: bool) -> None:
    document = document_of(message, ensure_ascii=ensure_ascii)
    assert read(document) == message
    assert document.history.isascii() or not ensure_ascii
    # Elasticsearch takes valid Unicode only.
    assert json.dumps(document.source(IndexLayout(complete=True)), ensure_ascii=False).encode()


@pytest.mark.parametrize("message", EVERY_TYPE, ids=lambda message: type(message).__name__)
def test_every_type_comes_back_equal(message: BaseMessage) -> None:
    again = read(document_of(message))
    assert again == message
    assert type(again) is type(message)


def test_every_type_of_langchain_core_is_known() -> None:
    public = [getattr(langchain_messages, name) for name in langchain_messages.__all__]
    classes = {
        one
        for one in public
        if isinstance(one, type)
        and issubclass(one, BaseMessage)
        and one not in {BaseMessage, BaseMessageChunk}
    }
    assert {type(message) for message in EVERY_TYPE} == classes
    assert {message.type for message in EVERY_TYPE} == READABLE_TYPES


def test_the_stored_text_is_what_upstream_stores() -> None:
    message = HumanMessage("Grüße")
    assert document_of(message).history == json.dumps(message_to_dict(message))
    plain = json.dumps(message_to_dict(message), ensure_ascii=False)
    assert document_of(message, ensure_ascii=False).history == plain


def test_lone_surrogates_are_escaped_and_left_out_of_the_searchable_text() -> None:
    document = document_of(HumanMessage("a \ud83d b"), ensure_ascii=False)
    assert document.history.isascii()
    assert document.content == "a ? b"
    assert read(document).content == "a \ud83d b"


def test_the_time_never_disagrees_with_the_sequence() -> None:
    source = document_of(HumanMessage("a")).source(IndexLayout(complete=True))
    assert source["seq"] == SEQ
    assert source["created_at"] == SEQ // 1000


def test_an_incomplete_document_has_upstreams_fields() -> None:
    source = document_of(HumanMessage("a"), metadata={"a": 1}).source(IndexLayout(complete=False))
    assert source.keys() == {"session_id", "created_at", "history"}


def test_ids_are_uuid7_that_sort_like_their_sequence() -> None:
    sequences = [SEQ, SEQ + 1, SEQ + 999, SEQ + 1000, SEQ + 10**9]
    ids = [time_ordered_id(seq) for seq in sequences]
    parsed = [uuid.UUID(one) for one in ids]
    assert ids == sorted(ids)
    assert {one.version for one in parsed} == {7}
    assert {one.variant for one in parsed} == {uuid.RFC_4122}
    assert [one.int >> 80 for one in parsed] == [seq // 1000 for seq in sequences]
    assert time_ordered_id(SEQ) != time_ordered_id(SEQ)


def test_ids_from_a_key_tell_sessions_keys_and_positions_apart() -> None:
    cases: list[tuple[str, str, int | None]] = [
        ("s", "k", 0),
        ("s", "k", 1),
        ("s", "l", 0),
        ("t", "k", 0),
        ('s","k', "k", 0),
        ("s", "k", None),
    ]
    assert len({derived_id(*case) for case in cases}) == len(cases)
    assert derived_id("s", "k", 0) == derived_id("s", "k", 0)
    # It holds across processes and versions, so that it must never change.
    assert derived_id("s", "k", 0) == "f53b0db3-815c-59b7-a7fd-50c440000971"
    assert derived_id("s", "k", None) == "1d32464d-d45b-56a4-8ba8-a1d703c27ed3"


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = [value]
    return value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (object(), "additional_kwargs.a is of type object"),
        (
            {"deep": [{"at": WHEN}]},
            r"additional_kwargs.a.deep\[0\].at is of type datetime",
        ),
        ((1, Decimal(1)), r"additional_kwargs.a\[1\] is of type Decimal"),
        ({"id": uuid.uuid4()}, "additional_kwargs.a.id is of type UUID"),
        ({"id": b"secret"}, "additional_kwargs.a.id is of type bytes"),
        ({"a secret": {1}}, r"additional_kwargs.a\[…\] is of type set"),
        ({1: {2.5: {"id": {1}}}}, r"additional_kwargs.a\[1\]\[2.5\].id is of type set"),
        ({("secret",): 1}, "a key of additional_kwargs.a is of type tuple"),
        ({1: "x", "1": "y"}, "additional_kwargs.a has two keys that are one in JSON: 1 and '1'"),
        ([{"true": 1, True: 2}], r"a\[0\] has two keys that are one in JSON: 'true' and True"),
        ({None: 1, "null": 2}, "two keys that are one in JSON: None and 'null'"),
        ({1.5: 1, "1.5": 2}, "two keys that are one in JSON: 1.5 and '1.5'"),
    ],
)
def test_what_json_cannot_hold_is_named_by_position_and_path(value: Any, problem: str) -> None:
    wrong = HumanMessage("secret", additional_kwargs={"a": value})
    with pytest.raises(TypeError, match=f"position 2 .*'human'.*{problem}") as caught:
        documents_of([*numbered(2), wrong], "s", range(3))
    assert "secret" not in str(caught.value)


def test_any_field_is_named() -> None:
    wrong = AIMessage("", response_metadata={"deep": [{"at": WHEN}]})
    with pytest.raises(TypeError, match=r": response_metadata.deep\[0\].at is of type datetime"):
        documents_of([wrong], "s", [SEQ])


def test_what_holds_itself_is_an_error() -> None:
    wrong = ToolMessage("", tool_call_id="c", artifact=cyclic())
    with pytest.raises(TypeError, match="position 0"):
        documents_of([wrong], "s", [SEQ])


def test_other_keys_are_stored_as_json_has_them() -> None:
    message = HumanMessage("", additional_kwargs={"a": {1: "x", "2": "y", None: {True: "z"}}})
    stored = json.loads(document_of(message).history)["data"]["additional_kwargs"]
    assert stored == {"a": {"1": "x", "2": "y", "null": {"true": "z"}}}


def test_a_hit_is_a_stored_message() -> None:
    source = {"history": document_of(HumanMessage("a")).history, "session_id": "s"}
    stored = stored_message_of({"_id": "d", "_source": source, "sort": ["1700000000123", SEQ, 0]})
    assert stored.id == "d"
    assert stored.created_at == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=timezone.utc)
    assert stored.message == HumanMessage("a")
    assert stored.metadata == {}


def test_an_unreadable_hit_is_named_without_its_text() -> None:
    hit = {"_id": "d", "_source": {"history": '{"type": "tool", "data": {"content": "secret"}}'}}
    with pytest.raises(UnreadableMessageError, match="'d' of session 's'") as caught:
        message_of(hit, "s")
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
