"""What histories share: for each client its queues, for the process what is known of an index."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from elasticsearch import ApiError

from elasticsearch_chat_history._requests.failures import is_unauthorized
from elasticsearch_chat_history._requests.flush_queue import FlushQueue

if TYPE_CHECKING:
    from collections.abc import Hashable, MutableMapping

    from elasticsearch_chat_history._documents.fields import IndexLayout


MAX_WINDOW_STARTS = 10_000


class WindowStarts:
    """The times since which the last messages of very long sessions are, from earlier reads."""

    def __init__(self, most: int = MAX_WINDOW_STARTS) -> None:
        self._most = most
        self._starts: dict[Hashable, tuple[int, int]] = {}

    def get(self, session: Hashable, limit: int) -> int | None:
        """Return the time in milliseconds after which there were `limit` messages, if known."""
        found, start = self._starts.get(session, (0, 0))
        return start if limit <= found else None

    def remember(self, session: Hashable, limit: int, start: int) -> None:
        """Remember a time for a session, and forget the oldest of too many."""
        self._starts.pop(session, None)
        self._starts[session] = (limit, start)
        if len(self._starts) > self._most:
            self._starts.pop(next(iter(self._starts)), None)


class TransportState:
    """What belongs to one connection pool."""

    def __init__(self) -> None:
        # Whether the server has ever answered; if so, it is worth waiting for.
        self.reached = False
        # Whether it has ever accepted the credentials; if so, it may do so again.
        self.authenticated = False
        # One lock for each index, so that one caller prepares it and the others wait.
        self.index_locks: dict[str, Any] = {}
        # How large the messages of each index were in the last reads, in bytes.
        self.message_bytes: dict[str, int] = {}
        self.window_starts = WindowStarts()
        self._queues: MutableMapping[Hashable, FlushQueue] = WeakValueDictionary()

    def answered(self, error: Exception | None = None) -> None:
        """Note an answer of the server, or an `error` of the client, which may be one."""
        if error is None or isinstance(error, ApiError):
            self.reached = True
            self.authenticated = self.authenticated or not (error and is_unauthorized(error))

    def queue(self, key: Hashable, *, max_leaders: int) -> FlushQueue:
        """Return the queue for `key`; it exists as long as a writer uses it."""
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues.setdefault(key, FlushQueue(max_leaders))
        return queue


_STATES: MutableMapping[Any, TransportState] = WeakKeyDictionary()
_LAYOUTS: dict[Hashable, IndexLayout] = {}
_LAYOUTS_LOCK = threading.Lock()


def transport_state(client: Any) -> TransportState:
    """Return the state that all clients over the same connections share."""
    state = _STATES.get(client.transport)
    if state is None:
        state = _STATES.setdefault(client.transport, TransportState())
    return state


def cluster_of(client: Any) -> Hashable:
    """Return what identifies a cluster: the addresses that the client was given."""
    return frozenset(node.base_url for node in client.transport.node_pool.all())


def known_layout(index: Hashable) -> IndexLayout | None:
    """Return the layout of an index of a cluster, if this process has checked it."""
    return _LAYOUTS.get(index)


def remember_layout(index: Hashable, layout: IndexLayout) -> None:
    """Remember the layout of an index."""
    with _LAYOUTS_LOCK:
        _LAYOUTS[index] = layout


def forget_layout(index: Hashable, stale: IndexLayout) -> bool:
    """Forget `stale`, unless the index was checked again since."""
    with _LAYOUTS_LOCK:
        if _LAYOUTS.get(index) is not stale:
            return False
        del _LAYOUTS[index]
        return True
