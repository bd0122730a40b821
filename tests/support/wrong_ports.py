"""Ports on loopback behind which there is no Elasticsearch."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from tests.support.tcp_proxy import JOIN_SECONDS, LOOPBACK


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """Give an address where nobody listens."""
    with socket.socket() as taken:
        # Bound, so that nobody else takes it, and not listening.
        taken.bind((LOOPBACK, 0))
        yield _address(taken)


@contextlib.contextmanager
def not_http_port() -> Iterator[str]:
    """Give an address that answers everything with something that is not HTTP."""
    with _serving(
        lambda connection: connection.sendall(b"\x15\x03\x03\x00\x02\x02\x16 what?\n")
    ) as url:
        yield url


@contextlib.contextmanager
def silent_port() -> Iterator[str]:
    """Give an address that takes connections and never answers."""
    with _serving(lambda _connection: None) as url:
        yield url


@contextlib.contextmanager
def _serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    listener = socket.create_server((LOOPBACK, 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while connection.recv(65_536):
                answer(connection)

    acceptor = threading.Thread(target=serve, daemon=True)
    acceptor.start()
    try:
        yield _address(listener)
    finally:
        for end in (listener, *connections):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(JOIN_SECONDS)


def _address(port: socket.socket) -> str:
    return f"http://{LOOPBACK}:{port.getsockname()[1]}"
