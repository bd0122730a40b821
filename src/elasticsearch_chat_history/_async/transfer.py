"""Messages out of an index, into it, and completed in it."""

from __future__ import annotations

from elasticsearch_chat_history._async.store import AsyncStoreBase


class AsyncMessageTransfer(AsyncStoreBase):
    """Messages out of an index, into it, and completed in it."""
