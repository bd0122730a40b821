"""Names that no index can have: a ValueError before anything is sent, or with the first answer."""

from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, BadRequestError, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)
from tests.support.client_requests import recorded

pytestmark = pytest.mark.server_side

IMPOSSIBLE = ["session 1", "a\\b", 'a"b', "a<b", "a>b", "a|b", "a#b", "-a", "_a", "+a", "a" * 256]
Call = Callable[[AsyncElasticsearchChatMessageHistory], Any]
CALLS: dict[str, Call] = {
    "read": lambda history: history.aget_messages(),
    "read the last": lambda history: history.aget_messages(limit=2),
    "add": lambda history: history.aadd_message(HumanMessage("Hello")),
    "pop": lambda history: history.apop_messages(),
    "search": lambda history: history.asearch("Hello"),
    "clear": lambda history: history.aclear(),
    "create": lambda history: history.create_if_missing(),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
async def test_an_impossible_name_is_refused_as_elasticsearch_would(
    name: str, index: str, admin: Elasticsearch, async_client: AsyncElasticsearch
) -> None:
    with pytest.raises(ValueError, match="index must"):
        AsyncElasticsearchChatMessageHistory(name, "s", client=async_client)
    with pytest.raises(ValueError, match="index must"):
        AsyncElasticsearchChatStore(name, client=async_client)
    admin.indices.create(index=index)
    with pytest.raises(BadRequestError, match="invalid_alias_name_exception"):
        admin.indices.put_alias(index=index, name=name)


@pytest.mark.parametrize("name", CALLS)
async def test_a_missing_index_in_upper_case_is_refused_with_the_first_answer(
    name: str, index: str, async_client: AsyncElasticsearch
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index.upper(), "s", client=async_client)
    requests = recorded(async_client)
    with pytest.raises(ValueError, match=f"lower case: give '{index}'"):
        await CALLS[name](history)
    assert len(requests) == 1


async def test_a_store_refuses_a_missing_index_in_upper_case(
    index: str, async_client: AsyncElasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(index.upper(), client=async_client)
    with pytest.raises(ValueError, match="lower case"):
        await store.alist_sessions()
    with pytest.raises(ValueError, match="lower case"):
        await store.acount_messages()
    with pytest.raises(ValueError, match="lower case"):
        await store.asearch("Hello")
    with pytest.raises(ValueError, match="lower case"):
        await store.adelete_sessions(["s"])


async def test_an_alias_may_be_in_upper_case(
    index: str, admin: Elasticsearch, async_client: AsyncElasticsearch
) -> None:
    alias = index.upper()
    admin.indices.create(index=index, aliases={alias: {}})
    history = AsyncElasticsearchChatMessageHistory(alias, "s", client=async_client)
    await history.aadd_message(HumanMessage("Hello"))
    assert await history.aget_messages() == [HumanMessage("Hello")]


async def test_date_math_names_an_index(
    index: str, admin: Elasticsearch, async_client: AsyncElasticsearch
) -> None:
    # A year may begin while this runs, so it is a day far in the past.
    name = f"<{index}-{{2001.01.01||/d}}>"
    history = AsyncElasticsearchChatMessageHistory(name, "s", client=async_client)
    assert await history.aget_messages() == []
    await history.aadd_message(HumanMessage("Hello"))
    assert await history.aget_messages() == [HumanMessage("Hello")]
    admin.indices.delete(index=f"{index}-2001.01.01")


async def test_a_missing_index_is_said_once_and_only_to_readers(
    index: str,
    used_indices: list[str],
    async_client: AsyncElasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "elasticsearch_chat_history")
    written = f"{index}-written"
    used_indices.append(written)
    history = AsyncElasticsearchChatMessageHistory(written, "s", client=async_client)
    await history.aadd_message(HumanMessage("Hello"))
    assert caplog.messages == []
    store = AsyncElasticsearchChatStore(index, client=async_client)
    for _ in range(2):
        for session_id in ("s", "t"):
            assert await store.session(session_id).aget_messages() == []
            assert [one async for one in store.session(session_id).aiter_messages()] == []
        assert await store.alist_sessions() == []
        assert await store.acount_messages() == 0
        assert await store.asearch("Hello") == []
        assert [record async for record in store.aexport()] == []
    (line,) = [one for one in caplog.records if one.name == "elasticsearch_chat_history"]
    assert line.levelname == "INFO"
    assert line.getMessage() == (
        f"Index {index!r} does not exist: it reads as empty until a message is stored."
    )
