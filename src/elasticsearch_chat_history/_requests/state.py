"""What histories over the same connections share: locks, queues, and what was learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from elastic_transport import Urllib3HttpNode
from elasticsearch import ApiError

from elasticsearch_chat_history._forking import restart_in_children
from elasticsearch_chat_history._requests.flush_queue import FlushQueue
from elasticsearch_chat_history._requests.login import Login

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Hashable, MutableMapping


MAX_WINDOWS = 10_000


def _no_event_loop() -> None:
    return None


class Windows:
    """Where searches for the newest messages or sessions began, where there are very many."""

    def __init__(self, most: int = MAX_WINDOWS) -> None:
        self._most = most
        self._known: dict[Hashable, tuple[int, int]] = {}

    def get(self, key: Hashable, limit: int) -> int | None:
        """Return what was remembered for at least `limit` of them, in milliseconds."""
        found, milliseconds = self._known.get(key, (0, 0))
        return milliseconds if limit <= found else None

    def remember(self, key: Hashable, limit: int, milliseconds: int) -> None:
        """Remember a time or a width, and forget the oldest of too many."""
        self._known.pop(key, None)
        self._known[key] = (limit, milliseconds)
        if len(self._known) > self._most:
            self._known.pop(next(iter(self._known)), None)


class TransportState:
    """What belongs to one connection pool."""

    def __init__(self) -> None:
        # Whether the server has ever answered; if so, it is worth waiting for.
        self.reached = False
        # One lock for each index, so that one caller prepares it and the others wait.
        self.index_locks: dict[str, Any] = {}
        # How large the messages of each index were in the last reads, in bytes.
        self.message_bytes: dict[str, int] = {}
        # How many hits each index allows at once, if fewer than usual.
        self.max_hits: dict[str, int] = {}
        self.window_starts = Windows()
        # How far back the sessions of a further page go, in milliseconds.
        self.window_widths = Windows()
        self._queues: MutableMapping[Hashable, FlushQueue] = WeakValueDictionary()
        self._event_loop: Callable[[], asyncio.AbstractEventLoop | None] = _no_event_loop

    def restart(self) -> None:
        """Begin with new locks in a child process, or in another event loop."""
        self.index_locks = {}

    def check_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Refuse a client in a second event loop: who waits there is never woken.

        Raises:
            RuntimeError: Another event loop, which is not closed, uses the client.
        """
        bound = self._event_loop()
        if loop is bound or loop is None:
            return
        if bound is not None and not bound.is_closed():
            msg = (
                "This asynchronous client is used in another event loop: "
                "give each event loop a client of its own."
            )
            raise RuntimeError(msg)
        self._event_loop = ref(loop)
        self.restart()
        for queue in list(self._queues.values()):
            queue.restart()

    def answered(self, error: Exception | None = None) -> None:
        """Note an answer of the server, or an `error` of the client, which may be one."""
        if error is None or isinstance(error, ApiError):
            self.reached = True

    def queue(self, key: Hashable, *, max_leaders: int) -> FlushQueue:
        """Return the queue for `key`; it exists as long as a writer uses it."""
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues.setdefault(key, FlushQueue(max_leaders))
        return queue


_STATES: MutableMapping[Any, TransportState] = WeakKeyDictionary()
_LOGINS: MutableMapping[Any, Login] = WeakKeyDictionary()


class _Connections:
    """The connections of all clients: a child process shares none with its parent."""

    def restart(self) -> None:
        for transport, state in list(_STATES.items()):
            state.restart()
            for node in transport.node_pool.all():
                if isinstance(node, Urllib3HttpNode) and node.pool.pool is not None:
                    _drop_connections(node.pool)


def _drop_connections(pool: Any) -> None:
    """Let go the idle connections: answers to one process would reach the other."""
    fresh = pool.QueueCls(pool.pool.maxsize)
    while not fresh.full():
        fresh.put(None)
    pool.pool = fresh


_CONNECTIONS = _Connections()
restart_in_children(_CONNECTIONS)


def transport_state(client: Any) -> TransportState:
    """Return the state that all clients over the same connections share."""
    state = _STATES.get(client.transport)
    if state is None:
        state = _STATES.setdefault(client.transport, TransportState())
    return state


def login_of(client: Any) -> Login:
    """Return what is known of the credentials of a client; each has its own."""
    login = _LOGINS.get(client)
    if login is None:
        login = _LOGINS.setdefault(client, Login())
    return login


def cluster_of(client: Any) -> Hashable:
    """Return what identifies a cluster: the addresses that the client was given."""
    return frozenset(node.base_url for node in client.transport.node_pool.all())
