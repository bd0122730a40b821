"""Importing: what was exported is there again, once, in its order."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import ApiError, AsyncElasticsearch, Elasticsearch
from elasticsearch import ConnectionError as ElasticsearchConnectionError
from langchain_core.messages import HumanMessage, message_to_dict

from elasticsearch_chat_history import (
    AsyncElasticsearchChatStore,
    ImportResult,
    MessagesNotStoredError,
)
from elasticsearch_chat_history._async.store import transfer
from elasticsearch_chat_history._documents.clock import CLOCK
from elasticsearch_chat_history._queries.filters import milliseconds_now
from tests.support._async.lost_answers import lose_answer
from tests.support.api_errors import refusal
from tests.support.client_requests import recorded
from tests.support.documents import (
    OWN_MAPPINGS,
    UPSTREAM_MAPPINGS,
    own_document,
    upstream_document,
)
from tests.support.messages import EVERY_TYPE, numbered, texts
from tests.support.server import count, sources, store

pytestmark = pytest.mark.server_side

MILLISECOND = 1_700_000_000_000
SECRET = "the text of the message"


@pytest.fixture
async def chats(
    shared_index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(shared_index, client=async_client)


def records(
    session_id: str, number: int, *, text: str = "", created_at: int | str = MILLISECOND
) -> list[dict[str, Any]]:
    """Return records without `seq` of one session and time."""
    return [
        {
            "id": f"{session_id}-{position}",
            "session_id": session_id,
            "created_at": created_at,
            "message": message_to_dict(HumanMessage(text or str(position))),
        }
        for position in range(number)
    ]


async def test_a_round_trip_changes_nothing(
    index: str, chats: AsyncElasticsearchChatStore, session_id: str, admin: Elasticsearch
) -> None:
    names = [f"{session_id}-{number}" for number in range(3)]
    await chats.session(names[0], metadata={"tenant": "a"}).aadd_messages(EVERY_TYPE)
    # Upstream's of one millisecond, ours of the same one, and those of another.
    first = [upstream_document(names[1], MILLISECOND, one) for one in numbered(7)]
    ours = [
        own_document(names[1], MILLISECOND * 1000 + n, HumanMessage(f"our {n}")) for n in (3, 9)
    ]
    later = [upstream_document(names[1], MILLISECOND + 1, one) for one in numbered(3, 7)]
    broken = [
        {**upstream_document(names[2], MILLISECOND, HumanMessage("")), "history": history}
        for history in ("not JSON", '{"type": "human", "data": {"content": "x", "n": NaN}}')
    ]
    store(admin, chats.index, [*ours[::-1], *first, *later, *broken])
    exported = [record async for record in chats.aexport(session_ids=names)]
    lines = [json.dumps(record) for record in exported]

    copy = AsyncElasticsearchChatStore(index, client=chats.client)
    assert await copy.aimport(lines) == ImportResult(len(lines), 0)
    for name in names[:2]:
        original = [stored async for stored in chats.session(name).aiter_messages()]
        assert [stored async for stored in copy.session(name).aiter_messages()] == original
    again = [record async for record in copy.aexport()]
    assert [{**record, "seq": None} for record in again] == [
        {**record, "seq": None} for record in exported
    ]
    # All have a place now, and those that had one keep it.
    seqs = [record["seq"] for record in again]
    assert None not in seqs
    assert all(before["seq"] in (None, seq) for before, seq in zip(exported, seqs, strict=True))
    assert [source["content"] for source in sources(admin, index, names[2])] == ["", "x"]


async def test_records_of_one_index_go_straight_into_another(
    index: str, chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    await chats.session(session_id).aadd_messages(numbered(20))
    copy = AsyncElasticsearchChatStore(index, client=chats.client)
    assert await copy.aimport(
        chats.aexport(session_ids=[session_id], batch_size=6)
    ) == ImportResult(20)
    assert texts(await copy.session(session_id).aget_messages()) == texts(numbered(20))


async def test_records_may_be_objects_or_lines_of_a_file(
    chats: AsyncElasticsearchChatStore, session_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "messages.jsonl"
    lines = [json.dumps(record) for record in records(session_id, 4)]
    path.write_text("\n".join([*lines[:2], "", *lines[2:], ""]), encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        assert await chats.aimport(file) == ImportResult(4)
    with path.open("rb") as file:
        assert await chats.aimport(file) == ImportResult(0, 4)
    assert await chats.aimport(records(session_id, 5)) == ImportResult(1, 4)
    assert await chats.aimport(iter(())) == ImportResult(0)
    assert texts(await chats.session(session_id).aget_messages()) == texts(numbered(5))


async def test_an_import_that_was_interrupted_is_repeated(
    chats: AsyncElasticsearchChatStore,
    session_id: str,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "MAX_DOCUMENTS", 10)
    whole = [
        record
        for number in range(9)
        for record in records(f"{session_id}-{number}", 3, created_at=MILLISECOND + number)
    ]

    def interrupted() -> Iterator[dict[str, Any]]:
        yield from whole[:14]
        raise KeyError("interrupted")

    with pytest.raises(KeyError):
        await chats.aimport(interrupted())
    names = [f"{session_id}-{number}" for number in range(9)]
    # The first batch ends with its last millisecond.
    assert sum(count(admin, chats.index, name) for name in names) == 12
    for stored_before in (12, 27):
        expected = ImportResult(27 - stored_before, stored_before)
        assert await chats.aimport(whole) == expected
        stored = [sources(admin, chats.index, name) for name in names]
        assert [[source["seq"] for source in session] for session in stored] == [
            [(MILLISECOND + number) * 1000 + place for place in range(3)] for number in range(9)
        ]
    for name in names:
        assert texts(await chats.session(name).aget_messages()) == ["0", "1", "2"]


async def test_what_a_request_without_an_answer_has_stored_counts_as_stored(
    chats: AsyncElasticsearchChatStore, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_DOCUMENTS", 4)
    given = [
        record
        for number in range(3)
        for record in records(f"{session_id}-{number}", 4, created_at=MILLISECOND + number)
    ]
    assert await chats.aimport(given[6:10]) == ImportResult(4)
    lose_answer(chats.client, "_bulk", ElasticsearchConnectionError("gone"))
    # The answer to the first four is lost.
    assert await chats.aimport(given) == ImportResult(8, 4)
    assert await chats.aimport(given) == ImportResult(0, 12)


async def test_a_refused_record_that_was_there_counts_as_existing(
    chats: AsyncElasticsearchChatStore, session_id: str
) -> None:
    given = records(session_id, 3)
    assert await chats.aimport([*given, given[0]]) == ImportResult(3, 1)
    # Nothing was stored by the request that was refused as a whole.
    lose_answer(chats.client, "_bulk", refusal("es_rejected_execution_exception", 429))
    assert await chats.aimport(given) == ImportResult(0, 3)


async def test_many_messages_of_one_millisecond_keep_their_order(
    chats: AsyncElasticsearchChatStore, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_DOCUMENTS", 100)
    whole = records(session_id, 1_100)
    whole += [{**whole[0], "id": f"{session_id}-ours", "seq": MILLISECOND * 1000 + 3}]
    assert await chats.aimport(whole) == ImportResult(1_101)
    read = texts(await chats.session(session_id).aget_messages())
    assert read == [*texts(numbered(1_100)), "0"]


async def test_batches_are_small_and_hold_many_sessions(
    chats: AsyncElasticsearchChatStore, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_DOCUMENTS", 20)
    monkeypatch.setattr(transfer, "MAX_BYTES", 4_000)
    await chats.create_if_missing()
    requests = recorded(chats.client)
    bulks_before = []

    def watched() -> Iterator[dict[str, Any]]:
        for number in range(50):
            bulks_before.append([request.endpoint for request in requests].count("_bulk"))
            yield from records(f"{session_id}-{number}", 1)
        for number in range(50, 60):
            bulks_before.append([request.endpoint for request in requests].count("_bulk"))
            yield from records(f"{session_id}-{number}", 1, text="x" * 3_000)

    assert await chats.aimport(watched()) == ImportResult(60)
    # Twenty small ones to a request, but two large ones.
    assert bulks_before == [0] * 21 + [1] * 20 + [2] * 11 + [3] * 2 + [4] * 2 + [5] * 2 + [6] * 2
    assert [request.endpoint for request in requests].count("_refresh") == 1


@pytest.mark.parametrize("refresh", [True, False, "wait_for"])
async def test_an_import_is_visible_as_the_store_says(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch, refresh: Any
) -> None:
    admin.indices.create(
        index=index, mappings=OWN_MAPPINGS, settings={"index.refresh_interval": "-1"}
    )
    chats = AsyncElasticsearchChatStore(index, client=async_client, refresh=refresh)
    await chats.aimport(records("s", 3))
    assert len(await chats.session("s").aget_messages()) == (3 if refresh else 0)
    assert count(admin, index) == 3


async def test_a_bad_record_is_named_and_what_came_before_is_stored(
    chats: AsyncElasticsearchChatStore,
    session_id: str,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transfer, "MAX_DOCUMENTS", 2)
    given = [
        json.dumps(record)
        for number in range(5)
        for record in records(session_id, 5, created_at=MILLISECOND + number)[number : number + 1]
    ]
    with pytest.raises(ValueError, match=r"position 5 .* not JSON.* first 2 records") as caught:
        await chats.aimport([*given[:3], "", given[3], f"{{ {SECRET}", given[4]])
    assert SECRET not in str(caught.value)
    assert count(admin, chats.index, session_id) == 2


async def test_records_that_the_index_refuses_are_named(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(transfer, "MAX_DOCUMENTS", 4)
    properties = {**OWN_MAPPINGS["properties"], "history": {"type": "keyword"}}
    admin.indices.create(index=index, mappings={"properties": properties})
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    given = [
        record
        for number in range(10)
        # Too long for such a field.
        for record in records(f"s{number}", 1, text=SECRET * (10_000 if number in (5, 7) else 1))
    ]
    with pytest.raises(MessagesNotStoredError) as caught:
        await chats.aimport(["", *given])
    assert list(caught.value.reasons) == [6, 8]
    assert caught.value.stored == (5, 7)
    assert caught.value.session_id == "s5"
    assert SECRET not in str(caught.value)
    assert count(admin, index) == 6
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith("Could not import messages into Elasticsearch: 2 of 4 messages are not")


async def test_what_is_no_iterable_of_records_is_refused(
    chats: AsyncElasticsearchChatStore,
) -> None:
    for given in ("messages.jsonl", b"{}", {"id": "m"}, None):
        with pytest.raises(TypeError, match="records must be an iterable"):
            await chats.aimport(given)  # type: ignore[arg-type]  # wrong on purpose


async def test_messages_are_written_as_the_store_says(
    shared_index: str, session_id: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    for escaped in (True, False):
        name = f"{session_id}-{escaped}"
        chats = AsyncElasticsearchChatStore(
            shared_index, client=async_client, ensure_ascii=escaped, metadata={"not": "theirs"}
        )
        await chats.aimport(records(name, 1, text="世界"))
        (source,) = sources(admin, shared_index, name)
        assert ("世界" in source["history"]) is not escaped
        assert (source["content"], source["type"]) == ("世界", "human")
        assert "metadata" not in source


async def test_what_was_imported_is_in_the_past_of_what_is_written_next(
    chats: AsyncElasticsearchChatStore, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CLOCK, "_last", 0)
    await chats.aimport(records(session_id, 2, created_at=milliseconds_now() + 5_000))
    await chats.session(session_id).aadd_message(HumanMessage("2"))
    assert texts(await chats.session(session_id).aget_messages()) == ["0", "1", "2"]


async def test_an_index_of_upstream_gets_the_fields_first(
    index: str, async_client: AsyncElasticsearch, admin: Elasticsearch
) -> None:
    admin.indices.create(index=index, mappings=UPSTREAM_MAPPINGS)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    await chats.aimport([{**records("s", 1)[0], "metadata": {"tenant": "a"}}])
    (source,) = sources(admin, index, "s")
    assert source["metadata"] == {"tenant": "a"}
    assert source["seq"] == MILLISECOND * 1000


async def test_sessions_kept_on_one_shard_are_imported_there(
    index: str, async_client: AsyncElasticsearch, session_id: str
) -> None:
    chats = AsyncElasticsearchChatStore(
        index, client=async_client, routing=True, number_of_shards=3
    )
    given = [record for number in range(6) for record in records(f"{session_id},{number}", 4)]
    assert await chats.aimport(given) == ImportResult(24)
    for number in range(6):
        read = await chats.session(f"{session_id},{number}").aget_messages()
        assert texts(read) == texts(numbered(4))


async def test_a_failure_is_one_line_in_the_log(
    index: str,
    async_client: AsyncElasticsearch,
    admin: Elasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.indices.create(index=index)
    admin.indices.close(index=index)
    chats = AsyncElasticsearchChatStore(index, client=async_client)
    with pytest.raises(ApiError):
        await chats.aimport(records("s", 1, text=SECRET))
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line.startswith("Could not import messages into Elasticsearch: index_closed_exception")
    assert SECRET not in caplog.text
