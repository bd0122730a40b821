"""Changing a session: messages taken away, replaced, copied to another."""

from __future__ import annotations

from elasticsearch_chat_history._async.session import AsyncSessionBase


class AsyncSessionEditing(AsyncSessionBase):
    """Changing a session: messages taken away, replaced, copied to another."""
