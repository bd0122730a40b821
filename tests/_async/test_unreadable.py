"""A document that holds no message is named, and harms no other."""

import json
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    UnreadableMessageError,
)
from tests.support.documents import own_document
from tests.support.messages import numbered, texts
from tests.support.server import store

SECRET = "the text of the message"


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (f"{{ {SECRET}", "not JSON"),
        ("", "not JSON"),
        (None, "not JSON"),
        (json.dumps({"type": "shout", "data": {"content": SECRET}}), "'shout'"),
        (json.dumps({"data": {"content": SECRET}}), "not a message"),
        (json.dumps({"type": "human"}), "not a message"),
        (json.dumps({"type": "tool", "data": {"content": SECRET}}), "not a message"),
        (json.dumps({"type": "human", "data": {"content": {"a": SECRET}}}), "not a message"),
        (json.dumps(SECRET), "a JSON str"),
        (json.dumps([SECRET]), "a JSON list"),
        ("[" * 100_000, "nested too deep"),
        ("missing", "no history field"),
    ],
)
async def test_it_is_named_with_what_is_wrong(
    async_history: AsyncElasticsearchChatMessageHistory,
    admin: Elasticsearch,
    field: Any,
    reason: str,
) -> None:
    session_id = async_history.session_id
    documents = [own_document(session_id, number, one) for number, one in enumerate(numbered(3))]
    if field == "missing":
        del documents[1]["history"]
    else:
        documents[1]["history"] = field
    _, unreadable, _ = store(admin, async_history.index, documents)
    with pytest.raises(UnreadableMessageError, match=reason) as caught:
        await async_history.aget_messages()
    assert caught.value.document_id == unreadable
    assert caught.value.session_id == session_id
    assert unreadable in str(caught.value)
    assert SECRET not in str(caught.value)
    assert texts(await async_history.aget_messages(limit=1)) == ["2"]
    with pytest.raises(UnreadableMessageError, match=reason):
        _ = [stored async for stored in async_history.aiter_messages()]
    admin.delete(index=async_history.index, id=unreadable, refresh=True)
    assert texts(await async_history.aget_messages()) == ["0", "2"]
