"""An HTTP proxy on loopback that passes requests on, or answers them itself."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.tcp_proxy import JOIN_SECONDS, LOOPBACK

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class OwnAnswer:
    """What the proxy answers in place of the server."""

    content_type: str
    body: bytes
    status: int = 200


class HttpProxy:
    """Stands between clients and one server; a context manager.

    Args:
        url: The address of the server.

    Attributes:
        own_answer: What it answers by itself; None passes requests on.
        answered: How many requests it has answered itself.
    """

    def __init__(self, url: str) -> None:
        self.own_answer: OwnAnswer | None = None
        self.answered = 0
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler_of(self, url))
        self._server.daemon_threads = True
        # A client may keep its connections longer than the proxy stands.
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(JOIN_SECONDS)


def _handler_of(proxy: HttpProxy, url: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            own = proxy.own_answer
            if own is None:
                status, headers, content = self.passed_on(body)
            else:
                proxy.answered += 1
                status, headers, content = own.status, {"content-type": own.content_type}, own.body
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "transfer-encoding"}:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            server = HTTPConnection(urlsplit(url).netloc, timeout=JOIN_SECONDS)
            try:
                # Uncompressed, so that what comes is passed on as it is.
                headers = {**dict(self.headers), "accept-encoding": "identity"}
                server.request(self.command, self.path, body, headers)
                answer = server.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                server.close()

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    for method in ("GET", "POST", "PUT", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.handle_any)
    return Handler
