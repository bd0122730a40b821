"""What this process knows of indices, so that each is looked at once, not for each history."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elasticsearch_chat_history._forking import restart_in_children

if TYPE_CHECKING:
    from collections.abc import Hashable

    from elasticsearch_chat_history._documents.fields import IndexLayout

# How often an index that lacked fields is looked at again.
LOOK_AGAIN_SECONDS = 300.0
# An index that was looked at so recently is taken for the same one.
FRESH_SECONDS = 10.0


@dataclass
class _Known:
    layout: IndexLayout
    looked_at: float
    written: bool = False


class KnownIndices:
    """The layouts of indices by a key that tells them from those of other clusters."""

    def __init__(self) -> None:
        self._known: dict[Hashable, _Known] = {}
        self._said: set[tuple[Hashable, str]] = set()
        self.restart()
        restart_in_children(self)

    def restart(self) -> None:
        """Begin with a new lock in a child process."""
        # A signal handler may ask while its own thread is in here.
        self._lock = threading.RLock()

    def layout(self, index: Hashable) -> IndexLayout | None:
        """Return the layout of an index, if this process has looked at it."""
        known = self._known.get(index)
        return None if known is None else known.layout

    def remember(self, index: Hashable, layout: IndexLayout) -> None:
        """Remember the layout of an index."""
        with self._lock:
            self._known[index] = _Known(layout, time.monotonic())

    def forget(self, index: Hashable, stale: IndexLayout) -> bool:
        """Forget `stale`, unless the index was looked at again since; tell whether it was not."""
        with self._lock:
            if self.layout(index) is not stale:
                return False
            self._known.pop(index, None)
            return True

    def is_to_be_looked_at_again(self, index: Hashable) -> bool:
        """Tell one caller, from time to time, to look again at an index that lacked something."""
        with self._lock:
            known, now = self._known.get(index), time.monotonic()
            if known is None or now - known.looked_at < LOOK_AGAIN_SECONDS:
                return False
            known.looked_at = now
            return True

    def may_be_another(self, index: Hashable, layout: IndexLayout) -> bool:
        """Note that documents are stored with `layout`; tell whether an empty index is another.

        The one of `layout` has documents by now, or was looked at some time ago.
        """
        known = self._known.get(index)
        if known is None or known.layout is not layout:
            return False
        written, known.written = known.written, True
        return written or time.monotonic() - known.looked_at > FRESH_SECONDS

    def is_new_in_log(self, index: Hashable, line: str) -> bool:
        """Note what the log says of an index; tell whether it is the first time."""
        size = len(self._said)
        self._said.add((index, line))
        return len(self._said) > size


INDICES = KnownIndices()
