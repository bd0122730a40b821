"""The wall between tenants: from one scope, nothing of another is seen, changed or removed."""

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    ChatHistoryError,
    ImportResult,
    MessagesNotStoredError,
)
from tests.support.client_requests import recorded
from tests.support.documents import CONFLICTING_MAPPINGS
from tests.support.embedding_models import MeaningEmbeddings
from tests.support.messages import numbered, texts
from tests.support.server import count, sources

pytestmark = pytest.mark.server_side

FUTURE = datetime(2100, 1, 1, tzinfo=timezone.utc)
Attempt = Callable[[Any], Any]
TURN = [HumanMessage("a shard of mine"), AIMessage("my answer")]
THEIRS = [HumanMessage("a shard of theirs"), AIMessage("their secret")]


@pytest.fixture
async def chats(index: str, async_client: AsyncElasticsearch) -> AsyncElasticsearchChatStore:
    """An index with messages of u2 and of nobody, in sessions that u1 has as well."""
    whole = AsyncElasticsearchChatStore(index, client=async_client, embeddings=MeaningEmbeddings())
    theirs = whole.scoped({"user": "u2"})
    for session_id in ("s", "t"):
        await theirs.session(session_id).aadd_messages(THEIRS, idempotency_key="k")
        await whole.session(session_id).aadd_messages(THEIRS)
    return whole


@pytest.fixture
async def mine(chats: AsyncElasticsearchChatStore) -> AsyncElasticsearchChatStore:
    """The store of u1, who has one session."""
    store = chats.scoped({"user": "u1"})
    await store.session("s").aadd_messages(TURN, idempotency_key="k")
    return store


def outside(admin: Elasticsearch, index: str) -> dict[str, Any]:
    """Return all documents that are not those of u1."""
    admin.indices.refresh(index=index)
    not_mine = {"bool": {"must_not": {"term": {"metadata.user": "u1"}}}}
    found = admin.search(index=index, query=not_mine, size=1_000)
    return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}


async def foreign_id(store: AsyncElasticsearchChatStore) -> str:
    """Return the id of a message of the session `s` that is not in the scope."""
    whole = AsyncElasticsearchChatStore(store.index, client=store.client)
    stored = [one async for one in whole.session("s").aiter_messages()]
    return next(one.id for one in stored if one.metadata.get("user") != "u1")


async def everything(items: Any) -> list[Any]:
    return [one async for one in items]


async def refused(call: Callable[[], Any]) -> Any:
    with pytest.raises(ValueError, match=r"must be the id|until is not the id"):
        await call()
    return None


async def delete_theirs(store: AsyncElasticsearchChatStore) -> Any:
    return await store.session("s").adelete_messages([await foreign_id(store)])


async def truncate_theirs(store: AsyncElasticsearchChatStore) -> Any:
    foreign = await foreign_id(store)
    return await refused(lambda: store.session("s").atruncate_after(foreign))


async def page_before_theirs(store: AsyncElasticsearchChatStore) -> Any:
    history = store.session("s")
    foreign = await foreign_id(store)
    await refused(lambda: history.aget_stored_messages(limit=5, before=foreign))
    return await history.aget_stored_messages(limit=100)


async def fork_theirs(store: AsyncElasticsearchChatStore) -> Any:
    history = store.session("s")
    foreign = await foreign_id(store)
    await refused(lambda: history.afork("u", until=foreign))
    # Their session of that name is not there.
    fork = await history.afork("t")
    await history.afork("t", overwrite=True)
    return [await fork.aget_messages(), await store.session("t").aget_messages()]


async def import_theirs(store: AsyncElasticsearchChatStore) -> Any:
    whole = AsyncElasticsearchChatStore(store.index, client=store.client)
    records = await everything(whole.aexport())
    foreign = [one for one in records if one["metadata"].get("user") != "u1"]
    with pytest.raises(MessagesNotStoredError, match="outside the scope") as raised:
        await store.aimport(foreign)
    assert list(raised.value.reasons) == list(range(len(foreign)))
    copied = [{**one, "id": f"{number}"} for number, one in enumerate(foreign)]
    assert await store.aimport(copied) == ImportResult(len(copied))
    assert await store.aimport(copied) == ImportResult(0, len(copied))
    assert await store.acount_messages() == len(TURN) + len(copied)
    await store.adelete_sessions(metadata={"user": "u2"})  # none of them is labelled so any more
    return None


