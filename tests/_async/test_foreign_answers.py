"""A proxy that answers in place of Elasticsearch, with status 200: an error that says so.

The server is real, and so is the proxy; it answers by itself where a test wants that.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, TransportError, UnsupportedProductError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)
from tests.support.http_proxy import HttpProxy, OwnAnswer

PAGE = OwnAnswer("text/html; charset=utf-8", b"<html>Please log in, secret-42</html>")
Call = Callable[[AsyncElasticsearchChatStore, AsyncElasticsearchChatMessageHistory], Any]


@pytest.fixture
def proxy(client_arguments: dict[str, Any]) -> Iterator[HttpProxy]:
    (url,) = client_arguments["hosts"]
    with HttpProxy(url) as proxy:
        yield proxy


@pytest.fixture
async def proxied_client(
    proxy: HttpProxy, client_arguments: dict[str, Any]
) -> AsyncIterator[AsyncElasticsearch]:
    async with AsyncElasticsearch(**{**client_arguments, "hosts": [proxy.url]}) as client:
        yield client


@pytest.fixture
async def store(
    shared_index: str, session_id: str, proxied_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    """A store whose client has spoken to Elasticsearch through the proxy."""
    store = AsyncElasticsearchChatStore(shared_index, client=proxied_client)
    await store.session(session_id).aadd_message(HumanMessage("Hello"))
    return store


async def exported(store: AsyncElasticsearchChatStore) -> list[Any]:
    return [record async for record in store.aexport()]


async def iterated(history: AsyncElasticsearchChatMessageHistory) -> list[Any]:
    return [stored async for stored in history.aiter_messages()]


CALLS: dict[str, Call] = {
    "read": lambda _, history: history.aget_messages(),
    "read the last": lambda _, history: history.aget_messages(limit=2),
    "iterate": lambda _, history: iterated(history),
    "add": lambda _, history: history.aadd_message(HumanMessage("Hello")),
    "add with a key": lambda _, history: history.aadd_messages(
        [HumanMessage("Hello")], idempotency_key="key"
    ),
    "set": lambda _, history: history.aset_messages([HumanMessage("Hello")]),
    "pop": lambda _, history: history.apop_messages(),
    "delete": lambda _, history: history.adelete_messages(["id"]),
    "fork": lambda _, history: history.afork("other"),
    "search": lambda _, history: history.asearch("Hello"),
    "clear": lambda _, history: history.aclear(),
    "list": lambda store, _: store.alist_sessions(),
    "list by id": lambda store, _: store.alist_sessions(order="id"),
    "count": lambda store, _: store.acount_messages(),
    "export": lambda store, _: exported(store),
    "forget": lambda store, _: store.adelete_sessions(["s"]),
    "backfill": lambda store, _: store.abackfill(),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_login_page_is_not_an_answer(
    name: str,
    store: AsyncElasticsearchChatStore,
    session_id: str,
    proxy: HttpProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    history = store.session(session_id)
    proxy.own_answer = PAGE
    with pytest.raises(UnsupportedProductError, match="No Elasticsearch answered") as caught:
        await CALLS[name](store, history)
    assert "text/html" in str(caught.value)
    assert proxy.answered == 1
    said = [record for record in caplog.records if record.name == "elasticsearch_chat_history"]
    assert ["No Elasticsearch answered" in record.getMessage() for record in said] == [True]
    for told in (caplog.text, str(caught.value), repr(caught.value)):
        assert "secret-42" not in told


@pytest.mark.parametrize(
    "answer",
    [
        OwnAnswer("application/json", b'{"ok": true}'),
        OwnAnswer("application/json", b"[]"),
        OwnAnswer("application/json", b"null"),
        OwnAnswer("application/json", b""),
        OwnAnswer("text/plain", b"OK"),
    ],
)
async def test_no_foreign_answer_is_taken_for_one(
    answer: OwnAnswer, store: AsyncElasticsearchChatStore, session_id: str, proxy: HttpProxy
) -> None:
    history = store.session(session_id)
    proxy.own_answer = answer
    with pytest.raises(UnsupportedProductError, match="No Elasticsearch answered"):
        await history.aget_messages()
    with pytest.raises(UnsupportedProductError, match="No Elasticsearch answered"):
        await history.aadd_message(HumanMessage("Hello"))
    with pytest.raises(UnsupportedProductError, match="No Elasticsearch answered"):
        await history.adelete_messages(["id"])


async def test_an_answer_that_is_no_json_is_not_quoted(
    store: AsyncElasticsearchChatStore,
    session_id: str,
    proxy: HttpProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    proxy.own_answer = OwnAnswer("application/json", PAGE.body)
    with pytest.raises(TransportError):
        await store.session(session_id).aget_messages()
    (said,) = [one for one in caplog.records if one.name == "elasticsearch_chat_history"]
    assert "SerializationError: Unable to deserialize as JSON" in said.getMessage()
    assert "secret-42" not in caplog.text


async def test_elasticsearch_is_asked_again_after_that(
    store: AsyncElasticsearchChatStore, session_id: str, proxy: HttpProxy
) -> None:
    history = store.session(session_id)
    proxy.own_answer = PAGE
    with pytest.raises(UnsupportedProductError):
        await history.aget_messages()
    proxy.own_answer = None
    assert await history.aget_messages() == [HumanMessage("Hello")]


async def test_a_login_page_is_no_first_answer_either(
    shared_index: str, session_id: str, proxied_client: AsyncElasticsearch, proxy: HttpProxy
) -> None:
    history = AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=proxied_client)
    proxy.own_answer = PAGE
    with pytest.raises(UnsupportedProductError, match="not Elasticsearch"):
        await history.aget_messages()
    with pytest.raises(UnsupportedProductError, match="not Elasticsearch"):
        await history.aadd_message(HumanMessage("Hello"))
