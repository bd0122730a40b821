"""While others write much more, a refresh is asked for by a request of its own."""

import pytest
from elastic_transport import ConnectionError as LostConnectionError
from elasticsearch import AsyncElasticsearch, AuthorizationException
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from tests.support.api_errors import refusal
from tests.support.client_requests import Request, before_each, failing, recorded
from tests.support.flush_queue import queue_of

TURN: list[BaseMessage] = [HumanMessage("Hello"), AIMessage("Hi!")]
MANY: list[BaseMessage] = [HumanMessage(f"message {number}") for number in range(20)]

FORBIDDEN = refusal("security_exception", 403, of_class=AuthorizationException)
LOST = LostConnectionError("cut")


async def history_among_others(
    index: str, client: AsyncElasticsearch, *, others: int = len(MANY)
) -> AsyncElasticsearchChatMessageHistory:
    """Return a history whose last request has shown that others store so many messages."""
    history = AsyncElasticsearchChatMessageHistory(index, "ours", client=client, max_retries=2)
    # A machine may be so slow that what was a moment ago is long ago.
    queue_of(history).others._now = lambda: 0.0
    another = AsyncElasticsearchChatMessageHistory(index, "theirs", client=client, refresh=False)
    await history.aadd_messages(TURN)
    await another.aadd_messages(MANY[:others])
    await history.aadd_messages(TURN)
    return history


async def test_among_others_a_refresh_has_a_request_of_its_own(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = await history_among_others(index, async_client)
    requests = recorded(async_client)
    await history.aadd_messages(TURN)
    assert [request.endpoint for request in requests] == ["_bulk", "_refresh"]
    assert await history.aget_messages() == TURN * 3


async def test_when_others_are_done_one_request_does_both(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = await history_among_others(index, async_client)
    await history.aadd_messages(TURN)
    requests = recorded(async_client)
    await history.aadd_messages(TURN)
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert await history.aget_messages() == TURN * 4


async def test_others_that_write_no_more_than_we_do_change_nothing(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = await history_among_others(index, async_client, others=len(TURN))
    requests = recorded(async_client)
    await history.aadd_messages(TURN)
    assert [request.endpoint for request in requests] == ["_bulk"]


@pytest.mark.parametrize("error", [FORBIDDEN, LOST], ids=["forbidden", "lost"])
async def test_a_refresh_that_fails_is_forced_by_a_bulk_request_that_stores_nothing_twice(
    index: str, async_client: AsyncElasticsearch, error: Exception
) -> None:
    history = await history_among_others(index, async_client)
    requests = recorded(async_client)
    failing(async_client, "_refresh", error)
    result = await history.astore_messages(TURN, idempotency_key="once")
    assert [request.endpoint for request in requests] == ["_bulk", "_bulk"]
    assert result.existing == ()
    assert await history.aget_messages() == TURN * 3


async def test_where_a_refresh_is_forbidden_none_is_asked_for_again(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = await history_among_others(index, async_client)
    failing(async_client, "_refresh", FORBIDDEN)
    await history.aadd_messages(TURN)
    another = AsyncElasticsearchChatMessageHistory(index, "theirs", client=async_client)
    await another.aadd_messages(MANY)
    await history.aadd_messages(TURN)
    requests = recorded(async_client)
    await history.aadd_messages(TURN)
    assert [request.endpoint for request in requests] == ["_bulk"]
    assert await history.aget_messages() == TURN * 5


async def test_a_bulk_request_that_fails_after_a_refresh_that_failed_is_tried_again(
    index: str, async_client: AsyncElasticsearch
) -> None:
    history = await history_among_others(index, async_client)
    outcomes = iter([None, LOST, refusal("es_rejected_execution_exception", 429)])

    def fail(_: Request) -> None:
        error = next(outcomes, None)
        if error is not None:
            raise error

    before_each(async_client, fail)
    result = await history.astore_messages(TURN)
    assert result.existing == ()
    assert await history.aget_messages() == TURN * 3


@pytest.mark.parametrize("refresh", [False, "wait_for"])
async def test_who_forces_no_refresh_asks_for_none(
    index: str, async_client: AsyncElasticsearch, refresh: bool
) -> None:
    await history_among_others(index, async_client)
    history = AsyncElasticsearchChatMessageHistory(
        index, "unforced", client=async_client, refresh=refresh
    )
    queue_of(history).others.active = True
    requests = recorded(async_client)
    await history.aadd_messages(TURN)
    assert [request.endpoint for request in requests] == ["_bulk"]
