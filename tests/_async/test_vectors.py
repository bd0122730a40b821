"""Vectors: stored with the messages where a model gives them, and never at a message's cost."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, MessagesNotStoredError
from elasticsearch_chat_history._async.index import writing
from elasticsearch_chat_history._async.index.embedding import vectors_of
from elasticsearch_chat_history._documents.fields import PROPERTIES, VECTOR, VECTOR_PROPERTY
from elasticsearch_chat_history._documents.vectors import EMBEDDED_AT_ONCE
from elasticsearch_chat_history._requests.retries import RetryBudget
from tests.support._async.held_model import AsyncHeldModel
from tests.support.client_requests import recorded
from tests.support.concurrency import AsyncRunning, async_until
from tests.support.documents import OWN_MAPPINGS, UPSTREAM_MAPPINGS
from tests.support.embedding_models import Model, vector_of, vectors_for
from tests.support.messages import numbered, texts
from tests.support.server import mappings, vectors

SECRET = "the text of the message"
CALL = {"name": "add", "args": {}, "id": "call-1", "type": "tool_call"}


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings of our own log."""
    found = [record for record in caplog.records if record.name == "elasticsearch_chat_history"]
    assert all(record.exc_info is None for record in found)
    assert SECRET not in caplog.text
    return [record.getMessage() for record in found if record.levelname == "WARNING"]


def fail(_: list[str]) -> None:
    raise RuntimeError(SECRET)


def too_few(wanted: list[str]) -> Any:
    return vectors_for(wanted[1:])


def nothing(_: list[str]) -> None:
    return None


@pytest.fixture
async def store(index: str, async_client: AsyncElasticsearch) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index, client=async_client, embeddings=Model())


