"""What the tests with the SDK share; without it there are none."""

from collections.abc import AsyncIterator
from importlib.util import find_spec

import pytest
from elasticsearch import AsyncElasticsearch

from elasticsearch_chat_history import AsyncElasticsearchChatStore

if find_spec("agents") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from agents import set_tracing_disabled

    from elasticsearch_chat_history.openai_agents import ElasticsearchSession

    # It would send what the tests do to a server.
    set_tracing_disabled(True)

    @pytest.fixture
    async def store(
        shared_index: str, async_client: AsyncElasticsearch
    ) -> AsyncIterator[AsyncElasticsearchChatStore]:
        async with AsyncElasticsearchChatStore(shared_index, client=async_client) as store:
            yield store

    @pytest.fixture
    def session(store: AsyncElasticsearchChatStore, session_id: str) -> ElasticsearchSession:
        return ElasticsearchSession(session_id, store)
