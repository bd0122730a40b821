"""Results at run time: their types resolve, and they go to JSON and back."""

from datetime import datetime, timezone
from typing import Any, get_type_hints

import pytest
from langchain_core.messages import BaseMessage, HumanMessage, message_to_dict
from pydantic import TypeAdapter, ValidationError

import elasticsearch_chat_history
from elasticsearch_chat_history import (
    Highlight,
    ImportResult,
    SearchHit,
    SessionSummary,
    StoredMessage,
)
from tests.support.messages import EVERY_TYPE

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)
STORED = StoredMessage("d1", "s", WHEN, HumanMessage("Hello", id="h1"), {"users": ["u1", 2]})
RESULTS = [
    STORED,
    SessionSummary("s", 2, WHEN, WHEN, STORED),
    SessionSummary("s", 2, WHEN, WHEN, None),
    Highlight("a shard", ((2, 7),)),
    ImportResult(3, 2),
    SearchHit(1.5, STORED, (Highlight("a shard", ((2, 7),)),), "cursor"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_goes_to_json_and_back(result: object) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(type(result))
    assert adapter.validate_json(adapter.dump_json(result)) == result
    assert adapter.validate_python(adapter.dump_python(result)) == result
    assert adapter.json_schema()
    assert get_type_hints(type(result))


@pytest.mark.parametrize("message", EVERY_TYPE, ids=lambda message: message.type)
def test_a_message_has_the_form_of_langchain(message: BaseMessage) -> None:
    adapter = TypeAdapter(StoredMessage)
    stored = StoredMessage("d1", "s", WHEN, message, {})
    assert adapter.dump_python(stored)["message"] == message_to_dict(message)
    again = adapter.validate_json(adapter.dump_json(stored)).message
    assert again == message
    assert type(again) is type(message)


@pytest.mark.parametrize("message", ["secret", {"type": "secret"}, {"content": "secret"}, None])
def test_what_is_no_message_is_an_error_of_validation(message: object) -> None:
    adapter = TypeAdapter(StoredMessage)
    given = {**adapter.dump_python(STORED), "message": message}
    with pytest.raises(ValidationError, match="message"):
        adapter.validate_python(given)


@pytest.mark.parametrize("name", ["Refresh", "SearchMode", "SearchOperator", "SessionOrder"])
def test_the_choices_are_public_types(name: str) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(getattr(elasticsearch_chat_history, name))
    with pytest.raises(ValidationError):
        adapter.validate_python("none of them")
