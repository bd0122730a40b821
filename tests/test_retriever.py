"""The retrievers: their options, their documents, and what they refuse."""

import inspect
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.documents import Document
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import ConfigurableField, RunnableLambda

from elasticsearch_chat_history import (
    AsyncElasticsearchChatRetriever,
    AsyncElasticsearchChatStore,
    ElasticsearchChatRetriever,
    ElasticsearchChatStore,
)


@pytest.fixture
def store(shared_index: str, client: Elasticsearch) -> ElasticsearchChatStore:
    return ElasticsearchChatStore(shared_index, client=client)


@pytest.fixture
def async_store(
    shared_index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(shared_index, client=async_client)


@pytest.fixture
def session_id(store: ElasticsearchChatStore, session_id: str) -> str:
    """A session that was talked in."""
    history = store.session(session_id)
    history.add_messages([HumanMessage("What is a shard?")], metadata={"tenant": "a"})
    history.add_messages([AIMessage("A shard is a part.")], metadata={"tenant": "b", "n": [1, {}]})
    return session_id


def contents(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


def test_a_document_says_all_of_its_message_and_can_be_written_as_json(
    store: ElasticsearchChatStore, session_id: str
) -> None:
    retriever = store.as_retriever(session_id=session_id, metadata={"tenant": "b"})
    (document,) = retriever.invoke("shard")
    _, stored = store.session(session_id).iter_messages()
    score = document.metadata["score"]
    assert score > 0
    assert document.id == stored.id
    assert document.page_content == "A shard is a part."
    assert type(document.page_content) is str
    assert document.metadata == {
        "session_id": session_id,
        "message_id": stored.id,
        "type": "ai",
        "created_at": stored.created_at.isoformat(),
        "score": score,
        "metadata": {"tenant": "b", "n": [1, {}]},
    }
    assert datetime.fromisoformat(document.metadata["created_at"]) == stored.created_at
    assert json.loads(json.dumps(document.metadata)) == document.metadata
    assert Document.model_validate_json(document.model_dump_json()) == document
    assert json.loads(dumps(document))["kwargs"]["metadata"] == document.metadata


def test_a_text_that_is_no_unicode_becomes_a_document_all_the_same(
    store: ElasticsearchChatStore, session_id: str
) -> None:
    store.session(session_id).add_message(HumanMessage("lone \ud83d surrogate"))
    assert contents(store.as_retriever(session_id=session_id).invoke("lone")) == [
        "lone ? surrogate"
    ]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, {"What is a shard?", "A shard is a part."}),
        ({"types": ["human"]}, {"What is a shard?"}),
        ({"types": ("ai",)}, {"A shard is a part."}),
        ({"metadata": {"tenant": "a"}}, {"What is a shard?"}),
        ({"operator": "and"}, {"What is a shard?"}),
        ({"since": datetime.now(timezone.utc) + timedelta(days=1)}, set()),
        ({"until": datetime.now(timezone.utc) - timedelta(days=1)}, set()),
    ],
    ids=["none", "types", "tuple", "metadata", "operator", "since", "until"],
)
async def test_options_mean_the_same_with_the_object_and_with_the_query(
    store: ElasticsearchChatStore,
    async_store: AsyncElasticsearchChatStore,
    session_id: str,
    options: dict[str, Any],
    found: set[str],
) -> None:
    query = "What shard"
    retriever = store.as_retriever(session_id=session_id, **options)
    assert set(contents(retriever.invoke(query))) == found
    assert set(contents(await retriever.ainvoke(query))) == found
    bare = store.as_retriever()
    assert set(contents(bare.invoke(query, session_id=session_id, **options))) == found
    assert set(contents(await bare.ainvoke(query, session_id=session_id, **options))) == found
    async_retriever = async_store.as_retriever(session_id=session_id, **options)
    assert set(contents(await async_retriever.ainvoke(query))) == found
    async_bare = async_store.as_retriever()
    found_with_query = await async_bare.ainvoke(query, session_id=session_id, **options)
    assert set(contents(found_with_query)) == found


def test_options_with_the_query_go_first(store: ElasticsearchChatStore, session_id: str) -> None:
    retriever = store.as_retriever(
        session_id=session_id, types=["human"], metadata={"tenant": "a"}, fuzzy=True
    )
    assert contents(retriever.invoke("shart")) == ["What is a shard?"]
    assert contents(retriever.invoke("shart", fuzzy=False)) == []
    other: Any = {"types": None, "metadata": {"tenant": "b"}}
    assert contents(retriever.invoke("shart", **other)) == ["A shard is a part."]
    assert len(retriever.invoke("shart", types=None, metadata=None, per_session=True)) == 1
    assert len(retriever.invoke("shart", types=None, metadata=None)) == 2


