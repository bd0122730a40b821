"""Messages that upstream wrote several to one millisecond: all come back, in their order."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from tests.support.both_histories import Ours, Upstream, UpstreamProgram

COUNT = 1000
HALF = COUNT // 2
PER_MILLISECOND = 7
MILLISECONDS_OF_HALF = -(-HALF // PER_MILLISECOND)
BEGIN = 1_700_000_000_000
SESSION = "one-millisecond"


@pytest.fixture(scope="module")
def written() -> list[BaseMessage]:
    return [
        AIMessage(f"answer {number}") if number % 2 else HumanMessage(f"question {number}")
        for number in range(COUNT)
    ]


@pytest.fixture(scope="module")
def written_index(
    program: UpstreamProgram,
    address: dict[str, Any],
    client_arguments: dict[str, Any],
    written: list[BaseMessage],
) -> Iterator[str]:
    """An index with a session that upstream's classes have written, one half each."""
    index = f"test-milliseconds-{uuid.uuid4().hex}"
    with Elasticsearch(**client_arguments) as client:
        for kind, half, first_millisecond in (
            ("sync", written[:HALF], BEGIN),
            ("async", written[HALF:], BEGIN + MILLISECONDS_OF_HALF),
        ):
            upstream = Upstream(kind, {"index": index, **address}, program)
            clock = {
                "first_millisecond": first_millisecond,
                "calls_per_millisecond": PER_MILLISECOND,
            }
            upstream.add(SESSION, half, clock=clock)
        yield index
        client.indices.delete(index=index)


@pytest.fixture(params=["sync", "async"])
def reader(request: pytest.FixtureRequest, written_index: str, address: dict[str, Any]) -> Ours:
    return Ours(request.param, {"index": written_index, **address})


def test_several_messages_share_each_millisecond(
    written_index: str, client: Elasticsearch
) -> None:
    times = {"cardinality": {"field": "created_at", "precision_threshold": COUNT}}
    found = client.search(index=written_index, size=0, aggs={"times": times})
    assert found["hits"]["total"]["value"] == COUNT
    assert found["aggregations"]["times"]["value"] == 2 * MILLISECONDS_OF_HALF


def test_all_come_back_in_order(reader: Ours, written: list[BaseMessage]) -> None:
    assert reader.read(SESSION) == written


# Pages of these sizes end within a millisecond, at its end, and with the session.
@pytest.mark.parametrize("batch_size", [10, 14, 100, COUNT])
def test_pages_lose_nothing(reader: Ours, written: list[BaseMessage], batch_size: int) -> None:
    assert reader.iterated(SESSION, batch_size) == written


@pytest.mark.parametrize("limit", [1, 2, 6, 7, 8, 20, 500, COUNT - 1, COUNT, COUNT + 1])
def test_windows_hold_the_last_ones(reader: Ours, written: list[BaseMessage], limit: int) -> None:
    assert reader.read(SESSION, limit=limit) == written[-limit:]
