"""Reasons of Elasticsearch: told where they cannot quote a message, and else never."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
    MessagesNotStoredError,
)

pytestmark = pytest.mark.server_side

# One word in lower case could be the name of an index, a field, a pipeline or a routing value.
SECRET = "measles-42"
Harm = Callable[[Elasticsearch, str], None]


def with_settings(**settings: Any) -> Harm:
    """Make the index with settings."""
    return lambda admin, index: _create(admin, f"{index}-1", index, settings=settings)


def with_field(name: str, kind: str, **parameters: Any) -> Harm:
    """Make the index with another type of a field."""
    properties = {name: {"type": kind, **parameters}}
    return lambda admin, index: _create(
        admin, f"{index}-1", index, mappings={"properties": properties}
    )


def with_processor(processor: Mapping[str, Any]) -> Harm:
    """Make the index with an ingest pipeline."""

    def harm(admin: Elasticsearch, index: str) -> None:
        admin.ingest.put_pipeline(id=index, processors=[processor])
        with_settings(**{"index.default_pipeline": index})(admin, index)

    return harm


def with_script(source: str, **alias: Any) -> Harm:
    """Make the index with an ingest pipeline of a script, behind an alias."""

    def harm(admin: Elasticsearch, index: str) -> None:
        admin.ingest.put_pipeline(id=index, processors=[{"script": {"source": source}}])
        settings = {"index.default_pipeline": index}
        admin.indices.create(index=f"{index}-1", settings=settings, aliases={index: alias})

    return harm


def behind_two(admin: Elasticsearch, index: str) -> None:
    """Make an alias of two indices, none of which is written to."""
    for number in (1, 2):
        _create(admin, f"{index}-{number}", index)


def _create(admin: Elasticsearch, name: str, alias: str, **arguments: Any) -> None:
    admin.indices.create(index=name, aliases={alias: {}}, **arguments)


@pytest.fixture
def gone_indices(index: str, admin: Elasticsearch) -> Iterator[None]:
    """What a test makes beside its index goes, too."""
    yield
    # A pipeline cannot be deleted before the index that needs it.
    admin.indices.delete(index=[f"{index}-1", f"{index}-2"], ignore_unavailable=True)
    admin.options(ignore_status=404).ingest.delete_pipeline(id=index)


async def refused(history: AsyncElasticsearchChatMessageHistory) -> MessagesNotStoredError:
    """Return the error of a message that is refused."""
    with pytest.raises(MessagesNotStoredError) as caught:
        await history.aadd_messages([HumanMessage(SECRET)])
    return caught.value


@pytest.mark.usefixtures("gone_indices")
@pytest.mark.parametrize(
    "case",
    [
        (behind_two, r"no write index is defined for alias \[INDEX\]"),
        (
            with_settings(**{"index.default_pipeline": "lost"}),
            r"pipeline with id \[lost\] does not exist",
        ),
        (
            with_settings(**{"index.final_pipeline": "lost"}),
            r"pipeline with id \[lost\] does not exist",
        ),
        (
            lambda admin, index: admin.indices.create(
                index=f"{index}-1", aliases={index: {"routing": "a"}}
            ),
            r"Alias \[INDEX\] has index routing associated with it \[a\]",
        ),
        (with_field("history", "long"), r"failed to parse field \[history\] of type"),
    ],
)
async def test_a_reason_that_quotes_nothing_is_told(
    case: tuple[Harm, str],
    index: str,
    admin: Elasticsearch,
    async_client: AsyncElasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    harm, told = case
    harm(admin, index)
    # Routing by session is what an alias with routing refuses.
    history = AsyncElasticsearchChatMessageHistory(
        index, "s", client=async_client, routing="routing" in told
    )
    error = await refused(history)
    assert re.search(rf"_exception \(400\): {told.replace('INDEX', index)}", error.reasons[0])
    assert error.reasons[0] in str(error)
    assert error.reasons[0] in caplog.text
    assert SECRET not in f"{error!s}{error!r}{caplog.text}"


@pytest.mark.usefixtures("gone_indices")
@pytest.mark.parametrize(
    "harm",
    [
        with_field("history", "long"),
        with_field("history", "ip"),
        with_field("history", "boolean"),
        with_field("history", "date"),
        with_processor({"convert": {"field": "content", "type": "integer"}}),
        with_processor({"convert": {"field": "history", "type": "integer"}}),
        with_processor({"date": {"field": "content", "formats": ["yyyy"]}}),
        with_processor({"grok": {"field": "content", "patterns": ["^%{INT:number}$"]}}),
        with_processor({"dissect": {"field": "content", "pattern": "%{a}/%{b}"}}),
        with_processor({"json": {"field": "content"}}),
        with_script("throw new IllegalArgumentException(ctx.content)"),
        with_script(
            "throw new IllegalArgumentException('pipeline with id [' + ctx.content + '] does not "
            "exist')"
        ),
        with_script("ctx._index = ctx.content + ' '"),
        with_script("ctx._routing = ctx.content", routing="a"),
    ],
)
async def test_a_reason_that_quotes_a_message_is_not_told(
    harm: Harm,
    index: str,
    admin: Elasticsearch,
    async_client: AsyncElasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    harm(admin, index)
    operations: list[dict[str, Any]] = [
        {"create": {}},
        {"history": SECRET, "content": SECRET, "session_id": "s"},
    ]
    (item,) = admin.bulk(index=index, operations=operations)["items"]
    # So that what follows shows something.
    assert SECRET in str(item["create"]["error"])
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client)
    error = await refused(history)
    assert SECRET not in f"{error!s}{error!r}{error.reasons}{error.__cause__!r}{caplog.text}"
    store = AsyncElasticsearchChatStore(index, client=async_client)
    record = {
        "id": "m",
        "session_id": "s",
        "created_at": 1_700_000_000_000,
        "message": {"type": "human", "data": {"content": SECRET}},
    }
    with pytest.raises(MessagesNotStoredError) as caught:
        await store.aimport([record])
    assert SECRET not in f"{caught.value!s}{caught.value!r}{caplog.text}"


async def test_a_message_that_finds_no_shard_is_not_quoted(
    index: str,
    admin: Elasticsearch,
    async_client: AsyncElasticsearch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    history = AsyncElasticsearchChatMessageHistory(index, "s", client=async_client, max_retries=0)
    await history.create_if_missing()
    # The index is known now, and the next of its name is not looked at before it is written to.
    admin.indices.delete(index=index)
    admin.indices.create(
        index=index,
        settings={"index.routing.allocation.require._name": "nowhere"},
        wait_for_active_shards=0,
    )
    operations: list[dict[str, Any]] = [{"create": {}}, {"history": SECRET}]
    (item,) = admin.bulk(index=index, operations=operations, timeout="1ms")["items"]
    # So that what follows shows something.
    assert SECRET in item["create"]["error"]["reason"]
    shorten_waits(async_client)
    error = await refused(history)
    assert re.search(r"\(503\): \[.*\]\[0\] primary shard is not active", error.reasons[0])
    assert SECRET not in f"{error!s}{error!r}{caplog.text}"


def shorten_waits(client: Any) -> None:
    """Let Elasticsearch give up after a millisecond what it would wait a minute for."""
    perform_request = client.transport.perform_request

    def perform(method: str, target: str, **details: Any) -> Any:
        if "/_bulk" in target:
            target += "&timeout=1ms"
        return perform_request(method, target, **details)

    client.transport.perform_request = perform
