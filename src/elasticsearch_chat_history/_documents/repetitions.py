"""What of a session of the OpenAI Agents SDK is the same once more.

The runner stores the input of a run before it asks the model. If the run fails and is made again,
it stores the same input again, with nothing that names the run. So it is known by what it follows.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_chat_history._documents.items import Item

INPUT_ROLES = frozenset({"user", "system", "developer"})
# As the Responses API makes ids. Those of other models, such as "1" or "__fake_id__", are in many
# items.
UNIQUE_ID = re.compile(r"[a-z]+(?:_[a-z]+)*_[0-9A-Za-z-]{16,}")


def is_question(items: Sequence[Item]) -> bool:
    """Tell whether items are the input of a run, and not what a run has made."""
    return _last_input(items) is not None


def begin_of(items: Sequence[Item], stored: Sequence[Item]) -> int | None:
    """Return where in `stored` the last input begins if it is `items`.

    Args:
        items: The input of a run.
        stored: The last items of a session.

    Returns:
        The position, below 0 if it lies before; None if there is no input in `stored`.
    """
    last, last_stored = _last_input(items), _last_input(stored)
    if last is None or last_stored is None:
        return None
    return last_stored - last


def repeats(items: Sequence[Item], stored: Sequence[Item]) -> bool:
    """Tell whether items are the last input of a session once more, which has no answer yet.

    It has none as long as the session does not end with a message of the assistant: what follows
    the input is what a run has left that did not get further.

    Args:
        items: The input of a run.
        stored: The last items of the session.
    """
    begin = begin_of(items, stored)
    if begin is None or begin < 0:
        return False
    end = begin + len(items)
    if _text_of(stored[begin:end]) != _text_of(items):
        return False
    return end == len(stored) or stored[-1].get("role") is None


@dataclass(frozen=True)
class ItemKeys:
    """The names under which items are stored once.

    Attributes:
        keys: One for each item.
        of_input: The positions of those that only hold as long as nothing else follows.
    """

    keys: tuple[str, ...]
    of_input: frozenset[int]


def keys_of(items: Sequence[Item], last_id: str | None = None) -> ItemKeys:
    """Return the keys of items that come after the document `last_id`.

    An item with a unique id of the model has it in its key. In the input of a run, the others are
    known by what they follow, so that two runs that begin at once store it once.

    Args:
        items: The items.
        last_id: The id of the last document of the session; None if there is none, or if the
            items are not the input of a run.
    """
    question = is_question(items)
    keys: dict[str, int] = {}
    of_input = set()
    for position, item in enumerate(items):
        key = _digest("item", item)
        if not _has_unique_id(item):
            if question:
                of_input.add(position)
                key = _digest("input", last_id, position, items)
            else:
                key = str(uuid.uuid4())
        # The same item twice in one call is meant.
        keys[key if key not in keys else str(uuid.uuid4())] = position
    return ItemKeys(tuple(keys), frozenset(of_input))


def has_unique_ids(items: Sequence[Item]) -> bool:
    """Tell whether the id of an item makes it known wherever it comes again."""
    return any(_has_unique_id(item) for item in items)


def _has_unique_id(item: Item) -> bool:
    found = item.get("id")
    return isinstance(found, str) and UNIQUE_ID.fullmatch(found) is not None


def _last_input(items: Sequence[Item]) -> int | None:
    for position in range(len(items) - 1, -1, -1):
        role = items[position].get("role")
        if isinstance(role, str) and role in INPUT_ROLES:
            return position
    return None


def _digest(*values: object) -> str:
    return hashlib.sha256(_text_of(values).encode()).hexdigest()


def _text_of(value: object) -> str:
    # Unlike `==`, it tells 1, 1.0 and True apart.
    return json.dumps(value, sort_keys=True)
