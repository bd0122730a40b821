"""LangChain chat message history in Elasticsearch, asynchronous and synchronous."""

from elasticsearch_chat_history._arguments import Refresh
from elasticsearch_chat_history._async.chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._async.chat_retriever import AsyncElasticsearchChatRetriever
from elasticsearch_chat_history._async.chat_store import AsyncElasticsearchChatStore
from elasticsearch_chat_history._errors import (
    ChatHistoryError,
    IndexMappingError,
    MessagesNotStoredError,
    SessionExistsError,
    UnreadableMessageError,
)
from elasticsearch_chat_history._queries.search_request import SearchMode, SearchOperator
from elasticsearch_chat_history._queries.session_lists import SessionOrder
from elasticsearch_chat_history._results import (
    Highlight,
    ImportResult,
    SearchHit,
    SessionSummary,
    StoredMessage,
    StoreResult,
)
from elasticsearch_chat_history._sync.chat_history import ElasticsearchChatMessageHistory
from elasticsearch_chat_history._sync.chat_retriever import ElasticsearchChatRetriever
from elasticsearch_chat_history._sync.chat_store import ElasticsearchChatStore
from elasticsearch_chat_history._version import __version__

__all__ = [
    "AsyncElasticsearchChatMessageHistory",
    "AsyncElasticsearchChatRetriever",
    "AsyncElasticsearchChatStore",
    "ChatHistoryError",
    "ElasticsearchChatMessageHistory",
    "ElasticsearchChatRetriever",
    "ElasticsearchChatStore",
    "Highlight",
    "ImportResult",
    "IndexMappingError",
    "MessagesNotStoredError",
    "Refresh",
    "SearchHit",
    "SearchMode",
    "SearchOperator",
    "SessionExistsError",
    "SessionOrder",
    "SessionSummary",
    "StoreResult",
    "StoredMessage",
    "UnreadableMessageError",
    "__version__",
]