async def chained(*calls: Any) -> list[Any]:
    return [await call for call in calls]


STORE: dict[str, Attempt] = {
    "alist_sessions": lambda store: chained(
        *(
            store.alist_sessions(order=order, prefix=prefix, metadata=metadata)
            for order in ("recent", "id")
            for prefix in (None, "s", "t")
            for metadata in (None, {"user": "u2"}, {"user": None}, {"user": ["u1", "u2"]})
        )
    ),
    "acount_sessions": lambda store: store.acount_sessions(metadata={"user": "u2"}),
    "acount_messages": lambda store: store.acount_messages(session_id="t"),
    "asearch": lambda store: chained(
        *(
            store.asearch("shard secret", mode=mode, per_session=per_session, metadata=metadata)
            for mode in ("text", "semantic", "hybrid")
            for per_session in (False, True)
            for metadata in (None, {"user": "u2"}, {"user": None})
        )
    ),
    "adelete_sessions": lambda store: chained(
        store.adelete_sessions(["s", "t"]), store.adelete_sessions(metadata={"user": "u2"})
    ),
    "aprune": lambda store: store.aprune(FUTURE),
    "aset_metadata": lambda store: store.aset_metadata(["s", "t"], {"mine": True}),
    "aexport": lambda store: everything(store.aexport(session_ids=["s", "t"])),
    "aimport": import_theirs,
    "abackfill": lambda store: store.abackfill(),
    "create_if_missing": lambda store: store.create_if_missing(),
    "session": lambda store: chained(
        store.session("t").aget_messages(),
        store.session("t", max_retries=1, metadata={"user": "u2"}, ttl=None).aget_messages(),
    ),
    "as_retriever": lambda store: store.as_retriever(limit=100).ainvoke("shard"),
    "scoped": lambda store: store.scoped({"team": "a"}).acount_messages(),
    "aclose": lambda store: store.aclose(),
}
HISTORY: dict[str, Attempt] = {
    "aget_messages": lambda store: chained(
        store.session("s").aget_messages(),
        store.session("s").aget_messages(limit=100),
        store.session("t").aget_messages(),
    ),
    "aiter_messages": lambda store: everything(store.session("s").aiter_messages()),
    "aget_stored_messages": page_before_theirs,
    "aadd_message": lambda store: store.session("t").aadd_message(TURN[0]),
    "aadd_messages": lambda store: store.session("t").aadd_messages(TURN, idempotency_key="k"),
    "astore_messages": lambda store: store.session("t").astore_messages(TURN, idempotency_key="k"),
    "apop_messages": lambda store: store.session("s").apop_messages(100),
    "adelete_messages": delete_theirs,
    "atruncate_after": truncate_theirs,
    "aset_messages": lambda store: store.session("t").aset_messages(TURN),
    "aclear": lambda store: chained(store.session("s").aclear(), store.session("t").aclear()),
    "afork": fork_theirs,
    "asearch": lambda store: chained(
        *(
            store.session("s").asearch("shard secret", mode=mode, limit=100)
            for mode in ("text", "semantic", "hybrid")
        )
    ),
    "create_if_missing": lambda store: store.session("s").create_if_missing(),
    "aclose": lambda store: store.session("s").aclose(),
}
RETRIEVER: dict[str, Attempt] = {
    "session_id": lambda store: store.as_retriever(session_id="t", limit=100).ainvoke("shard"),
    "message_metadata": lambda store: store.as_retriever(
        metadata={"user": "u2"}, limit=100
    ).ainvoke("shard"),
    "mode": lambda store: store.as_retriever(mode="hybrid", limit=100).ainvoke("shard"),
}


