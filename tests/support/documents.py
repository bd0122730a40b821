"""Documents as upstream and we store them, and what a list of their sessions says."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, message_to_dict

from elasticsearch_chat_history import SessionSummary

# The mapping that langchain-elasticsearch makes.
UPSTREAM_MAPPINGS: dict[str, Any] = {
    "properties": {
        "session_id": {"type": "keyword"},
        "created_at": {"type": "date"},
        "history": {"type": "text"},
    }
}
OWN_MAPPINGS: dict[str, Any] = {
    "properties": {
        "session_id": {"type": "keyword"},
        "created_at": {"type": "date"},
        "history": {"type": "text", "index": False},
        "seq": {"type": "long"},
        "content": {"type": "text"},
        "type": {"type": "keyword"},
        "metadata": {"type": "flattened"},
    }
}
# That of an index that cannot take all our fields: of ours, only upstream's three are stored.
CONFLICTING_MAPPINGS: dict[str, Any] = {
    "properties": {**UPSTREAM_MAPPINGS["properties"], "type": {"type": "long"}}
}

BEGIN = 1_700_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
ODD_IDS = ('"', "'", "*", "?", "\\", "a*", "{", "ä", "世界", "🌍", "\uffff", " ", "../")

Document = dict[str, Any]
Row = tuple[str, int, datetime, datetime, str, dict[str, Any]]


def upstream_document(session_id: str, created_at: int, message: BaseMessage) -> dict[str, Any]:
    """Return a message as langchain-elasticsearch stores it."""
    return {
        "session_id": session_id,
        "created_at": created_at,
        "history": json.dumps(message_to_dict(message)),
    }


def own_document(session_id: str, seq: int, message: BaseMessage) -> dict[str, Any]:
    """Return a message as our classes store it."""
    return {**upstream_document(session_id, seq // 1000, message), "seq": seq, "type": "human"}


def complete_document(session_id: str, seq: int, message: BaseMessage) -> dict[str, Any]:
    """Return a message as our classes store it, with all that a search looks at."""
    found = {"content": message.text, "type": message.type}
    return {**own_document(session_id, seq, message), **found}


def documents_of_many_sessions() -> list[Document]:
    """Return the messages of some twenty sessions, many of which end in the same millisecond."""
    documents: list[Document] = []
    for number, session_id in enumerate([*ODD_IDS, *(f"a-{one}" for one in range(8))]):
        # Three times of the last message for all of them, and some of one message only.
        end = BEGIN + number % 3 * 1000
        for back in range(number % 5 + 1):
            message = HumanMessage(f"{session_id} {back}")
            document = own_document(session_id, (end - back * 7) * 1000 + number, message)
            document["metadata"] = {"tenant": "odd" if back % 2 else "even"}
            documents.append(document)
    for number in range(2):
        # Upstream's message of the last millisecond comes before ours.
        session_id = f"both-{number}"
        documents += [
            own_document(session_id, BEGIN * 1000 + 5, HumanMessage("ours")),
            own_document(session_id, BEGIN * 1000 + 4, HumanMessage("ours, but earlier")),
            upstream_document(session_id, BEGIN, HumanMessage("upstream's")),
        ]
    return documents


def expected_rows(documents: Iterable[Document], order: str) -> list[Row]:
    """Return what a list of the sessions of these documents must say, in its order."""
    sessions: dict[str, list[Document]] = {}
    for document in documents:
        sessions.setdefault(document["session_id"], []).append(document)
    rows = []
    for session_id, messages in sessions.items():
        messages.sort(key=lambda one: (one["created_at"], one.get("seq", 0)))
        first, last = messages[0], messages[-1]
        rows.append(
            (
                session_id,
                len(messages),
                EPOCH + timedelta(milliseconds=first["created_at"]),
                EPOCH + timedelta(milliseconds=last["created_at"]),
                json.loads(last["history"])["data"]["content"],
                last.get("metadata", {}),
            )
        )
    rows.sort(key=lambda row: row[0].encode())
    if order == "recent":
        rows.sort(key=lambda row: row[3], reverse=True)
    return rows


def rows_of(summaries: Sequence[SessionSummary]) -> list[Row]:
    """Return what summaries say, as `expected_rows` does."""
    return [
        (
            one.session_id,
            one.message_count,
            one.first_at,
            one.last_at,
            one.last_message.message.text,
            dict(one.last_message.metadata),
        )
        for one in summaries
        if one.last_message is not None
    ]
