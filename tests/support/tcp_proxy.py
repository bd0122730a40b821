"""A TCP proxy on loopback that does to requests what networks do to them."""

from __future__ import annotations

import contextlib
import enum
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

LOOPBACK = "127.0.0.1"
JOIN_SECONDS = 30


class Fault(enum.Enum):
    """What becomes of a request."""

    NONE = "passes"
    REQUEST_LOST = "the connection drops before the request arrives"
    ANSWER_LOST = "the connection drops after the request was carried out"
    ANSWER_STALLED = "the request is carried out, and the answer never comes"
    LATE = "the request arrives when its sender has given up"


Plan = Callable[[int], Fault]


def nothing_fails(_number: int) -> Fault:
    """Let all requests pass."""
    return Fault.NONE


def bursts(fault: Fault, length: int, period: int) -> Plan:
    """Return the plan by which the first `length` of every `period` requests meet `fault`."""
    return lambda number: fault if number % period < length else Fault.NONE


class TcpProxy:
    """Stands between clients and one port; a context manager.

    Args:
        port: The port on loopback that it stands for.
        plan: What becomes of each request, by its number from 0.
    """

    def __init__(self, port: int, plan: Plan = nothing_fails) -> None:
        self.port = port
        self.faults: Counter[Fault] = Counter()
        self._plan = plan
        self._number = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOOPBACK, 0))
        self._connections: set[_Connection] = set()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def follow(self, plan: Plan) -> None:
        """Follow another plan from the next request on, which is number 0 again."""
        with self._lock:
            self._plan, self._number = plan, 0

    @property
    def coming_fault(self) -> Fault:
        """What the plan says of the next request."""
        with self._lock:
            return self._plan(self._number)

    def next_fault(self) -> Fault:
        """Return what the plan says of a request that has come."""
        with self._lock:
            fault = self._plan(self._number)
            self._number += 1
            self.faults[fault] += 1
            return fault

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener)
        self._listener.close()
        self._acceptor.join(JOIN_SECONDS)
        for connection in list(self._connections):
            connection.end()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((LOOPBACK, self.port), timeout=JOIN_SECONDS)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._connections.add(_Connection(self, client, server))

    def forget(self, connection: _Connection) -> None:
        """Let go of a connection that has ended."""
        self._connections.discard(connection)


class _Connection:
    """One client's connection: one thread takes requests there, one brings answers back."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._fault = Fault.NONE
        self._answers = threading.Thread(target=self._bring_answers, daemon=True)
        self._requests = threading.Thread(target=self._run, daemon=True)
        self._requests.start()

    def end(self) -> None:
        _end(self._client)
        _end(self._server)
        self._requests.join(JOIN_SECONDS)

    def _run(self) -> None:
        with self._client, self._server, self._client.makefile("rb") as stream:
            self._answers.start()
            with contextlib.suppress(OSError):
                self._take_requests(stream)
            _end(self._client)
            _end(self._server)
            self._answers.join(JOIN_SECONDS)
        self._proxy.forget(self)

    def _take_requests(self, stream: IO[bytes]) -> None:
        while request := _read_request(stream):
            self._fault = self._proxy.next_fault()
            if self._fault is Fault.REQUEST_LOST:
                return
            if self._fault is Fault.LATE:
                stream.read(1)  # comes back when the client has hung up
            self._server.sendall(request)
            if self._fault is Fault.LATE:
                self._answers.join(JOIN_SECONDS)
                return

    def _bring_answers(self) -> None:
        with contextlib.suppress(OSError):
            while part := self._server.recv(65_536):
                if self._fault is Fault.NONE:
                    self._client.sendall(part)
                elif self._fault is not Fault.ANSWER_STALLED:
                    break
        # Ends the other thread's wait for a next request.
        _end(self._client)


def _read_request(stream: IO[bytes]) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return head + stream.read(int(length[1]) if length else 0)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
