"""A proxy on loopback that ends TLS in front of a server, with a certificate of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trustme

from tests.support.tcp_proxy import JOIN_SECONDS, LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self


@dataclass(frozen=True)
class Certificates:
    """The files and the fingerprint that clients are given.

    Attributes:
        authority: The certificate of who signed that of the proxy.
        stranger: The certificate of somebody else.
        fingerprint: The SHA-256 of the proxy's certificate.
    """

    authority: str
    stranger: str
    fingerprint: str


class TlsProxy:
    """Stands between clients and one server; a context manager.

    Args:
        url: The address of the server, without TLS.
        folder: Where the certificates are written.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._server = urlsplit(url)
        authority, stranger = trustme.CA(), trustme.CA()
        own = authority.issue_cert(LOOPBACK)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        own.configure_cert(self._context)
        files = folder / "authority.crt", folder / "stranger.crt"
        for signer, file in zip((authority, stranger), files, strict=True):
            signer.cert_pem.write_to_path(str(file))
        der = ssl.PEM_cert_to_DER_cert(own.cert_chain_pems[0].bytes().decode())
        fingerprint = hashlib.sha256(der).hexdigest()
        self.certificates = Certificates(str(files[0]), str(files[1]), fingerprint)
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"https://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(JOIN_SECONDS), "the proxy does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(JOIN_SECONDS)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        listener = await asyncio.start_server(self._connect, LOOPBACK, 0, ssl=self._context)
        self.port = listener.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        # What is still open ends with the loop: clients may keep connections longer.
        listener.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            host, port = self._server.hostname, self._server.port
            from_server, to_server = await asyncio.open_connection(host, port)
            await asyncio.gather(_pass(reader, to_server), _pass(from_server, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    finally:
        writer.close()


@pytest.fixture(scope="session")
def tls_proxy(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsProxy]:
    """TLS in front of the server that all tests share."""
    with TlsProxy(server.url, tmp_path_factory.mktemp("certificates")) as proxy:
        yield proxy
