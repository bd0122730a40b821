"""Messages that are replaced, copied, imported or completed have vectors, too."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, ImportResult
from tests.support.documents import UPSTREAM_MAPPINGS, upstream_document
from tests.support.embedding_models import Model, vector_of, vectors_for
from tests.support.messages import numbered, texts
from tests.support.server import count, sources, store, vectors

pytestmark = pytest.mark.server_side

NUMBERS = [vector_of(text) for text in texts(numbered(3))]


def fail(_: list[str]) -> None:
    raise RuntimeError("the text of the message")


def longer(asked: list[str]) -> list[list[float]]:
    return vectors_for(asked, 4)


def embedding(index: str, client: Any, model: Model) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index, client=client, embeddings=model)


async def test_what_replaces_a_session_has_vectors(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    history = embedding(index, async_client, Model()).session("s")
    await history.aset_messages(numbered(3))
    assert vectors(admin, index, "s") == NUMBERS


async def test_a_copy_takes_the_vectors_along_without_asking_the_model(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    model = Model()
    history = embedding(index, async_client, model).session("s")
    await history.aadd_messages([*numbered(3), AIMessage("")])
    await history.afork("t")
    assert vectors(admin, index, "t") == [*NUMBERS, None]
    assert len(model.asked) == 1


async def test_imported_messages_get_vectors(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    origin = AsyncElasticsearchChatStore(index, client=async_client)
    await origin.session("s").aadd_messages(numbered(3))
    records = [record async for record in origin.aexport()]
    await origin.adelete_sessions(["s"])
    assert await embedding(index, async_client, Model()).aimport(records) == ImportResult(3)
    assert vectors(admin, index, "s") == NUMBERS


async def test_upstreams_messages_get_vectors_with_the_rest(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store(admin, index, [upstream_document("s", 1, one) for one in [*numbered(3), AIMessage("")]])
    chats = embedding(index, async_client, Model())
    assert await chats.abackfill() == 4
    assert vectors(admin, index, "s") == [*NUMBERS, None]
    # The message without a text is complete without a vector.
    assert await chats.abackfill() == 0


async def test_vectors_that_the_model_failed_to_give_are_added_later(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    failing = embedding(index, async_client, Model(fail))
    await failing.session("s").aadd_messages(numbered(3))
    before = sources(admin, index, "s")
    assert await failing.abackfill() == 0
    assert await embedding(index, async_client, Model()).abackfill() == 3
    assert vectors(admin, index, "s") == NUMBERS
    assert [{**one, "embedding": None} for one in sources(admin, index, "s")] == [
        {**one, "embedding": None} for one in before
    ]
    # Without a model nothing is missing.
    assert await AsyncElasticsearchChatStore(index, client=async_client).abackfill() == 0


async def test_vectors_that_do_not_fit_keep_no_message_from_being_completed(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await embedding(index, async_client, Model()).session("s").aadd_messages(numbered(3))
    store(admin, index, [upstream_document("u", 1, HumanMessage("upstream's"))])
    other = embedding(index, async_client, Model(longer))
    assert await other.abackfill() == 1
    (completed,) = sources(admin, index, "u")
    assert completed["content"] == "upstream's"
    assert completed["type"] == "human"
    assert vectors(admin, index, "u") == [None]
    assert "refuses the vectors of 1 messages" in caplog.text
    assert "upstream's" not in caplog.text
    # What is complete but for a vector is left as it is.
    assert await other.abackfill() == 0
    assert count(admin, index) == 4
