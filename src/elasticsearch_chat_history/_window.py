"""The last k messages of a session, in a form that model providers accept."""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING

from langchain_core.messages import BaseMessage, ToolMessage

if TYPE_CHECKING:
    from collections.abc import Iterable


def without_leading_orphans(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """Return `messages` without the tool results at the start: their call was cut off.

    Model providers reject a list that opens with the result of a call that is not before it. The
    same id in a later call says nothing, as some providers count the calls of each turn anew.
    """
    return list(dropwhile(lambda message: isinstance(message, ToolMessage), messages))
