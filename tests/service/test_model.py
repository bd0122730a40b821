"""The models: the one of the corpus, and how a real one is named."""

import sys

import pytest
from elasticsearch import AsyncElasticsearch
from langchain_core.messages import HumanMessage

from chat_service.model import NO_ANSWER, CorpusModel, chat_model, reply_to
from chat_service.settings import turns_of
from elasticsearch_chat_history import AsyncElasticsearchChatStore


def test_known_question_gets_the_answer_of_the_corpus() -> None:
    assert reply_to([HumanMessage("what IS a computer")]).startswith("A computer is an electronic")


def test_unknown_question_gets_the_answer_to_the_most_similar_one() -> None:
    similar = reply_to([HumanMessage("Tell me: who invented computers?")])
    assert similar == reply_to([HumanMessage("Who invented computers?")])


def test_question_without_any_known_word_gets_an_answer_too() -> None:
    assert reply_to([HumanMessage("qwxyz")]) == NO_ANSWER


def test_real_model_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHAT_MODEL", "openai:gpt-5")
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(RuntimeError, match="pip install langchain"):
        chat_model()


async def test_agent_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, async_client: AsyncElasticsearch
) -> None:
    monkeypatch.setenv("CHAT_AGENT", "1")
    monkeypatch.delitem(sys.modules, "chat_service.agent", raising=False)
    monkeypatch.setitem(sys.modules, "langchain.agents", None)
    with pytest.raises(RuntimeError, match="pip install"):
        turns_of(CorpusModel(), AsyncElasticsearchChatStore("chats", client=async_client))
