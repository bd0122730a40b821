"""A message as a record of an export, and the checks of an import."""

import json
from typing import Any

import pytest
from hypothesis import given
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict

from elasticsearch_chat_history._documents.fields import IndexLayout
from elasticsearch_chat_history._documents.records import (
    Record,
    checked_records,
    latest_seqs,
    numbered,
    record_at,
    record_of,
)
from tests.support.messages import messages

SECRET = "the text of the message"
COMPLETE = IndexLayout(complete=True)
MESSAGE = {"type": "human", "data": {"content": "Hello"}}
RECORD = {
    "id": "m1",
    "session_id": "s",
    "created_at": "2026-01-02T03:04:05.678Z",
    "seq": 1_767_323_045_678_001,
    "message": MESSAGE,
    "metadata": {"tenant": "a"},
}
MILLISECONDS = 1_767_323_045_678


def hit(history: object = "{}", created_at: object = MILLISECONDS, **source: Any) -> Any:
    return {
        "_id": "m1",
        "_source": {"session_id": "s", "history": history, **source},
        "sort": ["s", str(created_at), 0, 0, 0],
    }


def record(item: object, position: int = 0) -> Record:
    found = record_at(position, item, ensure_ascii=True)
    assert found is not None
    return found


def numbers(*items: tuple[str, int, int | None]) -> list[int]:
    """Return the `seq` that records get in one batch."""
    given = [
        record({**RECORD, "session_id": session_id, "created_at": created_at, "seq": seq})
        for session_id, created_at, seq in items
    ]
    return [document.seq for document in numbered(given, {})[0]]


def test_a_record_has_the_message_its_place_and_its_metadata() -> None:
    stored = hit(json.dumps(MESSAGE), seq=RECORD["seq"], metadata={"tenant": "a"})
    assert record_of(stored) == RECORD
    upstreams = record_of(hit(json.dumps(MESSAGE)))
    assert upstreams == {**RECORD, "seq": None, "metadata": {}}


@pytest.mark.parametrize(
    "history",
    ["", "not JSON", "[1]", '"text"', "[" * 100_000, None, 5, '{"a": NaN}', '{"a": -Infinity}'],
)
def test_what_json_cannot_hold_comes_as_the_text_that_is_stored(history: object) -> None:
    found = record_of(hit(history))
    assert found["history"] == history
    assert "message" not in found
    assert "history" in record_of({**hit(), "_source": {"session_id": "s"}})


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (MILLISECONDS, "2026-01-02T03:04:05.678Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_survive(milliseconds: int, text: str) -> None:
    found = record_of(hit(created_at=milliseconds))
    assert found["created_at"] == text
    assert record({**RECORD, "created_at": text}).created_at == milliseconds
    assert record({**RECORD, "created_at": milliseconds}).created_at == milliseconds


@pytest.mark.parametrize("milliseconds", [253_402_300_800_000, -62_135_596_800_001])
def test_a_time_of_no_year_that_python_knows_is_exported_and_refused(milliseconds: int) -> None:
    assert record_of(hit(created_at=milliseconds))["created_at"] == milliseconds
    with pytest.raises(ValueError, match="its created_at is out of range"):
        record({**RECORD, "created_at": milliseconds})


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05.678+00:00",
        "2026-01-02T04:04:05.678+01:00",
        "2026-01-02T03:04:05.678999Z",
        "2026-01-02 03:04:05.678z",
    ],
)
def test_times_may_be_written_otherwise(text: str) -> None:
    assert record({**RECORD, "created_at": text}).created_at == MILLISECONDS


def test_the_last_seq_of_each_session_is_known() -> None:
    upstreams = hit()
    ours = {**hit(seq=7), "sort": ["t", "0", 7, 0, 0]}
    earlier = {**hit(seq=6), "sort": ["t", "0", 6, 0, 0]}
    assert latest_seqs([upstreams, earlier, ours]) == {"s": MILLISECONDS * 1000, "t": 7}


@given(messages)
def test_a_message_survives(message: BaseMessage) -> None:
    history = json.dumps(message_to_dict(message))
    line = json.dumps(record_of(hit(history)))
    (document,), _ = numbered([record(line)], {})
    assert document.history == history
    assert messages_from_dict([json.loads(document.history)]) == messages_from_dict(
        [json.loads(history)]
    )
    assert document.type == message.type


def test_a_document_has_all_that_the_record_has() -> None:
    (document,), _ = numbered([record(RECORD)], {})
    assert document.id == "m1"
    assert document.source(COMPLETE) == {
        "session_id": "s",
        "created_at": MILLISECONDS,
        "history": json.dumps(MESSAGE),
        "seq": RECORD["seq"],
        "content": "Hello",
        "type": "human",
        "metadata": {"tenant": "a"},
    }
    assert document.source(IndexLayout(complete=False)).keys() == {
        "session_id",
        "created_at",
        "history",
    }


@pytest.mark.parametrize("history", ["not JSON", "", "[1]"])
def test_an_unreadable_message_is_kept_as_it_is(history: str) -> None:
    item = {key: value for key, value in RECORD.items() if key != "message"}
    (document,), _ = numbered([record({**item, "history": history})], {})
    source = document.source(COMPLETE)
    assert source["history"] == history
    assert source["content"] == ""
    assert "type" not in source


