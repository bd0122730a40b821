"""Values as JSON: what JSON has no form for, or would lose, is named by its path."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from elasticsearch_chat_history._arguments import is_encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


def _dumps_of_orjson() -> Callable[[object], bytes]:
    """Return orjson's function, which raises TypeError for what it cannot express."""
    try:
        from orjson import dumps  # noqa: PLC0415  # langchain-core brings it, but for PyPy
    except ImportError:  # pragma: no cover
        return _refuse
    return dumps


def _refuse(_value: object) -> bytes:
    raise TypeError


fast_dumps = _dumps_of_orjson()
# Any other key may be a text that errors must not quote.
SHOWN_KEY = re.compile(r"[A-Za-z_][\w-]{0,49}", re.ASCII)
SCALARS = (str, int, float, type(None))


def compact_json(value: object) -> bytes:
    """Return `value`, whose numbers are finite, as JSON without any space."""
    try:
        return fast_dumps(value)
    except TypeError:  # such as an integer of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_value(text: str) -> Any:
    """Return the value of a JSON text, as `json.loads` does.

    Raises:
        ValueError: It is not JSON.
        TypeError: It is no text.
        RecursionError: It is nested too deep.
    """
    try:
        return from_json(text)
    except ValueError:  # such as a lone surrogate
        return json.loads(text)


def json_text(value: object, *, ensure_ascii: bool = True) -> str:
    """Return `value` as JSON.

    Raises:
        ValueError: JSON cannot express it. The error names the path, and quotes no value.
    """
    try:
        text = json.dumps(value, ensure_ascii=ensure_ascii)
        problem = next(_problems(value), None) if _may_have_other_keys(value) else None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except (TypeError, ValueError) as error:
        raise ValueError(next(_problems(value), type(error).__name__)) from None
    if problem is not None:
        raise ValueError(problem)
    # Elasticsearch refuses lone surrogates, so such a text is escaped anyway.
    return text if is_encodable(text) else json.dumps(value)


def _may_have_other_keys(value: object) -> bool:
    """Tell whether a key somewhere in `value` is no str, so that it might become equal to one."""
    try:
        fast_dumps(value)
    except TypeError:
        return True
    return False


def _problems(value: object, path: str = "", above: tuple[int, ...] = ()) -> Iterator[str]:
    """Yield what JSON cannot express in `value`, and where."""
    where = path or "it"
    inside = (*above, id(value))
    if isinstance(value, SCALARS):
        return
    if id(value) in above:
        yield f"{where} holds itself"
    elif isinstance(value, dict):
        yield from _problems_of_keys(value, where)
        for key, item in value.items():
            yield from _problems(item, _below(path, key), inside)
    elif isinstance(value, (list, tuple)):
        for at, item in enumerate(value):
            yield from _problems(item, f"{path}[{at}]", inside)
    else:
        yield f"{where} is of type {type(value).__name__}"


def _problems_of_keys(value: Mapping[Any, Any], where: str) -> Iterator[str]:
    keys: dict[str, Any] = {}
    for key in value:
        if not isinstance(key, SCALARS):
            yield f"a key of {where} is of type {type(key).__name__}"
            continue
        written = key if isinstance(key, str) else json.dumps(key)
        if written in keys:
            yield f"{where} has two keys that are one in JSON: {keys[written]!r} and {key!r}"
        keys[written] = key


def _below(path: str, key: object) -> str:
    if not isinstance(key, str):
        return f"{path}[{key!r}]"
    if not SHOWN_KEY.fullmatch(key):
        return f"{path}[…]"
    return f"{path}.{key}" if path else key
