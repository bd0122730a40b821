"""Ranked search over the messages of an index."""

from __future__ import annotations

from elasticsearch_chat_history._async.store import AsyncStoreBase


class AsyncMessageSearch(AsyncStoreBase):
    """Ranked search over the messages of an index."""
