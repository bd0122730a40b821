"""Nodes of our own, of one cluster."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_elasticsearch.address import HTTP_OK, NO_ANSWER, RunningElasticsearch
from local_elasticsearch.distribution import DEFAULT_VERSION
from local_elasticsearch.errors import ElasticsearchStartError
from local_elasticsearch.folders import Folders
from local_elasticsearch.launcher import find_launcher
from local_elasticsearch.plan import LOOPBACK, Launcher, NodePlan, Setting
from local_elasticsearch.ports import choose_ports
from local_elasticsearch.process import OwnedProcess

if TYPE_CHECKING:
    from typing_extensions import Self

START_SECONDS = 240.0
"""How long a start may take; ten to fifteen seconds are usual, many more under load."""

_PORT_ATTEMPTS = 5
_POLL_SECONDS = 0.1
_LOG_LINES = 30


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
        """Return the status and the decoded body of a GET; raise `NO_ANSWER` without one."""
        return self._server.address(self.url).get(path, timeout=timeout)


class LocalElasticsearch:
    """Nodes of our own, of one cluster; a context manager."""

    def __init__(
        self,
        version: str = DEFAULT_VERSION,
        *,
        port: int | None = None,
        password: str | None = None,
        nodes: int = 1,
        settings: Mapping[str, Setting] | None = None,
        data: str | os.PathLike[str] | None = None,
        in_memory: bool = False,
        heap: str = "512m",
        quick_start: bool = True,
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
            in_memory: Whether temporary data may stay in memory, where the machine offers that.
                An index is made in about half the time then. In Docker they stay in a volume.
            heap: The memory of each node.
            quick_start: Whether to start in half the time, and run slower; not for long runs.
            timeout: How many seconds a start may take.
        """
        if nodes < 1:
            raise ValueError(f"nodes must be 1 or more, not {nodes}")
        self.version = version
        self.password = password
        self.user = None if password is None else "elastic"
        self.api_key: str | None = None
        self.settings: dict[str, Setting] = dict(settings or {})
        self.nodes: list[Node] = []
        self._port = port
        self._node_count = nodes
        self._data = None if data is None else Path(data).absolute()
        self._in_memory = in_memory
        self._heap = heap
        self._quick_start = quick_start
        self._timeout = timeout
        self._folders: Folders | None = None
        self._launcher: Launcher | None = None

    @property
    def launcher(self) -> Launcher:
        """The way the nodes are run."""
        if self._launcher is None:
            raise RuntimeError("This Elasticsearch is not started")
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
        return self.address(self.url).environment

    def address(self, url: str) -> RunningElasticsearch:
        """Return one node's address with the login."""
        return RunningElasticsearch(url, self.version, self.user, self.password)

    def __enter__(self) -> Self:
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
            self._folders = Folders.make(self._data, in_memory=self._in_memory)
            self._launcher = find_launcher(
                self.version,
                self._folders,
                secure_cluster=self.password is not None and self._node_count > 1,
            )
            for attempt in range(1, _PORT_ATTEMPTS + 1):
                try:
                    self._start_nodes(self._folders)
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
        if self._folders is not None:
            self._folders.remove()
        self._folders = None

    def wait_until_healthy(self, nodes: Sequence[Node]) -> None:
        """Wait until each of `nodes` answers and is in one cluster with all running nodes."""
        deadline = time.monotonic() + self._timeout
        for node in nodes:
            while problem := self._problem(node):
                failed = [each for each in nodes if not each.running]
                if failed:
                    raise _start_error(
                        f"Elasticsearch node {failed[0].name} ended while it was starting",
                        failed[0],
                    )
                if time.monotonic() > deadline:
                    raise _start_error(
                        f"Elasticsearch node {node.name} at {node.url} was not healthy within "
                        f"{self._timeout:.0f} seconds ({problem})",
                        node,
                    )
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

    def _start_nodes(self, folders: Folders) -> None:
        cluster = folders.cluster_name()
        ports = choose_ports(self._port, self._node_count)
        self.nodes = [
            Node(
                self,
                NodePlan(
                    version=self.version,
                    name=f"node-{number}",
                    cluster=cluster,
                    folder=folders.files / f"node-{number}",
                    data=folders.data / f"node-{number}" / "data",
                    port=port,
                    transport_port=transport_port,
                    heap=self._heap,
                    quick_start=self._quick_start,
                    password=self.password,
                    temporary=folders.temporary,
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

    def _problem(self, node: Node) -> str | None:
        """Return what is still wrong with a node, `None` when it is healthy."""
        running = sum(each.running for each in self.nodes)
        path = (
            f"/_cluster/health?wait_for_nodes=>={running}&wait_for_status=yellow"
            "&wait_for_events=languid&timeout=2s"
        )
        try:
            status, health = node.request(path)
        except NO_ANSWER as error:
            return f"no answer: {error}"
        if status != HTTP_OK:
            return f"the last answer had status {status}"
        # The name shows that it is our node, and none that took its port.
        if health["cluster_name"] != node.plan.cluster:
            return f"another cluster answers there, {health['cluster_name']}"
        return None


def _start_error(message: str, node: Node) -> ElasticsearchStartError:
    return ElasticsearchStartError(f"{message}; the end of its log:\n{node.log_tail()}")