def test_every_option_of_the_search_is_one_of_the_retriever() -> None:
    for store, search, retriever in (
        (ElasticsearchChatStore, "search", ElasticsearchChatRetriever),
        (AsyncElasticsearchChatStore, "asearch", AsyncElasticsearchChatRetriever),
    ):
        arguments = inspect.signature(getattr(store, search)).parameters.values()
        defaults = {
            argument.name: argument.default
            for argument in arguments
            if argument.kind is inspect.Parameter.KEYWORD_ONLY
        }
        # A document has no cursor.
        del defaults["after"]
        unset: Any = retriever.model_construct()
        assert unset._options({}) == defaults
        with pytest.raises(TypeError, match="to get further hits, use the search of a store"):
            unset._options({"after": "cursor"})


def test_langchains_own_fields_label_and_filter_nothing(
    store: ElasticsearchChatStore, session_id: str
) -> None:
    retriever = ElasticsearchChatRetriever(
        store=store, session_id=session_id, metadata={"tenant": "a"}, tags=["t"]
    )
    assert len(retriever.invoke("shard")) == 2
    assert store.as_retriever(metadata={"tenant": "a"}, tags=["t"]).metadata is None


def test_a_chain_and_a_configurable_field_take_the_retriever(
    store: ElasticsearchChatStore, session_id: str
) -> None:
    retriever = store.as_retriever(session_id=session_id).configurable_fields(
        limit=ConfigurableField(id="limit")
    )
    chain: Any = retriever | RunnableLambda(len)
    assert chain.invoke("shard") == 2
    assert chain.invoke("shard", {"configurable": {"limit": 1}}) == 1


async def test_the_asynchronous_retriever_names_what_to_await(
    async_store: AsyncElasticsearchChatStore,
) -> None:
    with pytest.raises(NotImplementedError, match=r"await retriever.ainvoke\(\)"):
        async_store.as_retriever().invoke("shard", limit=3)


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"k": 3}, ValueError, "'k' is not an option: give limit"),
        ({"limits": 3}, ValueError, "limits\n.*[Ee]xtra"),
        ({"limit": 0}, ValueError, "limit must be at least 1"),
        ({"limit": "3"}, TypeError, "limit must be a whole number"),
        ({"session_id": "\ud800"}, ValueError, "session_id must be valid Unicode"),
        ({"types": "human"}, TypeError, "types must be a list"),
        ({"types": ["user"]}, ValueError, "one is 'user'"),
        ({"since": datetime(2026, 1, 1)}, ValueError, "must have a time zone"),  # noqa: DTZ001  # so it is
        ({"until": "2026-01-01"}, TypeError, "until must be a datetime"),
        ({"metadata": {"a": []}}, ValueError, "at least one value"),
        ({"metadata": "a"}, TypeError, "metadata must be a mapping"),
        ({"message_metadata": {}}, TypeError, "message_metadata"),
        ({"operator": "xor"}, ValueError, "operator"),
    ],
)
async def test_a_wrong_option_is_an_error_at_once(
    store: ElasticsearchChatStore,
    async_store: AsyncElasticsearchChatStore,
    options: dict[str, Any],
    kind: type[Exception],
    text: str,
) -> None:
    for one in (store, async_store):
        with pytest.raises(kind, match=text):
            one.as_retriever(**options)


async def test_who_asks_for_k_is_told_of_limit(
    store: ElasticsearchChatStore, async_store: AsyncElasticsearchChatStore
) -> None:
    options: Any = {"k": 3}
    for one in (store, async_store):
        with pytest.raises(ValueError, match="'k' is not an option: give limit"):
            one.as_retriever(**options)
    with pytest.raises(TypeError, match="'k' is not an option: give limit"):
        store.as_retriever().invoke("shard", k=3)
    with pytest.raises(TypeError, match="'k' is not an option: give limit"):
        await async_store.as_retriever().ainvoke("shard", k=3)


async def test_a_wrong_option_with_the_query_is_an_error(
    store: ElasticsearchChatStore, async_store: AsyncElasticsearchChatStore
) -> None:
    with pytest.raises(TypeError, match="'k'"):
        store.as_retriever().invoke("shard", k=3)
    with pytest.raises(TypeError, match="'k'"):
        await store.as_retriever().ainvoke("shard", k=3)
    with pytest.raises(TypeError, match="'k'"):
        await async_store.as_retriever().ainvoke("shard", k=3)


async def test_a_store_of_the_other_kind_is_refused(
    store: ElasticsearchChatStore, async_store: AsyncElasticsearchChatStore
) -> None:
    wrong: Any = async_store
    with pytest.raises(TypeError, match="must be an ElasticsearchChatStore, but is a Async"):
        ElasticsearchChatRetriever(store=wrong)
    wrong = store
    with pytest.raises(TypeError, match="must be an AsyncElasticsearchChatStore, but is a E"):
        AsyncElasticsearchChatRetriever(store=wrong)


def test_a_retriever_shows_no_credential_and_no_text(
    store: ElasticsearchChatStore, session_id: str
) -> None:
    retriever = store.as_retriever(session_id=session_id)
    retriever.invoke("secret query")
    assert "secret" not in repr(retriever)
    assert "store=ElasticsearchChatStore(index=" in repr(retriever)
