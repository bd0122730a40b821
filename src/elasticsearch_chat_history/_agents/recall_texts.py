"""How the recall tools tell a model of messages and sessions: short, dated, naming the session."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch_chat_history._results import SearchHit, SessionSummary, StoredMessage

MOST_HITS = 5
MOST_MESSAGES = 20
MOST_SESSIONS = 20
LONGEST_TEXT = 500
LONGEST_TITLE = 80
CUT = " […]"

NOTHING_FOUND = "No message was found."
NO_CONVERSATIONS = "There are no conversations."
# Results of tools repeat what was recalled.
SHOWN_TYPES = ("human", "ai")


def no_conversation(session_id: str) -> str:
    """Say that a session does not exist, or may not be seen."""
    return f"There is no conversation {shortened(session_id, LONGEST_TITLE)!r}."


def hits_text(hits: Sequence[SearchHit]) -> str:
    """Return what a search found, best first."""
    return "\n".join(_hit_line(hit) for hit in hits) or NOTHING_FOUND


def messages_text(session_id: str, messages: Sequence[StoredMessage], *, more: bool) -> str:
    """Return messages of a session, oldest first, and how to get those before them."""
    lines = [f"Conversation {session_id!r}:"]
    if more:
        lines.append(f"(For the messages before these, give before={messages[0].id!r}.)")
    return "\n".join([*lines, *(_message_line(one) for one in messages)])


def sessions_text(sessions: Sequence[SessionSummary]) -> str:
    """Return a list of sessions, newest first."""
    return "\n".join(_session_line(one) for one in sessions) or NO_CONVERSATIONS


def shortened(text: str, most: int) -> str:
    """Return a text on one line, cut with a mark if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[:most].rstrip() + CUT


def _hit_line(hit: SearchHit) -> str:
    stored = hit.stored
    text = str(stored.message.text)
    if len(text) > LONGEST_TEXT and hit.highlights:
        # The parts that match may be far from its beginning.
        text = " … ".join(highlight.text for highlight in hit.highlights)
    said = shortened(text, LONGEST_TEXT)
    return f"[{_date(stored.created_at)}] {hit.session_id!r}, {stored.message.type}: {said}"


def _message_line(stored: StoredMessage) -> str:
    said = shortened(str(stored.message.text), LONGEST_TEXT)
    return f"[{_date(stored.created_at)}] {stored.message.type}: {said}"


def _session_line(summary: SessionSummary) -> str:
    first = summary.first_message
    title = "" if first is None else shortened(str(first.message.text), LONGEST_TITLE)
    return (
        f"{summary.session_id!r}: {summary.message_count} messages, from "
        f"{_date(summary.first_at)} to {_date(summary.last_at)}: {title}"
    )


def _date(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
