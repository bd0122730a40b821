"""What LangChain itself does with the histories."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    ElasticsearchChatMessageHistory,
    ElasticsearchChatStore,
)
from elasticsearch_chat_history._queries import filters
from elasticsearch_chat_history._queries.filters import milliseconds_now
from tests.support.messages import texts
from tests.support.pages import FENCE, text_of

PAGE = text_of("docs/history.md")

# Deprecated in favour of LangGraph, yet what chains of existing teams use.
deprecated = pytest.mark.filterwarnings("ignore:.*RunnableWithMessageHistory")


def answer(inputs: dict[str, Any]) -> AIMessage:
    """Answer with what was said before, as a model that sees the history can."""
    said = [message.text for message in inputs["history"]]
    return AIMessage(f"{inputs['question']} after {said}")


def chain(
    history_of: Callable[[str], BaseChatMessageHistory], run: Callable[[Any], Any] = answer
) -> RunnableWithMessageHistory:
    return RunnableWithMessageHistory(
        RunnableLambda(run),
        history_of,
        input_messages_key="question",
        history_messages_key="history",
    )


@pytest.mark.skipif(
    not hasattr(BaseChatMessageHistory, "__deprecated__"),
    reason="this langchain-core is older than the warning",
)
def test_the_page_quotes_the_warning() -> None:
    texts_of_page = [text for language, text in FENCE.findall(PAGE) if language == "text"]
    with pytest.warns(DeprecationWarning, match="RunnableWithMessageHistory") as warned:
        chain(lambda _: pytest.fail("nobody asked for a history"))
    assert texts_of_page == [f"{one.message}\n" for one in warned]


CONVERSATION = ["a", "a after []", "b", "b after ['a', 'a after []']"]


@deprecated
def test_a_chain_remembers_over_the_synchronous_class(
    shared_index: str, session_id: str, client: Elasticsearch
) -> None:
    def history_of(session: str) -> ElasticsearchChatMessageHistory:
        return ElasticsearchChatMessageHistory(shared_index, session, client=client)

    remembering = chain(history_of)
    config: Any = {"configurable": {"session_id": session_id}}
    for question in "ab":
        remembering.invoke({"question": question}, config)
    assert texts(history_of(session_id).messages) == CONVERSATION


@deprecated
async def test_a_chain_remembers_over_the_asynchronous_class(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch
) -> None:
    def history_of(session: str) -> AsyncElasticsearchChatMessageHistory:
        return AsyncElasticsearchChatMessageHistory(shared_index, session, client=async_client)

    remembering = chain(history_of)
    config: Any = {"configurable": {"session_id": session_id}}
    for question in "ab":
        await remembering.ainvoke({"question": question}, config)
    assert texts(await history_of(session_id).aget_messages()) == CONVERSATION


@deprecated
async def test_a_chain_takes_the_method_of_a_store(
    shared_index: str, session_id: str, client: Elasticsearch, async_client: AsyncElasticsearch
) -> None:
    store = ElasticsearchChatStore(shared_index, client=client)
    async_store = AsyncElasticsearchChatStore(shared_index, client=async_client)
    config: Any = {"configurable": {"session_id": session_id}}
    chain(store.session).invoke({"question": "a"}, config)
    await chain(async_store.session).ainvoke({"question": "b"}, config)
    assert texts(store.session(session_id).messages) == CONVERSATION


@pytest.fixture
def chats(shared_index: str, client: Elasticsearch) -> ElasticsearchChatStore:
    return ElasticsearchChatStore(shared_index, client=client)


def talking(
    history: ElasticsearchChatMessageHistory, run: Callable[[Any], Any]
) -> Callable[[str], Any]:
    """Return a chain that is given messages, and no key for the earlier ones."""
    remembering = RunnableWithMessageHistory(RunnableLambda(run), lambda _: history)
    config: Any = {"configurable": {"session_id": history.session_id}}
    return lambda text: remembering.invoke([HumanMessage(text)], config)


def keyed(
    history: ElasticsearchChatMessageHistory, run: Callable[[Any], Any]
) -> Callable[[str], Any]:
    """Return the same with keys, which is the remedy."""
    remembering = chain(lambda _: history, run)
    config: Any = {"configurable": {"session_id": history.session_id}}
    return lambda text: remembering.invoke({"question": text}, config)


@deprecated
@pytest.mark.parametrize(
    ("chain_of", "stored"),
    [(talking, ["old", "old", "new", "answer"]), (keyed, ["old", "new", "answer"])],
)
def test_what_expires_during_a_run_is_stored_anew_without_keys(
    chats: ElasticsearchChatStore,
    session_id: str,
    chain_of: Callable[..., Callable[[str], Any]],
    stored: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(_: Any) -> AIMessage:
        an_hour_later = milliseconds_now() + 3_600_000
        monkeypatch.setattr(filters, "milliseconds_now", lambda: an_hour_later)
        assert expiring.messages == []
        return AIMessage("answer")

    expiring = chats.session(session_id, ttl=timedelta(minutes=30))
    expiring.add_message(HumanMessage("old"))
    chain_of(expiring, run)("new")
    assert texts(chats.session(session_id).messages) == stored


@deprecated
@pytest.mark.parametrize(
    ("chain_of", "stored"),
    [(talking, ["meanwhile", "answer"]), (keyed, ["meanwhile", "new", "answer"])],
)
def test_what_another_run_adds_meanwhile_costs_the_question_without_keys(
    chats: ElasticsearchChatStore,
    session_id: str,
    chain_of: Callable[..., Callable[[str], Any]],
    stored: list[str],
) -> None:
    def run(_: Any) -> AIMessage:
        history.add_message(HumanMessage("meanwhile"))
        return AIMessage("answer")

    history = chats.session(session_id)
    chain_of(history, run)("new")
    assert texts(history.messages) == stored


@deprecated
def test_a_chain_swallows_the_error_of_what_it_could_not_store(
    index: str, client: Elasticsearch, admin: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    def run(_: Any) -> AIMessage:
        admin.indices.add_block(index=index, block="write")
        return AIMessage("answer")

    history = ElasticsearchChatStore(index, client=client, max_retries=0).session("s")
    history.add_message(HumanMessage("old"))
    assert keyed(history, run)("new").text == "answer"
    assert texts(history.messages) == ["old"]
    logged = [one for one in caplog.records if one.name == "langchain_core.callbacks.manager"]
    assert "MessagesNotStoredError" in logged[0].getMessage()
