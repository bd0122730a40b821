"""The sessions of an index: listed, counted, deleted."""

from __future__ import annotations

from elasticsearch_chat_history._async.store import AsyncStoreBase


class AsyncSessionDirectory(AsyncStoreBase):
    """The sessions of an index: listed, counted, deleted."""
