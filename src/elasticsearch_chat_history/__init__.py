"""LangChain chat message history in Elasticsearch, asynchronous and synchronous."""

from elasticsearch_chat_history._errors import (
    ChatHistoryError,
    IndexMappingError,
    MessagesNotStoredError,
    SessionExistsError,
    UnreadableMessageError,
)
from elasticsearch_chat_history._results import (
    Highlight,
    SearchHit,
    SessionSummary,
    StoredMessage,
)
from elasticsearch_chat_history._version import __version__
from elasticsearch_chat_history.chat_history import (
    AsyncElasticsearchChatMessageHistory,
    ElasticsearchChatMessageHistory,
)
from elasticsearch_chat_history.chat_retriever import (
    AsyncElasticsearchChatRetriever,
    ElasticsearchChatRetriever,
)
from elasticsearch_chat_history.chat_store import (
    AsyncElasticsearchChatStore,
    ElasticsearchChatStore,
)

__all__ = [
    "AsyncElasticsearchChatMessageHistory",
    "AsyncElasticsearchChatRetriever",
    "AsyncElasticsearchChatStore",
    "ChatHistoryError",
    "ElasticsearchChatMessageHistory",
    "ElasticsearchChatRetriever",
    "ElasticsearchChatStore",
    "Highlight",
    "IndexMappingError",
    "MessagesNotStoredError",
    "SearchHit",
    "SessionExistsError",
    "SessionSummary",
    "StoredMessage",
    "UnreadableMessageError",
    "__version__",
]
