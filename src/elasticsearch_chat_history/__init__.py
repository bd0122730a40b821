"""LangChain chat message history in Elasticsearch, asynchronous and synchronous."""

from elasticsearch_chat_history._errors import (
    ChatHistoryError,
    IndexMappingError,
    MessagesNotStoredError,
    UnreadableMessageError,
)
from elasticsearch_chat_history._results import StoredMessage
from elasticsearch_chat_history._version import __version__
from elasticsearch_chat_history.chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)

__all__ = [
    "AsyncElasticsearchChatMessageHistory",
    "ChatHistoryError",
    "ElasticsearchChatMessageHistory",
    "IndexMappingError",
    "MessagesNotStoredError",
    "StoredMessage",
    "UnreadableMessageError",
    "__version__",
]
