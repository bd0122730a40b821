"""Tens of thousands of sessions are listed page by page, with constant memory."""

import gc
import tracemalloc
import uuid
from collections.abc import Iterator
from itertools import pairwise

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import bulk
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatStore, SessionSummary
from tests.support.concurrency import AsyncRunning, async_until
from tests.support.documents import BEGIN, OWN_MAPPINGS, own_document
from tests.support.messages import numbered

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

SESSIONS = 25_000
PAGE = 1_000


def session_name(number: int) -> str:
    """Return an id whose place by id says nothing of its place by time."""
    return f"s{number * 7_919 % SESSIONS:06d}"


@pytest.fixture(scope="module")
def index_of_very_many_sessions(admin: Elasticsearch) -> Iterator[str]:
    """An index of three shards with very many sessions, three of which share a millisecond."""
    name = f"test-{uuid.uuid4().hex}"
    admin.indices.create(index=name, mappings=OWN_MAPPINGS, settings={"index.number_of_shards": 3})
    document = own_document("", 0, HumanMessage("Hello"))
    times = ((number, BEGIN + number // 3) for number in range(SESSIONS))
    bulk(
        admin,
        (
            {
                "_source": {
                    **document,
                    "session_id": session_name(number),
                    "created_at": milliseconds,
                    "seq": milliseconds * 1000,
                }
            }
            for number, milliseconds in times
        ),
        index=name,
        chunk_size=5_000,
        refresh=True,
    )
    yield name
    admin.indices.delete(index=name)


@pytest.fixture
def traced() -> Iterator[None]:
    """Measure what is allocated meanwhile."""
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
async def test_by_id_every_session_comes_once_while_others_write_in_constant_memory(
    index_of_very_many_sessions: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index_of_very_many_sessions, client=async_client)
    over: list[bool] = []
    peaks: list[int] = []
    written = [0, 0]

    async def write(writer: int) -> int:
        while not over:
            # In turn to one that is there and to a new one, before and behind the page.
            turn, is_old = divmod(written[writer], 2)
            name = session_name(turn * 31) if is_old else f"s{turn % 10}-{2 * turn + writer}"
            await chats.session(name).aadd_messages(numbered(1))
            written[writer] += 1
        return written[writer]

    async def list_all() -> int:
        listed, found, last = 0, 0, ""
        page: list[SessionSummary] = []
        try:
            while page := await chats.alist_sessions(
                order="id", limit=PAGE, after=page[-1] if page else None
            ):
                names = [summary.session_id for summary in page]
                # So none comes twice.
                assert all(one < next_one for one, next_one in pairwise([last, *names]))
                listed, last = listed + len(names), names[-1]
                found += sum("-" not in name for name in names)
                await async_until(lambda: min(written) > len(peaks) // 10)
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
        finally:
            over.append(True)
        assert found == SESSIONS
        return listed

    listed, *counts = await AsyncRunning(list_all, lambda: write(0), lambda: write(1)).results()
    assert isinstance(listed, int), listed
    assert all(isinstance(count, int) and count > 1 for count in counts), counts
    assert await chats.acount_sessions() >= listed
    assert len(peaks) >= SESSIONS / PAGE
    assert max(peaks[10:]) < 1.25 * max(peaks[:10])


def position(summary: SessionSummary) -> tuple[float, str]:
    return -summary.last_at.timestamp(), summary.session_id


async def test_the_most_recent_sessions_are_listed_as_far_down_as_one_likes(
    index_of_very_many_sessions: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index_of_very_many_sessions, client=async_client)
    listed: list[SessionSummary] = []
    while len(listed) < 12_500:
        after = listed[-1] if listed else None
        listed += await chats.alist_sessions(limit=2_500, after=after)
    positions = [position(summary) for summary in listed]
    assert positions == sorted(positions)
    assert len({summary.session_id for summary in listed}) == 12_500
    assert await chats.alist_sessions(limit=10_000) == listed[:10_000]


async def test_the_last_page_of_all_is_exact(
    index_of_very_many_sessions: str, async_client: AsyncElasticsearch
) -> None:
    chats = AsyncElasticsearchChatStore(index_of_very_many_sessions, client=async_client)
    # Some of the oldest have got a message in the other test, and are no longer here.
    every = await chats.alist_sessions(order="id", limit=10_000, prefix="s00")
    oldest = sorted(every, key=position)[-1_000:]
    page = await chats.alist_sessions(limit=999, after=oldest[0], prefix="s00")
    assert page == oldest[1:]
    assert await chats.alist_sessions(limit=1, after=page[-1], prefix="s00") == []
