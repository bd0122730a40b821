"""What a look at an existing index finds."""

from typing import Any

import pytest

from elasticsearch_chat_history import IndexMappingError
from elasticsearch_chat_history._documents.fields import (
    EXACT_FIELDS,
    GUARD,
    PROPERTIES,
    VECTOR,
    VECTOR_PROPERTY,
    IndexLayout,
    report_on,
)
from elasticsearch_chat_history._requests.failures import index_is_unprepared
from tests.support.documents import OWN_MAPPINGS


def fields(**types: str | None) -> dict[str, dict[str, Any]]:
    """Return a field capabilities answer: our own index but for the types given."""
    all_types = {name: options["type"] for name, options in PROPERTIES.items()} | types
    return {name: {one: {}} for name, one in all_types.items() if one is not None}


def test_the_mapping_is_that_of_the_contract() -> None:
    assert {"properties": PROPERTIES} == OWN_MAPPINGS


def test_our_own_index_lacks_nothing() -> None:
    report = report_on("chats", fields())
    assert report.missing == report.unusable == ()


def test_what_upstreams_index_lacks_is_added() -> None:
    found = fields(seq=None, content=None, type=None, metadata=None)
    report = report_on("chats", found)
    assert report.missing == ("seq", "content", "type", "metadata")
    wanted = {*PROPERTIES}
    assert report.layout(wanted=wanted, added=report.missing) == IndexLayout(complete=True)
    assert report.layout(wanted=wanted, added=()) == IndexLayout(complete=False)


def test_an_index_without_a_field_for_vectors_takes_all_but_them() -> None:
    wanted = {**PROPERTIES, VECTOR: VECTOR_PROPERTY}
    report = report_on("chats", fields(), wanted)
    assert report.missing == (VECTOR,)
    assert report.layout(wanted=wanted, added=()) == IndexLayout(complete=True)
    vectors = IndexLayout(complete=True, vectors=True)
    assert report.layout(wanted=wanted, added=report.missing) == vectors
    other = report_on("chats", fields(embedding="float"), wanted)
    assert other.unusable == (VECTOR,)
    assert other.layout(wanted=wanted, added=()) == IndexLayout(complete=True)


def test_a_field_that_some_indices_of_an_alias_lack_is_missing() -> None:
    found = fields()
    found["seq"] = {"long": {}, "unmapped": {}}
    assert report_on("chats", found).missing == ("seq",)


@pytest.mark.parametrize("field", EXACT_FIELDS)
def test_a_field_that_tells_sessions_apart_or_orders_them_must_fit(field: str) -> None:
    with pytest.raises(IndexMappingError) as caught:
        report_on("chats", fields(**{field: "text"}))
    assert caught.value.conflicts == {field: ("text", PROPERTIES[field]["type"])}


def test_types_that_differ_between_the_indices_of_an_alias_are_all_named() -> None:
    found = fields()
    found["session_id"] = {"keyword": {}, "text": {}, "long": {}}
    with pytest.raises(IndexMappingError) as caught:
        report_on("chats", found)
    assert caught.value.conflicts == {"session_id": ("long and text", "keyword")}


@pytest.mark.parametrize("field", ["content", "type", "metadata"])
def test_a_wrong_type_elsewhere_costs_the_search_only(field: str) -> None:
    assert report_on("chats", fields(**{field: "long"})).unusable == (field,)


def test_history_may_have_any_type() -> None:
    report = report_on("chats", fields(history="keyword"))
    assert report.unusable == report.missing == ()


def test_a_write_guards_the_fields_that_it_needs() -> None:
    assert IndexLayout(complete=True).write_guard == {"session_id": GUARD, "seq": GUARD}
    assert IndexLayout(complete=False).write_guard == {"session_id": GUARD}


def test_an_index_that_changed_is_told_from_other_failures() -> None:
    assert index_is_unprepared({"type": "index_not_found_exception", "reason": "no such index"})
    assert index_is_unprepared({"type": "strict_dynamic_mapping_exception", "reason": "seq"})
    assert index_is_unprepared(
        {"type": "document_parsing_exception", "reason": f"Can't find dynamic template [{GUARD}]"}
    )
    assert not index_is_unprepared({"type": "document_parsing_exception", "reason": "bad date"})
    assert not index_is_unprepared({"type": "cluster_block_exception"})
