"""Completing what upstream wrote: all of it, and its order stays the same at every moment."""

from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch
from langchain_core.messages import AIMessage, HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ChatHistoryError,
)
from elasticsearch_chat_history._requests import bulk
from tests.support._async.held_requests import AsyncHeldRequests
from tests.support.client_requests import recorded
from tests.support.concurrency import AsyncRunning, async_together
from tests.support.documents import (
    CONFLICTING_MAPPINGS,
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    own_document,
    upstream_document,
)
from tests.support.messages import EVERY_TYPE, numbered, texts
from tests.support.server import mappings, sources, store

pytestmark = pytest.mark.server_side

MILLISECOND = 1_700_000_000_000
SECRET = "the text of the message"


@pytest.fixture
async def chats(index: str, async_client: AsyncElasticsearch) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(index, client=async_client)


@pytest.fixture(params=[1, 3])
def upstream_index(index: str, admin: Elasticsearch, request: pytest.FixtureRequest) -> str:
    """An index of upstream's, with one shard or several."""
    settings = {"index.number_of_shards": request.param}
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS, settings=settings)
    return index


def store_upstreams(
    admin: Elasticsearch, index: str, number: int, *, sessions: int = 1, in_a_millisecond: int = 1
) -> None:
    """Store messages as upstream does; sessions take turns."""
    store(
        admin,
        index,
        [
            upstream_document(
                f"s{position % sessions}",
                MILLISECOND + position // sessions // in_a_millisecond,
                message,
            )
            for position, message in enumerate(numbered(number))
        ],
    )


async def reads(chats: AsyncElasticsearchChatStore, sessions: int = 1) -> list[list[str]]:
    """Return the texts of each session, in the order in which they are read."""
    return [texts(await chats.session(f"s{number}").aget_messages()) for number in range(sessions)]


def interrupt_bulk(client: Any, number: int, *, after: int) -> None:
    """Let only the first `after` documents of bulk request `number` through, and end there."""
    perform_request = client.transport.perform_request
    bulks = []

    async def interrupt(method: str, target: str, **details: Any) -> Any:
        if "_bulk" in target:
            bulks.append(target)
            if len(bulks) == number:
                body = details["body"][:after]
                if body:
                    await perform_request(method, target, **{**details, "body": body})
                client.transport.perform_request = perform_request
                raise KeyError("interrupted")
        return await perform_request(method, target, **details)

    client.transport.perform_request = interrupt


