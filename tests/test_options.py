"""The options of a history are checked where they are given."""

from datetime import timedelta
from typing import Any

import pytest

from elasticsearch_chat_history._options import SessionOptions


def test_the_defaults_are_the_documented_ones() -> None:
    options = SessionOptions()
    assert options.ensure_ascii is True
    assert options.refresh is True
    assert options.max_retries == 10
    assert [options.history_size, options.ttl, options.metadata] == [None, None, None]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"history_size": 0}, ValueError),
        ({"ttl": timedelta(0)}, ValueError),
        ({"metadata": "a"}, TypeError),
        ({"refresh": "no"}, ValueError),
        ({"max_retries": -1}, ValueError),
        ({"max_retries": 1.5}, TypeError),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        SessionOptions(**options)


def test_metadata_is_kept_as_a_copy() -> None:
    given = {"a": ["b"]}
    options = SessionOptions(metadata=given)
    given["a"].append("c")
    assert options.metadata == {"a": ["b"]}


def test_some_options_can_be_replaced() -> None:
    options = SessionOptions(history_size=5, metadata={"a": 1, "b": 1})
    replaced = options.overridden(history_size=None, refresh=False, metadata={"b": 2})
    assert replaced == SessionOptions(refresh=False, metadata={"a": 1, "b": 2})
    assert options.overridden() == options
    assert options.overridden(ensure_ascii=None).ensure_ascii is True


@pytest.mark.parametrize("name", ["routing", "index", "size"])
def test_what_is_no_option_of_a_session_is_named(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        SessionOptions().overridden(**{name: 1})  # type: ignore[arg-type]  # on purpose
