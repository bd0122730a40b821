"""How many callers share the next bulk request."""

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)


def waiting_callers(
    history: AsyncElasticsearchChatMessageHistory | ElasticsearchChatMessageHistory,
) -> int:
    """Return how many callers wait for the next bulk request of this history's queue."""
    return len(history._session.writer._queue._waiting)
