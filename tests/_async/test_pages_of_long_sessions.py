"""Pages of sessions that are too long to be visited whole."""

import pytest
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import bulk
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._documents.document import time_ordered_id
from elasticsearch_chat_history._queries.last_messages import MOST_VISITED
from tests.support.client_requests import recorded
from tests.support.documents import own_document
from tests.support.messages import numbered, texts

LENGTH = 2 * MOST_VISITED + 5_000
SEQ = 1_700_000_000_000_000
SECOND = 1_000_000


@pytest.fixture
def ids(shared_index: str, session_id: str, admin: Elasticsearch) -> list[str]:
    """The ids of a session's messages, which are a second apart, years ago."""
    seqs = [SEQ + number * SECOND for number in range(LENGTH)]
    made = [time_ordered_id(seq) for seq in seqs]
    documents = (
        {"_id": id_, **own_document(session_id, seq, HumanMessage(str(number)))}
        for number, (id_, seq) in enumerate(zip(made, seqs, strict=True))
    )
    bulk(admin, documents, index=shared_index, chunk_size=5_000, refresh=True)
    return made


async def test_a_page_takes_few_requests_however_many_messages_there_are(
    async_history: AsyncElasticsearchChatMessageHistory,
    async_client: AsyncElasticsearch,
    ids: list[str],
) -> None:
    requests = recorded(async_client)
    # One search visits all messages before the first two places, whatever comes after them.
    for at, most in (
        (100, 1),
        (MOST_VISITED - 100, 1),
        (MOST_VISITED + 5_000, 2),
        (LENGTH - 1, 3),
    ):
        requests.clear()
        page = await async_history.aget_stored_messages(limit=50, before=ids[at])
        assert texts([one.message for one in page]) == texts(numbered(50, at - 50))
        assert 1 <= len(requests) <= most