def test_a_text_that_is_a_message_after_all_can_be_searched() -> None:
    history = '{"type": "human", "data": {"content": "Hello", "id": null, "n": NaN}}'
    item = {**RECORD, "message": None, "history": history}
    (document,), _ = numbered([record(item)], {})
    assert (document.history, document.content) == (history, "Hello")


def test_characters_are_escaped_as_the_store_says() -> None:
    item = {**RECORD, "message": {"type": "human", "data": {"content": "世界"}}}
    assert record_at(0, item, ensure_ascii=True).history.isascii()  # type: ignore[union-attr]  # a record
    assert "世界" in record_at(0, item, ensure_ascii=False).history  # type: ignore[union-attr]  # a record
    lone = {**RECORD, "message": {"type": "human", "data": {"content": "\ud800"}}}
    assert record_at(0, lone, ensure_ascii=False).history.isascii()  # type: ignore[union-attr]  # a record


@pytest.mark.parametrize("line", ["", "\n", b"", b" \r\n", bytearray(b"\t")])
def test_blank_lines_are_no_records(line: object) -> None:
    assert record_at(0, line, ensure_ascii=True) is None


@pytest.mark.parametrize("kind", [str.encode, lambda line: bytearray(line.encode()), str])
def test_lines_may_be_text_or_bytes(kind: Any) -> None:
    assert record(kind(json.dumps(RECORD) + "\n")) == record(RECORD)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": None}, "no id"),
        ({"id": ""}, "its id"),
        ({"id": 5}, "its id"),
        ({"id": "x" * 513}, "512 bytes"),
        ({"session_id": None}, "no session_id"),
        ({"session_id": "\ud800"}, "session_id must be valid Unicode"),
        ({"session_id": 5}, "session_id must be a str"),
        ({"created_at": None}, "no created_at"),
        ({"created_at": SECRET}, "created_at is not a time"),
        ({"created_at": "2026-01-02T03:04:05"}, "time zone"),
        ({"created_at": 1.5}, "created_at must be a time"),
        ({"created_at": True}, "created_at must be a time"),
        ({"created_at": 2**60}, "out of range"),
        ({"seq": "5"}, "seq must be"),
        ({"seq": True}, "seq must be"),
        ({"seq": 2**63}, "seq must be"),
        ({"message": None}, "no message"),
        ({"message": SECRET}, "message must be a JSON object"),
        ({"message": {"data": {SECRET: {1, 2}}}}, r"cannot be written as JSON: data\[…\] is of"),
        ({"message": {"data": {"at": {1, 2}}}}, "written as JSON: data.at is of type set"),
        ({"message": {1: SECRET, "1": 2}}, "written as JSON: it has two keys that are one in"),
        ({"history": {"at": {1}}, "message": None}, "written as JSON: at is of type set"),
        ({"metadata": SECRET}, "metadata must be a mapping"),
        ({"metadata": {"a": {1}}}, "metadata 'a' must be JSON"),
        ({"metadata": {"a": "x" * 40_000}}, "longer than"),
    ],
)
def test_a_bad_record_is_an_error_without_its_text(change: Any, complaint: str) -> None:
    with pytest.raises((TypeError, ValueError), match=complaint) as caught:
        record({**RECORD, **change})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "line", [f"{{ {SECRET}", f'"{SECRET}"', b"\xff\xfe" + SECRET.encode(), "[" * 100_000, 5, None]
)
def test_what_is_no_object_is_an_error_without_its_text(line: object) -> None:
    with pytest.raises((TypeError, ValueError), match="JSON") as caught:
        record(line)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("given_records", ["records.jsonl", b"{}", RECORD, None, 5])
def test_what_holds_no_records_is_refused(given_records: object) -> None:
    with pytest.raises(TypeError, match="records must be an iterable"):
        checked_records(given_records)


def test_records_without_seq_keep_their_order() -> None:
    assert numbers(("s", 5, None), ("s", 5, None), ("s", 6, None), ("t", 6, None)) == [
        5_000,
        5_001,
        6_000,
        6_000,
    ]


def test_records_without_seq_come_before_those_that_have_one() -> None:
    assert numbers(("s", 5, None), ("s", 5, None), ("s", 5, 5_001), ("s", 5, 5_400)) == [
        4_999,
        5_000,
        5_001,
        5_400,
    ]


def test_sessions_may_be_mixed_and_batches_end_anywhere() -> None:
    mixed = [
        record({**RECORD, "session_id": session_id, "created_at": 5, "seq": None})
        for session_id in "stst"
    ]
    first, ends = numbered(mixed, {})
    second, _ = numbered(mixed, ends)
    assert [document.seq for document in first] == [5_000, 5_000, 5_001, 5_001]
    assert [document.seq for document in second] == [5_002, 5_002, 5_003, 5_003]


def test_a_time_that_disagrees_with_seq_is_kept() -> None:
    later = {**RECORD, "seq": (MILLISECONDS + 2) * 1000}
    (document,), _ = numbered([record(later)], {})
    source = document.source(COMPLETE)
    assert (source["created_at"], source["seq"]) == (MILLISECONDS, later["seq"])
