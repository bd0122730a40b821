"""Ranked search in one session."""

from __future__ import annotations

from elasticsearch_chat_history._async.session import AsyncSessionBase


class AsyncSessionSearch(AsyncSessionBase):
    """Ranked search in one session."""
