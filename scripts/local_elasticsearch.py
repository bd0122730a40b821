"""A local Elasticsearch: find one or start one, and end it with whoever asked for it.

As a command it prints the URL on standard output and stays until it is interrupted:

    python scripts/local_elasticsearch.py --version 8.19.8 --nodes 3
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
import urllib.parse
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticsearch_distribution import (
    DEFAULT_VERSION,
    DISTRIBUTIONS,
    ElasticsearchUnavailableError,
    say,
)
from elasticsearch_launch import LOOPBACK, Launcher, NodePlan, Setting, find_launcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from elasticsearch_process import OwnedProcess

__all__ = [
    "DEFAULT_VERSION",
    "ElasticsearchStartError",
    "ElasticsearchUnavailableError",
    "LocalElasticsearch",
    "Node",
    "RunningElasticsearch",
    "find_or_start",
]

START_SECONDS = 240.0
"""How long a start may take; ten to fifteen seconds are usual, many more under load."""

# Below the ports that systems give to outgoing connections, so that none of those takes the port
# of a node that is down for a moment.
_PORTS = range(20_000, 32_000)
_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.1
_LOG_LINES = 30
_HTTP_OK = 200


class ElasticsearchStartError(RuntimeError):
    """A node ended or was too slow; the message carries the end of its log."""


@dataclass(frozen=True)
class RunningElasticsearch:
    """An Elasticsearch that answers, and how to log in to it."""

    url: str
    version: str
    user: str | None = None
    password: str | None = None
    api_key: str | None = None

    @property
    def urls(self) -> list[str]:
        """The address, as a list like that of a local cluster."""
        return [self.url]

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which another process finds this same Elasticsearch."""
        return _environment(self.url, self.user, self.password, self.api_key)

    def __repr__(self) -> str:
        """Describe it without its credentials."""
        return f"{type(self).__name__}(url={self.url!r}, version={self.version!r})"