async def test_each_message_with_a_text_is_stored_with_its_vector(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    model = Model()
    store = AsyncElasticsearchChatStore(index, client=async_client, embeddings=model)
    history = store.session("s")
    added: list[BaseMessage] = [
        HumanMessage("What is a shard?"),
        AIMessage("", tool_calls=[CALL]),
        HumanMessage(" \n"),
        AIMessage([{"type": "text", "text": "A part."}, {"type": "image", "base64": "QUJD"}]),
    ]
    await history.aadd_messages(added)
    assert model.calls == [("aembed_documents", ["What is a shard?", "A part."])]
    assert vectors(admin, index, "s") == [
        vector_of("What is a shard?"),
        None,
        None,
        vector_of("A part."),
    ]
    assert await history.aget_messages() == added
    assert mappings(admin, index)["properties"][VECTOR]["dims"] == 3


async def test_a_model_is_asked_once_and_messages_still_take_one_request(
    store: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    model = store._embeddings
    assert isinstance(model, Model)
    history = store.session("s")
    await store.create_if_missing()
    requests = recorded(store.client)
    await history.aadd_messages(numbered(EMBEDDED_AT_ONCE + 2))
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert [len(asked) for asked in model.asked] == [EMBEDDED_AT_ONCE, 2]
    expected = vectors_for(texts(numbered(EMBEDDED_AT_ONCE + 2)))
    assert vectors(admin, store.index, "s") == expected


async def test_the_time_for_retries_begins_when_the_model_has_answered(
    store: AsyncElasticsearchChatStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    def answer(wanted: list[str]) -> Any:
        happened.append("model")
        return vectors_for(wanted)

    class NotedBudget(RetryBudget):
        def __init__(self, max_retries: int) -> None:
            happened.append("budget")
            super().__init__(max_retries)

    store._embeddings = Model(answer)
    await store.create_if_missing()
    monkeypatch.setattr(writing, "RetryBudget", NotedBudget)
    history = store.session("s")
    await history.aadd_messages(numbered(2))
    await history.aset_messages(numbered(2))
    await store.aimport([record async for record in store.aexport()])
    assert happened == ["model", "budget"] * 3


async def test_without_a_model_nothing_is_added_or_copied(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    store = AsyncElasticsearchChatStore(shared_index, client=async_client)
    history = store.session(session_id)
    await store.create_if_missing()
    requests = recorded(async_client)
    await history.aadd_messages(numbered(2))
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert mappings(admin, shared_index) == OWN_MAPPINGS


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fail, "RuntimeError (2)"),
        (nothing, "TypeError (2)"),
        (too_few, "its answer to 1 texts has 0 vectors (2)"),
        (partial(vectors_for, dimensions=4097), "4097 dimensions, where 1 to 4096 can"),
    ],
    ids=["raises", "answers nothing", "answers too few", "answers too much"],
)
async def test_messages_are_stored_when_the_model_fails(
    store: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[[list[str]], Any],
    reason: str,
) -> None:
    store._embeddings = Model(answer)
    history = store.session("s")
    await history.aadd_messages([HumanMessage(SECRET), HumanMessage(""), AIMessage("A part.")])
    assert texts(await history.aget_messages()) == [SECRET, "", "A part."]
    assert vectors(admin, store.index, "s") == [None] * 3
    (line,) = lines(caplog)
    assert line.startswith("2 of 2 messages get no vector from the embedding model: ")
    assert reason in line


async def test_an_unusable_vector_concerns_its_own_text_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers = [[1.0], [0.0], [float("nan")], [], [SECRET], [2.0]]
    found = await vectors_of([SECRET] * len(answers), Model(lambda _: answers))
    assert found == {0: [1.0], 5: [2.0]}
    (line,) = lines(caplog)
    assert line.startswith("4 of 6 messages get no vector")
    assert "a vector that is zero or not finite (2)" in line


async def test_a_text_that_the_model_refuses_costs_no_vector_but_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(wanted: list[str]) -> Any:
        return fail(wanted) if SECRET in wanted else vectors_for(wanted)

    wanted = ["a"] * (EMBEDDED_AT_ONCE + 2)
    wanted[3] = SECRET
    found = await vectors_of(wanted, Model(refuse))
    assert sorted(found) == [position for position in range(len(wanted)) if position != 3]
    (line,) = lines(caplog)
    assert line.startswith("1 of 130 messages get no vector")
    assert "RuntimeError (1)" in line


async def test_a_failure_that_costs_nothing_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail_once(wanted: list[str]) -> Any:
        return fail(wanted) if len(model.calls) == 1 else vectors_for(wanted)

    model = Model(fail_once)
    assert len(await vectors_of(["a", "b"], model)) == 2
    assert lines(caplog) == []


async def test_the_model_is_not_asked_where_there_is_nothing_to_ask(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = Model()
    assert await vectors_of(["", " "], model) == {}
    assert model.calls == []
    assert lines(caplog) == []


async def test_vectors_that_do_not_fit_the_index_are_left_out(
    store: AsyncElasticsearchChatStore, admin: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    def mixed(wanted: list[str]) -> Any:
        return [vector_of(text, 2 + int(text) % 3) for text in wanted]

    await store.session("first").aadd_messages(numbered(1))
    store._embeddings = Model(mixed)
    history = store.session("s")
    requests = recorded(store.client)
    await history.aadd_messages(numbered(6))
    assert [request.endpoint for request in requests] == ["_bulk", "_bulk"]
    assert [len(request.body) for request in requests] == [6, 4]
    assert texts(await history.aget_messages()) == texts(numbered(6))
    fitting = [vector_of("1"), vector_of("4")]
    assert vectors(admin, store.index, "s") == [None, fitting[0], None, None, fitting[1], None]
    (line,) = lines(caplog)
    assert "refuses the vectors of 4 messages" in line


async def test_a_vector_that_does_not_fit_holds_up_nobody_else(
    store: AsyncElasticsearchChatStore, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    await store.session("first").aadd_messages(numbered(1))
    longer = AsyncElasticsearchChatStore(
        store.index,
        client=async_client,
        embeddings=Model(partial(vectors_for, dimensions=4)),
    )
    adding = AsyncRunning(
        *(
            partial(one.session(f"s{number}").aadd_messages, numbered(2))
            for number, one in enumerate([store, longer] * 3)
        )
    )
    assert await adding.results() == [None] * 6
    for number in range(6):
        assert texts(await store.session(f"s{number}").aget_messages()) == ["0", "1"]
        stored = vectors(admin, store.index, f"s{number}")
        assert stored == ([None, None] if number % 2 else vectors_for(["0", "1"]))


async def test_models_that_differ_on_a_new_index_cost_no_message(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    # On several shards, vectors of several lengths may all be the first.
    properties = {**PROPERTIES, VECTOR: VECTOR_PROPERTY}
    admin.indices.create(
        index=index, mappings={"properties": properties}, settings={"number_of_shards": 3}
    )
    stores = [
        AsyncElasticsearchChatStore(
            index,
            client=async_client.options(headers={"x-opaque-id": str(dimensions)}),
            embeddings=Model(partial(vectors_for, dimensions=dimensions)),
        )
        for dimensions in range(2, 8)
    ]
    adding = AsyncRunning(
        *(
            partial(store.session(f"s{number}").aadd_messages, numbered(4))
            for number, store in enumerate(stores)
        )
    )
    assert await adding.results() == [None] * 6
    for number, store in enumerate(stores):
        assert texts(await store.session(f"s{number}").aget_messages()) == ["0", "1", "2", "3"]


async def test_what_is_refused_for_another_reason_is_not_stored_as_before(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A keyword takes no term of more than 32,766 bytes, so that one message is refused.
    strict = {**PROPERTIES, "history": {"type": "keyword"}, VECTOR: VECTOR_PROPERTY}
    admin.indices.create(index=index, mappings={"properties": strict})
    store = AsyncElasticsearchChatStore(index, client=async_client, embeddings=Model())
    history = store.session("s")
    with pytest.raises(MessagesNotStoredError) as caught:
        await history.aadd_messages(
            [HumanMessage("a"), HumanMessage(SECRET * 2_000), HumanMessage("b")]
        )
    assert list(caught.value.reasons) == [1]
    assert caught.value.stored == (0, 2)
    assert texts(await history.aget_messages()) == ["a", "b"]
    assert vectors(admin, index, "s") == vectors_for(["a", "b"])
    assert lines(caplog) == []


async def test_others_are_stored_while_a_model_thinks(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    model = AsyncHeldModel()
    store = AsyncElasticsearchChatStore(index, client=async_client, embeddings=model)
    thinking = AsyncRunning(partial(store.session("s").aadd_messages, numbered(1)))
    await async_until(lambda: len(model.calls) == 1)
    wordless = [AIMessage("", tool_calls=[CALL])]
    await store.session("t").aadd_messages(wordless)
    assert await store.session("t").aget_messages() == wordless
    assert await store.session("s").aget_messages() == []
    model.release()
    assert await thinking.results() == [None]
    assert vectors(admin, index, "s") == [vector_of("0")]


async def test_overlapping_adds_keep_the_order_of_the_calls_when_the_first_takes_longer(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    model = AsyncHeldModel()
    store = AsyncElasticsearchChatStore(index, client=async_client, embeddings=model)
    history = store.session("s")
    first = AsyncRunning(partial(history.aadd_messages, numbered(2)))
    await async_until(lambda: len(model.calls) == 1)
    await history.aadd_messages(numbered(2, first=2))
    assert texts(await history.aget_messages()) == ["2", "3"]
    model.release()
    assert await first.results() == [None]
    assert texts(await history.aget_messages()) == ["0", "1", "2", "3"]
    assert vectors(admin, index, "s") == vectors_for(["0", "1", "2", "3"])


async def test_the_same_call_again_changes_nothing_with_or_without_vectors(
    store: AsyncElasticsearchChatStore,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = AsyncElasticsearchChatStore(store.index, client=async_client)
    longer = AsyncElasticsearchChatStore(
        store.index, client=async_client, embeddings=Model(partial(vectors_for, dimensions=4))
    )
    for one in (store, plain, store):
        await one.session("s").aadd_messages(numbered(2), idempotency_key="k")
    for one in (plain, store, plain, longer):
        await one.session("t").aadd_messages(numbered(2), idempotency_key="k")
    assert vectors(admin, store.index, "s") == vectors_for(["0", "1"])
    assert vectors(admin, store.index, "t") == [None, None]
    for session_id in ("s", "t"):
        assert texts(await plain.session(session_id).aget_messages()) == ["0", "1"]
    # Elasticsearch reads a document before it looks whether that exists.
    (line,) = lines(caplog)
    assert "refuses the vectors of 2 messages" in line


@pytest.mark.parametrize("existing", [UPSTREAM_MAPPINGS, OWN_MAPPINGS], ids=["upstream", "own"])
async def test_an_existing_index_gets_the_field(
    store: AsyncElasticsearchChatStore, admin: Elasticsearch, existing: dict[str, Any]
) -> None:
    admin.indices.create(index=store.index, mappings=existing)
    await store.session("s").aadd_messages(numbered(1))
    field = mappings(admin, store.index)["properties"][VECTOR]
    assert field["type"] == "dense_vector"
    assert field["similarity"] == "cosine"
    assert vectors(admin, store.index, "s") == [vector_of("0")]


async def test_a_field_of_another_type_is_left_alone_and_the_model_not_asked(
    store: AsyncElasticsearchChatStore, admin: Elasticsearch, caplog: pytest.LogCaptureFixture
) -> None:
    taken = {**OWN_MAPPINGS["properties"], VECTOR: {"type": "keyword"}}
    admin.indices.create(index=store.index, mappings={"properties": taken})
    history = store.session("s")
    await history.aadd_messages(numbered(2))
    await history.aadd_messages(numbered(2))
    assert mappings(admin, store.index) == {"properties": taken}
    assert len(await history.aget_messages()) == 4
    assert isinstance(store._embeddings, Model)
    assert store._embeddings.calls == []
    (line,) = lines(caplog)
    assert (
        "another mapping for the fields embedding (keyword): messages are stored without" in line
    )
