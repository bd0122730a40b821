"""Messages with their ids and times: pages, results of storing, and cutting after one."""

from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    StoredMessage,
    StoreResult,
)
from elasticsearch_chat_history._documents.document import seq_in_id, time_ordered_id
from tests.support.client_requests import before_each, recorded
from tests.support.concurrency import async_together
from tests.support.documents import UPSTREAM_MAPPINGS, own_document, upstream_document
from tests.support.messages import numbered, texts
from tests.support.server import count, store

pytestmark = pytest.mark.server_side

TIME = 1_735_689_600_000
TURN: list[BaseMessage] = [
    HumanMessage("What?", id="message-1"),
    AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "c"}]),
    ToolMessage("7", tool_call_id="c"),
    AIMessage("7."),
]


@pytest.fixture
async def mixed(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> AsyncElasticsearchChatMessageHistory:
    """A session of which several programs have written, also in the same millisecond."""
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.create_if_missing()
    documents = [
        *(upstream_document("s", TIME, HumanMessage(f"their {at}")) for at in range(3)),
        *(own_document("s", TIME * 1000 + at, HumanMessage(f"our {at}")) for at in range(3)),
        *(upstream_document("s", TIME + 1, AIMessage(f"their later {at}")) for at in range(2)),
        upstream_document("other", TIME, HumanMessage("other")),
    ]
    store(admin, index, documents)
    history = chats.session("s")
    await history.aadd_messages(TURN)
    await history.aadd_messages(TURN, idempotency_key="k")
    return history


async def all_of(history: AsyncElasticsearchChatMessageHistory) -> list[StoredMessage]:
    return [one async for one in history.aiter_messages()]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("types", [None, ["human"], ["ai", "tool"]])
async def test_pages_that_scroll_up_make_up_the_session(
    mixed: AsyncElasticsearchChatMessageHistory, limit: int, types: list[str] | None
) -> None:
    expected = [one for one in await all_of(mixed) if types is None or one.message.type in types]
    found: list[StoredMessage] = []
    before: str | None = None
    while page := await mixed.aget_stored_messages(limit=limit, before=before, types=types):
        assert len(page) == min(limit, len(expected) - len(found))
        found = page + found
        before = page[0].id
    assert found == expected
    assert await mixed.aget_stored_messages(types=types) == expected


async def test_a_page_ends_before_any_message(
    mixed: AsyncElasticsearchChatMessageHistory,
) -> None:
    whole = await all_of(mixed)
    for position, one in enumerate(whole):
        for types in (None, ["human"]):
            earlier = [
                other for other in whole[:position] if types is None or other.message.type in types
            ]
            assert await mixed.aget_stored_messages(before=one.id, types=types) == earlier
            page = await mixed.aget_stored_messages(limit=2, before=one.id, types=types)
            assert page == earlier[-2:]


async def test_a_page_takes_one_request(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    await async_history.aadd_messages(numbered(100))
    requests = recorded(async_client)
    page = await async_history.aget_stored_messages(limit=20)
    for _ in range(4):
        page = await async_history.aget_stored_messages(
            limit=20, before=page[0].id, types=["human", "ai"]
        )
    assert texts([one.message for one in page]) == texts(numbered(20))
    assert [one.endpoint for one in requests] == ["_search"] * 5


async def test_the_first_of_a_page_may_be_the_result_of_a_tool(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages(TURN)
    page = await async_history.aget_stored_messages(limit=2)
    assert [one.message for one in page] == TURN[2:]
    history = AsyncElasticsearchChatMessageHistory(
        async_history.index, async_history.session_id, client=async_history.client, history_size=3
    )
    assert [one.message for one in await history.aget_stored_messages()] == TURN[1:]


async def test_parts_of_streamed_answers_are_answers(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    await async_history.aadd_messages([HumanMessage("q"), AIMessageChunk(content="a")])
    (answer,) = await async_history.aget_stored_messages(limit=5, types=["ai"])
    assert answer.message.text == "a"


async def test_a_copy_and_an_import_are_paged_as_well(
    mixed: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    fork = await mixed.afork("fork")
    for one in (whole := await all_of(fork)):
        earlier = await fork.aget_stored_messages(limit=3, before=one.id)
        assert earlier == whole[max(0, whole.index(one) - 3) : whole.index(one)]
    # Its id tells of another time than it is stored with.
    chats = AsyncElasticsearchChatStore(mixed.index, client=async_client)
    record = {"session_id": "t", "message": {"type": "human", "data": {"content": "a"}}}
    ids = [time_ordered_id(TIME * 1000), time_ordered_id(TIME * 2000)]
    await chats.aimport(
        [{**record, "id": id_, "created_at": TIME - at} for at, id_ in enumerate(ids)]
    )
    imported = chats.session("t")
    assert [one.id for one in await all_of(imported)] == ids[::-1]
    (earlier_one,) = await imported.aget_stored_messages(limit=5, before=ids[0])
    assert earlier_one.id == ids[1]
    assert await imported.aget_stored_messages(limit=5, before=ids[1]) == []


def test_an_own_id_tells_its_place() -> None:
    for seq in (0, 1, 999, 1_000, 1_700_000_000_123_456, 1_700_000_000_999_999):
        assert seq_in_id(time_ordered_id(seq)) == seq
    for other in ("", "m", "f53b0db3-815c-59b7-a7fd-50c440000971", "X" * 36):
        assert seq_in_id(other) is None


# The last one could be of our own.
@pytest.mark.parametrize("before", ["message-1", "none", "01941f29-7c00-7000-a4c4-69c365595d00"])
async def test_an_id_that_is_not_in_the_session_is_refused(
    mixed: AsyncElasticsearchChatMessageHistory, before: str
) -> None:
    other = AsyncElasticsearchChatStore(mixed.index, client=mixed.client).session("other")
    for history in (mixed, other):
        with pytest.raises(ValueError, match="before must be the id of a StoredMessage"):
            await history.aget_stored_messages(limit=5, before=before)
        with pytest.raises(ValueError, match="message_id must be the id of a StoredMessage"):
            await history.atruncate_after(before)
    (theirs,) = await all_of(other)
    with pytest.raises(ValueError, match="before must be"):
        await mixed.aget_stored_messages(before=theirs.id)


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"limit": 0}, ValueError, "limit must be at least 1"),
        ({"limit": "5"}, TypeError, "limit"),
        ({"before": ""}, ValueError, "before must not be empty"),
        ({"before": 5}, TypeError, "before must be a str"),
        ({"types": ["robot"]}, ValueError, "types must be some of"),
        ({"types": []}, ValueError, "types must name at least one"),
        ({"types": "human"}, TypeError, "types must be a list"),
    ],
)
async def test_a_bad_argument_is_named_and_nothing_is_sent(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    arguments: dict[str, Any],
    error: type[Exception],
    named: str,
) -> None:
    requests = recorded(async_client)
    with pytest.raises(error, match=named):
        await async_history.aget_stored_messages(**arguments)
    assert requests == []


async def test_a_missing_index_has_no_pages(index: str, async_client: AsyncElasticsearch) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    assert await history.aget_stored_messages(limit=5) == []
    assert await history.aget_stored_messages() == []
    with pytest.raises(ValueError, match="before must be"):
        await history.aget_stored_messages(limit=5, before=time_ordered_id(TIME * 1000))


async def test_what_is_stored_is_returned_with_ids_and_times(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    await async_history.create_if_missing()
    requests = recorded(async_client)
    result = await async_history.astore_messages(TURN, metadata={"user": "u1"})
    assert [one.endpoint for one in requests] == ["_bulk"]
    assert result == StoreResult(tuple(await all_of(async_history)))
    assert [one.message for one in result.stored] == TURN
    assert {one.metadata["user"] for one in result.stored} == {"u1"}
    assert await async_history.astore_messages([]) == StoreResult(())


async def test_a_repeated_call_finds_what_was_stored(
    async_history: AsyncElasticsearchChatMessageHistory, async_client: AsyncElasticsearch
) -> None:
    first = await async_history.astore_messages(TURN, idempotency_key="k")
    assert first.existing == ()
    requests = recorded(async_client)
    # Another answer of the model does not count.
    again = await async_history.astore_messages([*TURN[:3], AIMessage("8.")], idempotency_key="k")
    assert [one.endpoint for one in requests] == ["_bulk", "_mget"]
    assert again == StoreResult(first.stored, (0, 1, 2, 3))
    assert [one.message for one in await all_of(async_history)] == TURN


@pytest.mark.parametrize("missing", [0, 2])
async def test_a_half_stored_call_is_completed_and_returned(
    async_history: AsyncElasticsearchChatMessageHistory, missing: int
) -> None:
    first = await async_history.astore_messages(TURN, idempotency_key="k")
    await async_history.aadd_messages(numbered(1))
    await async_history.adelete_messages([first.stored[missing].id])
    again = await async_history.astore_messages(TURN, idempotency_key="k")
    assert again == StoreResult(
        tuple((await all_of(async_history))[: len(TURN)]),
        tuple(position for position in range(4) if position != missing),
    )


async def test_what_comes_after_a_message_is_removed(
    mixed: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    whole = await all_of(mixed)
    for position in reversed(range(len(whole))):
        removed = await mixed.atruncate_after(whole[position].id)
        assert removed == whole[position + 1 : position + 2]
        assert await all_of(mixed) == whole[: position + 1]
    assert count(admin, mixed.index, "other") == 1


async def test_more_than_a_page_is_removed_in_order(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    result = await async_history.astore_messages(numbered(2_500))
    removed = await async_history.atruncate_after(result.stored[1].id)
    assert removed == list(result.stored[2:])
    assert texts(await async_history.aget_messages()) == ["0", "1"]


async def test_concurrent_callers_never_get_the_same_message(
    async_history: AsyncElasticsearchChatMessageHistory,
) -> None:
    result = await async_history.astore_messages(numbered(200))
    removed: list[list[StoredMessage]] = []

    async def truncate() -> None:
        removed.append(await async_history.atruncate_after(result.stored[9].id))

    async def pop() -> None:
        removed.append(await async_history.apop_messages(20))

    await async_together([truncate, truncate, pop, truncate])
    found = sorted((one for part in removed for one in part), key=lambda one: one.created_at)
    # Who pops may go on with earlier messages where others were faster.
    left = await all_of(async_history)
    assert left + found == list(result.stored)
    assert len(left) <= 10


async def test_what_is_written_meanwhile_stays(
    async_history: AsyncElasticsearchChatMessageHistory, admin: Elasticsearch
) -> None:
    result = await async_history.astore_messages(numbered(3))
    later = own_document(
        async_history.session_id, 4_000_000_000_000_000, HumanMessage("meanwhile")
    )
    written: list[str] = []

    def write(request: Any) -> None:
        if request.endpoint == "_bulk" and not written:
            written.extend(store(admin, async_history.index, [later]))

    before_each(async_history.client, write)
    assert await async_history.atruncate_after(result.stored[0].id) == list(result.stored[1:])
    assert texts(await async_history.aget_messages()) == ["0", "meanwhile"]


async def test_ids_of_no_stored_message_are_told(
    async_history: AsyncElasticsearchChatMessageHistory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "elasticsearch_chat_history")
    stored = (await async_history.astore_messages(TURN)).stored
    caplog.clear()
    assert await async_history.adelete_messages([stored[3].id]) == [stored[3]]
    assert caplog.messages == []
    # The id of a LangChain message is not that of its document.
    assert await async_history.adelete_messages(["message-1", stored[2].id]) == [stored[2]]
    (line,) = caplog.messages
    assert line.startswith("1 of 2 ids are of no message in the session")


async def test_upstreams_index_is_paged_and_cut_as_well(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    documents = [upstream_document("s", TIME + at // 4, HumanMessage(str(at))) for at in range(10)]
    ids = store(admin, index, documents)
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    page = await history.aget_stored_messages(limit=3, before=ids[6], types=["human"])
    assert texts([one.message for one in page]) == ["3", "4", "5"]
    removed = await history.atruncate_after(ids[1])
    assert texts([one.message for one in removed]) == [str(at) for at in range(2, 10)]