class Node:
    """One node of a local Elasticsearch."""

    def __init__(self, server: LocalElasticsearch, plan: NodePlan) -> None:
        """Make a node that is not started yet."""
        self._server = server
        self.plan = plan
        self.process: OwnedProcess | None = None

    @property
    def name(self) -> str:
        """Its name in the cluster."""
        return self.plan.name

    @property
    def port(self) -> int:
        """Its HTTP port."""
        return self.plan.port

    @property
    def url(self) -> str:
        """Its address; the same after a new start."""
        return f"http://{LOOPBACK}:{self.plan.port}"

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.running

    def kill(self) -> None:
        """End it at once (SIGKILL); its data stay."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """End it in order; its data stay."""
        if self.process is not None:
            self.process.stop()

    def start(self) -> None:
        """Start it again, on the same port and data, and wait until it is healthy."""
        if not self.running:
            self.launch()
        self._server.wait_until_healthy([self])

    def launch(self) -> None:
        """Start it without waiting for it."""
        if self.process is not None:
            self.process.close()
        self.plan.settings = self._server.node_settings(self.plan)
        self.process = self._server.launcher.launch(self.plan)

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        with contextlib.suppress(OSError):
            lines = self.plan.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(lines[-_LOG_LINES:])
        return ""

    def request(self, path: str, *, timeout: float = 10.0) -> tuple[int, Any]:
        """Return the status and the decoded body of a GET; `OSError` when nothing answers."""
        server = self._server
        return _get(self.url, path, server.user, server.password, None, timeout=timeout)


class LocalElasticsearch:
    """Nodes of our own, of one cluster; a context manager."""

    def __init__(  # noqa: PLR0913 - each is an option of the command
        self,
        version: str = DEFAULT_VERSION,
        *,
        port: int | None = None,
        password: str | None = None,
        nodes: int = 1,
        settings: Mapping[str, Setting] | None = None,
        data: str | os.PathLike[str] | None = None,
        heap: str = "512m",
        timeout: float = START_SECONDS,
    ) -> None:
        """Say what to start; `start` or a `with` statement starts it.

        Args:
            version: The server's version.
            port: The first node's port, the others take the next ones; free ones by default.
            password: Turns security on, with this password for the user `elastic`.
            nodes: How many nodes the cluster has.
            settings: More settings, for all nodes; they take effect at a node's next start.
            data: A folder to keep the data in; a temporary one by default, removed at the end.
            heap: The memory of each node.
            timeout: How many seconds a start may take.
        """
        if nodes < 1:
            message = f"nodes must be 1 or more, not {nodes}"
            raise ValueError(message)
        self.version = version
        self.password = password
        self.user = None if password is None else "elastic"
        self.api_key: str | None = None
        self.settings: dict[str, Setting] = dict(settings or {})
        self.nodes: list[Node] = []
        self._port = port
        self._node_count = nodes
        self._data = None if data is None else Path(data).absolute()
        self._heap = heap
        self._timeout = timeout
        self._folder: Path | None = None
        self._launcher: Launcher | None = None

    @property
    def launcher(self) -> Launcher:
        """The way the nodes are run."""
        if self._launcher is None:
            message = "This Elasticsearch is not started"
            raise RuntimeError(message)
        return self._launcher

    @property
    def url(self) -> str:
        """The first node's address."""
        return self.nodes[0].url

    @property
    def urls(self) -> list[str]:
        """The addresses of all nodes."""
        return [node.url for node in self.nodes]

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which another process finds this same Elasticsearch."""
        return _environment(self.url, self.user, self.password, None)

    def __enter__(self) -> LocalElasticsearch:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    def __repr__(self) -> str:
        """Describe it without its password."""
        urls = ", ".join(self.urls) or "not started"
        return f"<{type(self).__name__} {self.version}: {urls}>"

    def start(self) -> None:
        """Start all nodes and wait until they are one healthy cluster."""
        if self.nodes:
            return
        try:
            self._folder = self._make_folder()
            self._launcher = find_launcher(self.version, self._folder)
            for attempt in range(1, _PORT_ATTEMPTS + 1):
                try:
                    self._start_nodes(self._folder)
                except ElasticsearchStartError:
                    # Another process may have taken a port between our look and the node's.
                    again = self._port is None and attempt < _PORT_ATTEMPTS
                    if not (again and self._lost_a_port()):
                        raise
                    self._end_nodes()
                else:
                    return
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all nodes, and remove the data unless the caller named their folder."""
        self._end_nodes()
        if self._folder is not None and self._data is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def wait_until_healthy(self, nodes: Sequence[Node]) -> None:
        """Wait until each of `nodes` answers and is in one cluster with all running nodes."""
        deadline = time.monotonic() + self._timeout
        for node in nodes:
            while not self._is_healthy(node):
                failed = [each for each in nodes if not each.running]
                if failed:
                    message = f"Elasticsearch node {failed[0].name} ended while it was starting"
                    raise _start_error(message, failed[0])
                if time.monotonic() > deadline:
                    message = (
                        f"Elasticsearch node {node.name} was not healthy at {node.url} within "
                        f"{self._timeout:.0f} seconds"
                    )
                    raise _start_error(message, node)
                time.sleep(_POLL_SECONDS)

    def node_settings(self, plan: NodePlan) -> dict[str, Setting]:
        """Return the settings for a node's next start."""
        settings: dict[str, Setting] = {
            "cluster.name": plan.cluster,
            "node.name": plan.name,
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "xpack.security.enabled": self.password is not None,
        }
        if self._node_count == 1:
            settings["discovery.type"] = "single-node"
        else:
            names = [node.name for node in self.nodes]
            addresses = [self.launcher.transport_address(node.plan) for node in self.nodes]
            settings["discovery.seed_hosts"] = addresses
            settings["cluster.initial_master_nodes"] = names
        return {**settings, **self.settings}

    def _make_folder(self) -> Path:
        if self._data is None:
            folder = Path(tempfile.mkdtemp(prefix="elasticsearch-"))
            # The server may run under another user, who has to pass through.
            folder.chmod(0o711)
            return folder
        self._data.mkdir(parents=True, exist_ok=True)
        return self._data

    def _cluster_name(self, folder: Path) -> str:
        """Return a name that no other cluster has, so that two never join; data keep theirs."""
        name = folder / "cluster-name"
        if not name.exists():
            name.write_text(f"chat-history-{uuid.uuid4().hex[:12]}", encoding="utf-8")
        return name.read_text(encoding="utf-8")

    def _start_nodes(self, folder: Path) -> None:
        cluster = self._cluster_name(folder)
        ports = _choose_ports(self._port, self._node_count)
        self.nodes = [
            Node(
                self,
                NodePlan(
                    version=self.version,
                    name=f"node-{number}",
                    cluster=cluster,
                    folder=folder / f"node-{number}",
                    port=port,
                    transport_port=transport_port,
                    heap=self._heap,
                    password=self.password,
                    temporary=self._data is None,
                ),
            )
            for number, (port, transport_port) in enumerate(ports, start=1)
        ]
        for node in self.nodes:
            node.launch()
        self.wait_until_healthy(self.nodes)

    def _end_nodes(self) -> None:
        for node in self.nodes:
            # Data that go away need no orderly end.
            node.kill() if self._data is None else node.stop()
        for node in self.nodes:
            self.launcher.clean(node.plan)
        self.nodes = []

    def _lost_a_port(self) -> bool:
        words = ("BindTransportException", "BindHttpException", "port is already allocated")
        return any(word in node.log_tail() for node in self.nodes for word in words)

    def _is_healthy(self, node: Node) -> bool:
        running = sum(each.running for each in self.nodes)
        path = (
            f"/_cluster/health?wait_for_nodes=>={running}&wait_for_status=yellow"
            "&wait_for_events=languid&timeout=2s"
        )
        try:
            status, health = node.request(path)
        except (OSError, http.client.HTTPException, ValueError):
            return False
        # The name shows that it is our node, and none that took its port.
        return status == _HTTP_OK and health["cluster_name"] == node.plan.cluster


