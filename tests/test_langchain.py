"""What LangChain itself does with the histories."""

from collections.abc import Callable
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    ElasticsearchChatMessageHistory,
    ElasticsearchChatStore,
)
from tests.support.messages import numbered, texts

# Deprecated in favour of LangGraph, yet what chains of existing teams use.
deprecated = pytest.mark.filterwarnings("ignore:.*RunnableWithMessageHistory")


def answer(inputs: dict[str, Any]) -> AIMessage:
    """Answer with what was said before, as a model that sees the history can."""
    said = [message.text for message in inputs["history"]]
    return AIMessage(f"{inputs['question']} after {said}")


def chain(history_of: Callable[[str], BaseChatMessageHistory]) -> RunnableWithMessageHistory:
    return RunnableWithMessageHistory(
        RunnableLambda(answer),
        history_of,
        input_messages_key="question",
        history_messages_key="history",
    )


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


async def test_the_inherited_asynchronous_methods_of_the_synchronous_class_work(
    history: ElasticsearchChatMessageHistory,
) -> None:
    for _ in range(2):
        await history.aadd_messages(numbered(2), idempotency_key="k", metadata={"user": "u1"})
    assert texts(await history.aget_messages()) == ["0", "1"]
    assert texts(await history.aget_messages(limit=1)) == ["1"]
    assert [stored.metadata for stored in history.iter_messages()] == [{"user": "u1"}] * 2
    await history.aclear()
    assert await history.aget_messages() == []


def test_the_inherited_synchronous_methods_work(
    history: ElasticsearchChatMessageHistory,
) -> None:
    history.add_user_message("What?")
    history.add_ai_message("That.")
    history.add_ai_message(AIMessage("And that."))
    history.add_message(HumanMessage("Thanks."))
    assert texts(history.messages) == ["What?", "That.", "And that.", "Thanks."]
    assert str(history) == "Human: What?\nAI: That.\nAI: And that.\nHuman: Thanks."


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda history: history.messages, "await history.aget_messages()"),
        (lambda history: history.add_message(HumanMessage("a")), "await history.aadd_message()"),
        (lambda history: history.add_messages(numbered(1)), "await history.aadd_messages()"),
        (lambda history: history.add_user_message("a"), "aadd_message(HumanMessage(...))"),
        (lambda history: history.add_ai_message("a"), "aadd_message(AIMessage(...))"),
        (lambda history: history.clear(), "await history.aclear()"),
    ],
    ids=["messages", "add_message", "add_messages", "add_user", "add_ai", "clear"],
)
async def test_the_synchronous_members_of_the_asynchronous_class_name_what_to_await(
    async_history: AsyncElasticsearchChatMessageHistory,
    call: Callable[[AsyncElasticsearchChatMessageHistory], object],
    instead: str,
) -> None:
    with pytest.raises(NotImplementedError) as caught:
        call(async_history)
    assert instead in str(caught.value)
    assert "ElasticsearchChatMessageHistory" in str(caught.value)
    assert await async_history.aget_messages() == []


async def test_the_asynchronous_class_describes_itself(
    async_client: AsyncElasticsearch,
) -> None:
    history = AsyncElasticsearchChatMessageHistory("chats", "s", client=async_client)
    shown = "AsyncElasticsearchChatMessageHistory(index='chats', session_id='s')"
    assert str(history) == repr(history) == shown


def test_the_synchronous_class_describes_itself(client: Elasticsearch) -> None:
    history = ElasticsearchChatMessageHistory("chats", "s", client=client)
    assert repr(history) == "ElasticsearchChatMessageHistory(index='chats', session_id='s')"


def test_a_client_of_the_other_kind_is_refused(
    client: Elasticsearch, async_client: AsyncElasticsearch
) -> None:
    wrong: Any = client
    with pytest.raises(TypeError, match=r"AsyncElasticsearch, but .*without 'Async'"):
        AsyncElasticsearchChatMessageHistory("chats", "s", client=wrong)
    wrong = async_client
    with pytest.raises(TypeError, match=r"elasticsearch.Elasticsearch, but .*with 'Async'"):
        ElasticsearchChatMessageHistory("chats", "s", es_connection=wrong)


async def test_both_classes_read_what_the_other_wrote(
    history: ElasticsearchChatMessageHistory,
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    written: list[BaseMessage] = []
    for number in range(3):
        pair: list[BaseMessage] = [HumanMessage(f"{number}?"), AIMessage(f"{number}!")]
        history.add_message(pair[0])
        await async_history.aadd_message(pair[1])
        written += pair
    assert history.messages == await async_history.aget_messages() == written
