"""What the tests of agents share."""

import pytest
from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore


@pytest.fixture
def async_store(
    shared_index: str, async_client: AsyncElasticsearch
) -> AsyncElasticsearchChatStore:
    return AsyncElasticsearchChatStore(shared_index, client=async_client)
