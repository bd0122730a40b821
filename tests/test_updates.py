"""Changes to documents that are there, and how they are divided among requests."""

import json
from typing import Any

import pytest

from elasticsearch_chat_history._updates import Update, in_requests


@pytest.mark.parametrize(("routing", "told"), [("r", {"routing": "r"}), (None, {})])
def test_an_update_is_written_for_its_own_index_and_shard(
    routing: str | None, told: dict[str, Any]
) -> None:
    update = Update("chats", "0", routing, {"type": "human"})
    action, body = [json.loads(line) for line in update.lines.splitlines()]
    assert action == {"update": {"_index": "chats", "_id": "0", "retry_on_conflict": 3, **told}}
    assert body == {"doc": {"type": "human"}}


def test_requests_are_limited_by_number_and_size() -> None:
    updates = [Update("chats", str(number), None, {"seq": number}) for number in range(5)]
    size = len(updates[0].lines)
    by_number = in_requests(updates, most=2, most_bytes=1_000_000)
    assert [len(part) for part in by_number] == [2, 2, 1]
    by_size = in_requests(updates, most=100, most_bytes=3 * size)
    assert [len(part) for part in by_size] == [3, 2]
    alone = list(in_requests(updates, most=100, most_bytes=1))
    assert [part[0].id for part in alone] == ["0", "1", "2", "3", "4"]
    assert list(in_requests([], most=1, most_bytes=1)) == []