async def test_every_document_gets_what_it_lacks(
    upstream_index: str, chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    store(
        admin,
        upstream_index,
        [
            upstream_document("s0", MILLISECOND + position, message)
            for position, message in enumerate(EVERY_TYPE)
        ],
    )
    before = sources(admin, upstream_index, "s0")
    assert await chats.abackfill() == len(EVERY_TYPE)
    assert sources(admin, upstream_index, "s0") == [
        {
            **source,
            "seq": source["created_at"] * 1000,
            "content": message.text,
            "type": message.type,
        }
        for source, message in zip(before, EVERY_TYPE, strict=True)
    ]
    assert await chats.session("s0").aget_messages() == EVERY_TYPE
    assert (
        mappings(admin, upstream_index)["properties"].keys() == OWN_MAPPINGS["properties"].keys()
    )


@pytest.mark.parametrize("batch_size", [1, 7])
async def test_the_order_stays_as_it_was_read(
    upstream_index: str,
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    batch_size: int,
) -> None:
    store_upstreams(admin, upstream_index, 120, sessions=3, in_a_millisecond=9)
    before = await reads(chats, 3)
    assert await chats.abackfill(batch_size=batch_size) == 120
    assert await reads(chats, 3) == before
    for number in range(3):
        for source in sources(admin, upstream_index, f"s{number}"):
            assert source["seq"] // 1000 == source["created_at"]
    assert await chats.abackfill() == 0
    assert await reads(chats, 3) == before


async def test_ours_of_the_same_millisecond_stay_behind(
    upstream_index: str, chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    await chats.create_if_missing()
    first = MILLISECOND * 1000
    store(admin, upstream_index, [own_document("s0", first + 2, HumanMessage("our 2"))])
    store(admin, upstream_index, [own_document("s0", first + 500, HumanMessage("our 500"))])
    store(admin, upstream_index, [own_document("s1", first, HumanMessage("other"))])
    store_upstreams(admin, upstream_index, 4, in_a_millisecond=4)
    (before,) = await reads(chats)
    assert before[4:] == ["our 2", "our 500"]
    assert await chats.abackfill() == 4
    assert await reads(chats) == [before]
    seqs = sorted(source["seq"] - first for source in sources(admin, upstream_index, "s0"))
    assert seqs == [-2, -1, 0, 1, 2, 500]


@pytest.mark.parametrize("cut", [(1, 1), (3, 11)])
async def test_an_interruption_changes_no_order_and_is_taken_up_again(
    upstream_index: str,
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
    cut: tuple[int, int],
) -> None:
    # The messages of one millisecond take several requests.
    monkeypatch.setattr(bulk, "MAX_DOCUMENTS", 20)
    store_upstreams(admin, upstream_index, 100, sessions=2, in_a_millisecond=25)
    before = await reads(chats, 2)
    interrupt_bulk(chats.client, cut[0], after=cut[1])
    with pytest.raises(KeyError, match="interrupted"):
        await chats.abackfill(batch_size=30)
    admin.indices.refresh(index=upstream_index)
    assert await reads(chats, 2) == before
    done = sum("seq" in one for name in ("s0", "s1") for one in sources(admin, chats.index, name))
    assert done > 0
    assert await chats.abackfill(batch_size=30) == 100 - done
    assert await reads(chats, 2) == before
    for name in ("s0", "s1"):
        for source in sources(admin, upstream_index, name):
            assert source["seq"] // 1000 == source["created_at"]
    assert await chats.abackfill() == 0


@pytest.mark.heavy
async def test_more_than_a_thousand_messages_of_one_millisecond(
    index: str, chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store_upstreams(admin, index, 2_300, in_a_millisecond=2_200)
    before = await reads(chats)
    interrupt_bulk(chats.client, 1, after=1_500)
    with pytest.raises(KeyError, match="interrupted"):
        await chats.abackfill()
    assert await chats.abackfill() == 800
    assert await reads(chats) == before
    limited = await chats.session("s0").aget_messages(limit=150)
    assert texts(limited) == before[0][-150:]


async def test_readers_and_writers_go_on_meanwhile(
    index: str,
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "MAX_DOCUMENTS", 15)
    admin.indices.create(
        index=index, mappings=UPSTREAM_MAPPINGS, settings={"index.refresh_interval": "10ms"}
    )
    store_upstreams(admin, index, 200, in_a_millisecond=40)
    written: list[str] = []

    async def write() -> None:
        for number in range(20):
            await chats.session("s0").aadd_message(HumanMessage(f"new {number}"))
            written.append(f"new {number}")

    completed: list[int] = []

    async def complete() -> None:
        completed.append(await chats.abackfill(batch_size=30))

    async with AsyncRunning[None]() as running:
        with AsyncHeldRequests(chats.client) as held:
            running.start(write)
            running.start(complete)
            while not completed or len(written) < 20:
                acknowledged = len(written)
                # So that each change is under way with a read, however fast each of them is.
                held.release()
                (read,) = await reads(chats)
                assert read[:200] == texts(numbered(200))
                assert read[200:] == [f"new {number}" for number in range(len(read) - 200)]
                assert len(read) - 200 >= acknowledged
                running.check()
    assert completed == [200]
    assert await chats.abackfill() == 0


async def test_two_at_once_do_no_harm(
    index: str, chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store_upstreams(admin, index, 100, in_a_millisecond=10)
    before = await reads(chats)
    await async_together(
        [lambda: chats.abackfill(batch_size=7), lambda: chats.abackfill(batch_size=30)]
    )
    assert await reads(chats) == before
    assert await chats.abackfill() == 0


async def test_what_upstream_writes_into_our_index_is_completed_too(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    await chats.session("s0").aadd_message(HumanMessage("our"))
    ours = sources(admin, chats.index, "s0")
    store_upstreams(admin, chats.index, 3, in_a_millisecond=2)
    requests = recorded(chats.client)
    assert await chats.abackfill() == 3
    assert await reads(chats) == [["0", "1", "2", "our"]]
    assert sources(admin, chats.index, "s0")[-1:] == ours
    sent = [len(request.body) for request in requests if request.endpoint == "_bulk"]
    assert sum(sent) == 3


async def test_documents_that_lack_their_type_keep_their_place(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    await chats.create_if_missing()
    document = own_document("s0", MILLISECOND * 1000 + 7, AIMessage("Hi!"))
    del document["type"]
    store(admin, chats.index, [document])
    assert await chats.abackfill() == 1
    assert sources(admin, chats.index, "s0") == [{**document, "content": "Hi!", "type": "ai"}]


async def test_sessions_kept_on_one_shard_are_completed_there(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(
        index, client=async_client, routing=True, number_of_shards=3
    )
    for number in range(6):
        await chats.session(f"s{number}").aadd_messages(numbered(5))
    admin.update_by_query(
        index=index,
        refresh=True,
        script={"source": "ctx._source.remove('seq'); ctx._source.remove('type')"},
    )
    assert await chats.abackfill(batch_size=4) == 30
    assert await reads(chats, 6) == [texts(numbered(5))] * 6


async def test_an_alias_of_several_indices_is_completed_where_the_documents_are(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, used_indices: list[str]
) -> None:
    names = [f"{index}-{number}" for number in range(2)]
    used_indices += names
    for number, name in enumerate(names):
        admin.indices.create(
            index=name,
            mappings=UPSTREAM_MAPPINGS,
            aliases={f"{index}-all": {"is_write_index": number == 1}},
        )
        store_upstreams(admin, name, 10, in_a_millisecond=3)
    chats = AsyncElasticsearchChatStore(f"{index}-all", client=async_client)
    before = await reads(chats)
    assert await chats.abackfill(batch_size=3) == 20
    assert await reads(chats) == before


async def test_nothing_to_complete(
    chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    assert await chats.abackfill() == 0
    admin.index(index=chats.index, document={"other": 1}, refresh=True)
    admin.index(index=chats.index, document={"session_id": "s0"}, refresh=True)
    assert await chats.abackfill() == 0


async def test_an_unreadable_document_keeps_its_place_and_is_told_of_once(
    upstream_index: str,
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    documents = [upstream_document("s0", MILLISECOND, one) for one in numbered(9)]
    documents[3]["history"] = documents[5]["history"] = f"{{ {SECRET}"
    ids = store(admin, upstream_index, documents)
    for completed in (7, 0):
        caplog.clear()
        assert await chats.abackfill(batch_size=2) == completed
        (line,) = [record.getMessage() for record in caplog.records]
        assert "stay incomplete: 2, such as" in line
        assert ids[3] in line or ids[5] in line
        assert SECRET not in line
    admin.update(index=upstream_index, id=ids[3], doc={"history": documents[2]["history"]})
    admin.delete(index=upstream_index, id=ids[5])
    admin.indices.refresh(index=upstream_index)
    before = await reads(chats)
    assert await chats.abackfill() == 1
    assert await reads(chats) == before
    caplog.clear()
    assert await chats.abackfill() == 0
    assert not caplog.records


async def test_a_document_that_is_deleted_meanwhile_is_no_failure(
    index: str,
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    documents = [upstream_document("s0", MILLISECOND, one) for one in numbered(3)]
    ids = store(admin, index, documents)
    perform_request = chats.client.transport.perform_request

    async def delete_first(method: str, target: str, **details: Any) -> Any:
        if "_bulk" in target:
            admin.delete(index=index, id=ids[1])
        return await perform_request(method, target, **details)

    monkeypatch.setattr(chats.client.transport, "perform_request", delete_first)
    assert await chats.abackfill() == 2
    assert await reads(chats) == [["0", "2"]]


async def test_documents_that_cannot_be_changed_are_counted_and_the_rest_is_completed(
    index: str, chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    properties = {**UPSTREAM_MAPPINGS["properties"], "number": {"type": "integer"}}
    admin.indices.create(
        index=index, mappings={"properties": {**UPSTREAM_MAPPINGS["properties"]}, "dynamic": False}
    )
    store(
        admin,
        index,
        [
            {
                **upstream_document("s0", MILLISECOND + number, HumanMessage(SECRET)),
                "number": value,
            }
            for number, value in enumerate(["x", 1, "y", 2])
        ],
    )
    # What is there has no place in this field, which is noticed when it is written again.
    admin.indices.put_mapping(index=index, properties={"number": properties["number"]})
    with pytest.raises(ChatHistoryError, match="2 messages could not be completed") as caught:
        await chats.abackfill()
    assert "document_parsing_exception (400): 2" in str(caught.value)
    assert SECRET not in str(caught.value)
    admin.indices.refresh(index=index)
    assert ["seq" in source for source in sources(admin, index, "s0")] == [
        False,
        True,
        False,
        True,
    ]


async def test_what_may_succeed_later_is_sent_again(
    index: str,
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store_upstreams(admin, index, 6, in_a_millisecond=3)
    perform_request = chats.client.transport.perform_request
    answers: list[Any] = []

    async def refuse_some(method: str, target: str, **details: Any) -> Any:
        if "_bulk" not in target or len(answers) > 1:
            return await perform_request(method, target, **details)
        body = details["body"]
        answer = await perform_request(method, target, **{**details, "body": body[:2]})
        answers.append(answer)
        refused = {"update": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}}
        answer.body["items"] += [refused] * len(body[2:])
        return answer

    monkeypatch.setattr(chats.client.transport, "perform_request", refuse_some)
    assert await chats.abackfill() == 6
    assert len(answers) == 2
    assert await reads(chats) == [texts(numbered(6))]


async def test_an_index_that_cannot_be_prepared_is_an_error_until_it_can(
    index: str, chats: AsyncElasticsearchChatStore, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=CONFLICTING_MAPPINGS)
    store_upstreams(admin, index, 2)
    with pytest.raises(ChatHistoryError, match="manage privilege"):
        await chats.abackfill()
    assert all("seq" not in source for source in sources(admin, index, "s0"))
    admin.indices.delete(index=index)
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    store_upstreams(admin, index, 2)
    assert await chats.abackfill() == 2


async def test_a_failure_is_one_line_in_the_log(
    index: str,
    chats: AsyncElasticsearchChatStore,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.indices.create(index=index)
    admin.indices.close(index=index)
    with pytest.raises(ValueError, match="batch_size"):
        await chats.abackfill(batch_size=0)
    with pytest.raises(ApiError):
        await chats.abackfill()
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith("Could not complete messages in Elasticsearch: index_closed_exception")
