"""What a client is told while an answer is written; each is a server-sent event."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from elasticsearch_chat_history import StoredMessage


class Event(BaseModel):
    """What all have in common: the name of the event."""

    event: ClassVar[str]


class Stored(Event):
    """Messages are stored: first the question, at the end all messages of the answer."""

    event: ClassVar[str] = "stored"
    messages: list[StoredMessage]


class Token(Event):
    """The model wrote some text."""

    event: ClassVar[str] = "token"
    text: str


class ToolCalled(Event):
    """The model called a tool; what it writes from here on is another message."""

    event: ClassVar[str] = "tool"
    name: str


class Failed(Event):
    """The answer is not complete, or not stored."""

    event: ClassVar[str] = "failed"
    detail: str
