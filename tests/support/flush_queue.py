"""The queue of a history: who shares its next bulk request, and who else writes."""

from elasticsearch_chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)
from elasticsearch_chat_history._requests.flush_queue import FlushQueue

History = AsyncElasticsearchChatMessageHistory | ElasticsearchChatMessageHistory


def queue_of(history: History) -> FlushQueue:
    """Return the queue that this history shares with those like it."""
    return history._session.writer._queue


def waiting_callers(history: History) -> int:
    """Return how many callers wait for the next bulk request of this history's queue."""
    return len(queue_of(history)._waiting)
