"""Changes to documents that are there, and how they are divided among requests."""

import json
from typing import Any

import pytest

from elasticsearch_chat_history._requests import bulk
from elasticsearch_chat_history._requests.bulk import Update, in_requests


@pytest.mark.parametrize(("routing", "told"), [("r", {"routing": "r"}), (None, {})])
def test_an_update_is_written_for_its_own_index_and_shard(
    routing: str | None, told: dict[str, Any]
) -> None:
    update = Update("chats", "0", routing, {"type": "human"})
    action, body = [json.loads(line) for line in update.lines.splitlines()]
    assert action == {"update": {"_index": "chats", "_id": "0", "retry_on_conflict": 3, **told}}
    assert body == {"doc": {"type": "human"}}


def test_requests_are_limited_by_number_and_size(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = [Update("chats", str(number), None, {"seq": number}) for number in range(5)]
    assert list(in_requests(updates)) == [updates]
    assert list(in_requests([])) == []
    monkeypatch.setattr(bulk, "MAX_DOCUMENTS", 2)
    assert [len(part) for part in in_requests(updates)] == [2, 2, 1]
    monkeypatch.setattr(bulk, "MAX_DOCUMENTS", 100)
    monkeypatch.setattr(bulk, "MAX_BYTES", 3 * len(updates[0].lines))
    assert [len(part) for part in in_requests(updates)] == [3, 2]
    monkeypatch.setattr(bulk, "MAX_BYTES", 1)
    assert list(in_requests(updates)) == [[update] for update in updates]