def methods_of(public: type) -> set[str]:
    """Return the public methods that a class defines itself."""
    return {
        name
        for name, member in vars(public).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_no_method_is_forgotten() -> None:
    assert methods_of(AsyncElasticsearchChatStore) == STORE.keys()
    assert methods_of(AsyncElasticsearchChatMessageHistory) == HISTORY.keys()


ATTEMPTS = [*STORE.items(), *HISTORY.items(), *RETRIEVER.items()]


@pytest.mark.parametrize(
    "attempt", [attempt for _, attempt in ATTEMPTS], ids=[name for name, _ in ATTEMPTS]
)
async def test_nothing_of_others_is_seen_or_changed(
    mine: AsyncElasticsearchChatStore, admin: Elasticsearch, attempt: Attempt
) -> None:
    before = outside(admin, mine.index)
    assert len(before) == 8
    returned = await attempt(mine)
    assert outside(admin, mine.index) == before
    assert "their" not in repr(returned)
    assert "'u2'" not in repr(returned)  # with quotes, which no cursor has


async def test_the_owner_sees_all_of_the_own(mine: AsyncElasticsearchChatStore) -> None:
    history = mine.session("s")
    assert await history.aget_messages() == TURN
    assert [one.message_count for one in await mine.alist_sessions()] == [2]
    assert [one.message_count for one in await mine.alist_sessions(order="id")] == [2]
    assert await mine.acount_sessions() == 1
    assert await mine.acount_messages() == 2
    for mode in ("text", "semantic", "hybrid"):
        assert len(await mine.asearch("shard", mode=mode)) >= 1
    assert [one["metadata"] for one in await everything(mine.aexport())] == [{"user": "u1"}] * 2
    assert [one.message for one in await history.apop_messages()] == TURN[1:]
    assert await mine.adelete_sessions(["s"]) == 1


async def test_the_same_key_is_another_call_in_another_scope(
    chats: AsyncElasticsearchChatStore, mine: AsyncElasticsearchChatStore
) -> None:
    again = await mine.session("s").astore_messages(TURN, idempotency_key="k")
    assert again.existing == (0, 1)
    same = (
        await chats.scoped({"user": "u1"}).session("s").astore_messages(TURN, idempotency_key="k")
    )
    assert same == again
    theirs = (
        await chats.scoped({"user": "u2"}).session("s").astore_messages(TURN, idempotency_key="k")
    )
    assert [one.message for one in theirs.stored] == THEIRS
    assert {one.id for one in theirs.stored}.isdisjoint(one.id for one in again.stored)


async def test_whatever_is_written_has_the_label(
    mine: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    history = mine.session("t", metadata={"user": "u2", "team": {"id": 1}})
    await history.aadd_message(TURN[0])
    await history.aadd_messages(TURN, metadata={"user": {"id": "u2"}, "a": 1})
    (one,) = (await history.astore_messages(TURN[:1], metadata={"user": "u9"})).stored
    assert one.metadata == {"user": "u1", "team": {"id": 1}}
    await history.afork("v")
    await mine.session("w", metadata={"user": "u2"}).aset_messages(TURN)
    for session_id, expected in (("t", 4), ("v", 4), ("w", 2)):
        assert await mine.acount_messages(session_id=session_id) == expected
        labelled = [
            source
            for source in sources(admin, mine.index, session_id)
            if source.get("metadata", {}).get("user") == "u1"
        ]
        assert len(labelled) == expected


async def test_scopes_nest_and_get_narrower(
    chats: AsyncElasticsearchChatStore, mine: AsyncElasticsearchChatStore
) -> None:
    team = mine.scoped({"team": {"id": 7}})
    await team.session("s").aadd_messages(numbered(1))
    assert await team.acount_messages() == 1
    assert await mine.acount_messages() == 3
    assert (await everything(team.aexport()))[0]["metadata"] == {"user": "u1", "team": {"id": 7}}
    same = chats.scoped({"team": {"id": 7}, "user": "u1"})
    assert await same.acount_messages() == 1
    assert await team.scoped({"user": "u1"}).acount_messages() == 1
    other = chats.scoped({"team": {"id": 7}})
    assert await other.acount_messages() == 1
    with pytest.raises(ValueError, match=r"'metadata.user' is 'u1' in this scope.* narrower"):
        team.scoped({"user": "u2"})
    with pytest.raises(ValueError, match="narrower"):
        team.scoped({"team": {"id": 8}})


@pytest.mark.parametrize(
    ("metadata", "error", "named"),
    [
        ({}, ValueError, "at least one key"),
        (None, TypeError, "must be a mapping, but is None"),
        ("user", TypeError, "must be a mapping"),
        ({"user": None}, ValueError, "'metadata.user' must be one value in a scope"),
        ({"user": []}, ValueError, "'metadata.user' must be one value in a scope"),
        ({"user": ["u1"]}, ValueError, "'metadata.user' must be one value in a scope"),
        ({"user": ["u1", "u2"]}, ValueError, "'metadata.user' must be one value in a scope"),
        ({"user": {}}, ValueError, "'metadata.user' must be one value in a scope"),
        ({"user": {"id": None}}, ValueError, "'metadata.user.id' must be one value in a scope"),
    ],
)
def test_a_scope_that_is_no_wall_is_refused(
    chats: AsyncElasticsearchChatStore, metadata: Any, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        chats.scoped(metadata)


async def test_a_scoped_call_takes_as_many_requests(
    chats: AsyncElasticsearchChatStore,
) -> None:
    calls: list[Attempt] = [
        lambda store: store.session("s").aadd_messages(TURN),
        lambda store: store.session("s").aadd_messages(TURN, idempotency_key="l"),
        lambda store: store.session("s").aget_messages(),
        lambda store: store.session("s").aget_messages(limit=5),
        lambda store: store.alist_sessions(),
        lambda store: store.asearch("shard"),
        lambda store: store.acount_messages(),
        lambda store: store.session("s").apop_messages(),
        lambda store: store.session("s").aclear(),
    ]
    for call in calls:
        requests = recorded(chats.client)
        await call(chats.scoped({"user": "u3"}))
        scoped = [one.endpoint for one in requests]
        requests.clear()
        await call(chats)
        assert [one.endpoint for one in requests] == scoped


async def test_closing_a_scoped_store_leaves_the_client_open(
    index: str, address: dict[str, Any]
) -> None:
    async with AsyncElasticsearchChatStore(index, **address) as chats:
        mine = chats.scoped({"user": "u1"})
        await mine.session("s").aadd_messages(TURN)
        await mine.aclose()
        with pytest.raises(ChatHistoryError, match="closed"):
            await mine.acount_messages()
        await chats.session("s").aadd_messages(TURN)
        mine = chats.scoped({"user": "u1"})
    with pytest.raises(ChatHistoryError, match="closed"):
        await mine.acount_messages()
    with pytest.raises(ChatHistoryError, match="closed"):
        chats.scoped({"user": "u1"})


async def test_an_index_that_keeps_no_metadata_takes_nothing_in_a_scope(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=CONFLICTING_MAPPINGS)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.session("s").aadd_messages(THEIRS)
    mine = chats.scoped({"user": "u1"})
    with pytest.raises(ChatHistoryError, match="keeps no metadata, which a scope needs"):
        await mine.session("s").aadd_messages(TURN)
    assert await mine.session("s").aget_messages() == []
    assert await mine.adelete_sessions(["s"]) == 0
    assert count(admin, index) == 2


async def test_a_session_of_two_users_is_pruned_for_one(
    chats: AsyncElasticsearchChatStore, mine: AsyncElasticsearchChatStore
) -> None:
    assert await mine.aprune(timedelta(microseconds=1)) == 2
    assert await chats.acount_messages() == 8
    assert texts(await chats.scoped({"user": "u2"}).session("s").aget_messages()) == texts(THEIRS)
