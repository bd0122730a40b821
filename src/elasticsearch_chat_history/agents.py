"""Chat history for LangChain's agents: a middleware for `create_agent()`, and recall tools."""

try:
    import langchain.agents  # noqa: F401  # what the extra installs
except ImportError as error:
    raise ImportError(
        "elasticsearch_chat_history.agents needs langchain 1.0 or later: install it with "
        '`pip install "elasticsearch-chat-history[agents]"`'
    ) from error

from elasticsearch_chat_history._async.agents.middleware import AsyncChatHistoryMiddleware
from elasticsearch_chat_history._recall import history_tools
from elasticsearch_chat_history._sync.agents.middleware import ChatHistoryMiddleware

__all__ = ["AsyncChatHistoryMiddleware", "ChatHistoryMiddleware", "history_tools"]
