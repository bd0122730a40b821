"""How often a request leaves a client that was made here: as often as `max_retries` says."""

import logging

import pytest
from elasticsearch import ConnectionError as EsConnectionError
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    AsyncElasticsearchChatStore,
)
from tests.support.wrong_ports import closed_port


def attempts(caplog: pytest.LogCaptureFixture) -> int:
    """Return how many requests left since the last look, as the client's own log tells."""
    count = sum(record.name == "elastic_transport.transport" for record in caplog.records)
    caplog.clear()
    return count


@pytest.mark.parametrize("max_retries", [0, 2])
async def test_an_own_client_leaves_retrying_to_us(
    max_retries: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with closed_port() as url:
        async with AsyncElasticsearchChatMessageHistory(
            "chats", "s", es_url=url, max_retries=max_retries
        ) as history:
            with pytest.raises(EsConnectionError):
                await history.aget_messages()
            assert attempts(caplog) == max_retries + 1
            with pytest.raises(EsConnectionError):
                await history.aadd_message(HumanMessage("Hello"))
            assert attempts(caplog) == max_retries + 1
        async with AsyncElasticsearchChatStore(
            "chats", es_url=url, max_retries=max_retries
        ) as store:
            with pytest.raises(EsConnectionError):
                await store.alist_sessions()
            assert attempts(caplog) == max_retries + 1