@contextlib.contextmanager
def find_or_start(
    version: str = DEFAULT_VERSION, **options: Any
) -> Iterator[RunningElasticsearch | LocalElasticsearch]:
    """Give the Elasticsearch that `ES_URL` names, else one of our own that ends with the block.

    Args:
        version: What to start; the Elasticsearch of `ES_URL` has the version that it has.
        options: As for `LocalElasticsearch`; nothing of it is applied to that of `ES_URL`.
    """
    url = os.environ.get("ES_URL")
    if url:
        yield _named_elasticsearch(url)
    else:
        with LocalElasticsearch(version, **options) as server:
            yield server


def _named_elasticsearch(url: str) -> RunningElasticsearch:
    user, password = os.environ.get("ES_USER"), os.environ.get("ES_PASSWORD")
    api_key = os.environ.get("ES_API_KEY")
    if bool(user) != bool(password):
        message = "ES_USER and ES_PASSWORD go together: set both or neither"
        raise ElasticsearchUnavailableError(message)
    url = url.rstrip("/")
    try:
        status, body = _get(url, "/", user, password, api_key, timeout=30.0)
    except (OSError, http.client.HTTPException, ValueError) as error:
        message = f"ES_URL is set, but no Elasticsearch answers at {url}: {error}"
        raise ElasticsearchUnavailableError(message) from error
    if status != _HTTP_OK:
        message = f"ES_URL is set, but {url} answers with status {status}; is the login right?"
        raise ElasticsearchUnavailableError(message)
    return RunningElasticsearch(url, body["version"]["number"], user, password, api_key)


def _get(  # noqa: PLR0913 - an address and three ways to log in
    url: str,
    path: str,
    user: str | None,
    password: str | None,
    api_key: str | None,
    *,
    timeout: float,
) -> tuple[int, Any]:
    # Not urllib: it would send loopback requests through a proxy that the environment names.
    parts = urllib.parse.urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port or (443 if secure else 9200), timeout=timeout)
    headers = {}
    if api_key:
        headers["Authorization"] = f"ApiKey {api_key}"
    elif user:
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    with contextlib.closing(connection):
        connection.request("GET", f"{parts.path}{path}", headers=headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def _environment(
    url: str, user: str | None, password: str | None, api_key: str | None
) -> dict[str, str]:
    names = {"ES_URL": url, "ES_USER": user, "ES_PASSWORD": password, "ES_API_KEY": api_key}
    return {name: value for name, value in names.items() if value}


def _choose_ports(first: int | None, nodes: int) -> list[tuple[int, int]]:
    """Return a free HTTP and a free transport port for each node."""
    wanted: list[int] = [] if first is None else list(range(first, first + nodes))
    for port in wanted:
        if not _is_free(port):
            message = f"Port {port} is taken"
            raise ElasticsearchStartError(message)
    numbers = random.SystemRandom().sample(_PORTS, len(_PORTS))
    free = (port for port in numbers if port not in wanted and _is_free(port))
    http_ports = wanted or [next(free) for _ in range(nodes)]
    return [(port, next(free)) for port in http_ports]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: what is left of closed connections is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _start_error(message: str, node: Node) -> ElasticsearchStartError:
    return ElasticsearchStartError(f"{message}; the end of its log:\n{node.log_tail()}")


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        message = f"{text!r} is not key=value"
        raise argparse.ArgumentTypeError(message)
    return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Find or start a local Elasticsearch.")
    add = parser.add_argument
    add("--version", default=DEFAULT_VERSION, help=f"one of {', '.join(DISTRIBUTIONS)}")
    add("--port", type=int, help="the first node's port (default: a free one)")
    add("--password", help="turn security on, with this password for the user elastic")
    add("--nodes", type=int, default=1, help="how many nodes the cluster has (default: 1)")
    add("--data", help="keep the data in this folder (default: a temporary one)")
    add("--heap", default="512m", help="each node's memory (default: 512m)")
    add("--setting", type=_setting, action="append", default=[], metavar="KEY=VALUE")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    ready = False
    try:
        with find_or_start(
            options.version,
            port=options.port,
            password=options.password,
            nodes=options.nodes,
            data=options.data,
            heap=options.heap,
            settings=dict(options.setting),
        ) as server:
            print(server.url, flush=True)
            ready = True
            say(f"Elasticsearch {server.version} is ready; Ctrl-C ends it")
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0 if ready else 130
    except (ElasticsearchUnavailableError, ElasticsearchStartError, ValueError) as error:
        say(str(error))
        return 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
