"""The two ways to run a node of our own: from the unpacked distribution, or in Docker."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import elasticsearch_distribution as distribution
from elasticsearch_distribution import ElasticsearchUnavailableError, say
from elasticsearch_jdk import find_java
from elasticsearch_process import OwnedProcess
from unprivileged_user import User, closed_folder, give_to, unprivileged_user

LOOPBACK = "127.0.0.1"
Setting = str | int | float | bool | list[str]

# The quick compiler and the plain collector: ready in about half the time on two cores.
_QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
# Before Java 18 the tools would read a password in the locale's encoding.
_TOOL_OPTIONS = (
    "-Xms32m -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData "
    "-Dfile.encoding=UTF-8"
)
_DOCKER_DATA = "/usr/share/elasticsearch/data"
_DOCKER_SECONDS = 30.0


@dataclass
class NodePlan:
    """All that is needed to start one node."""

    version: str
    name: str
    cluster: str
    folder: Path
    port: int
    transport_port: int
    heap: str
    password: str | None
    temporary: bool
    settings: dict[str, Setting] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """The file with the node's output."""
        return self.folder / "output.log"

    @property
    def data(self) -> Path:
        """The folder with the node's data."""
        return self.folder / "data"


class Launcher(Protocol):
    """A way to run nodes."""

    def transport_address(self, plan: NodePlan) -> str:
        """Return where the other nodes of the cluster reach this one."""

    def launch(self, plan: NodePlan) -> OwnedProcess:
        """Start the node; do not wait for it."""

    def clean(self, plan: NodePlan) -> None:
        """Remove what the node leaves outside its folder."""


def find_launcher(version: str, temporary: Path) -> Launcher:
    """Return the way to run this version: Docker when an engine answers, else Maven and a JDK."""
    reasons: list[str] = []
    docker = find_docker(version, reasons)
    if docker is not None:
        return DockerLauncher(docker)
    return find_distribution(version, temporary, reasons)


def find_docker(version: str, reasons: list[str]) -> str | None:
    """Return the `docker` command when its engine answers and has the image, else say why not."""
    docker = shutil.which("docker")
    if docker is None:
        reasons.append("no Docker engine: docker is not on the PATH")
        return None
    # A client alone may be installed: ask the engine.
    try:
        run = _docker(docker, "info", timeout=_DOCKER_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        reasons.append("no Docker engine: `docker info` gives no answer")
        return None
    if run.returncode != 0:
        reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
        reasons.append(f"no Docker engine: `docker info` says: {reason}")
        return None
    image = f"elasticsearch:{version}"
    if _docker(docker, "image", "inspect", image).returncode != 0:
        say(f"Fetching the Docker image {image}")
        pull = _docker(docker, "pull", "--quiet", image)
        if pull.returncode != 0:
            reason = (pull.stderr.strip().splitlines() or ["no reason given"])[-1]
            reasons.append(f"no Docker image {image}: `docker pull` says: {reason}")
            return None
    return docker


def find_distribution(version: str, temporary: Path, reasons: list[str]) -> DistributionLauncher:
    """Return the launcher over the unpacked distribution; get that first when it is missing."""
    known = distribution.DISTRIBUTIONS.get(version)
    if known is None:
        versions = ", ".join(distribution.DISTRIBUTIONS)
        reasons.append(f"no distribution of {version} on Maven Central, only of {versions}")
        raise unavailable(version, reasons)
    user = unprivileged_user()
    installed = distribution.is_installed(known)
    if not installed and shutil.which("mvn") is None:
        reasons.append("no Maven: mvn is not on the PATH")
    java = find_java(known.oldest_java, user=user)
    if java.home is None:
        looked_at = "; ".join(java.looked_at)
        reasons.append(f"no JDK {known.oldest_java} or newer; looked at {looked_at}")
    if java.home is None or (not installed and shutil.which("mvn") is None):
        raise unavailable(version, reasons)
    closed = closed_folder(temporary, user)
    if closed is not None:
        message = (
            f"Elasticsearch refuses to run as root, and the user that it runs under instead "
            f"(number {user and user[0]}) may not enter {closed}. Name a data folder elsewhere, "
            f"or open that one (chmod o+x)."
        )
        raise ElasticsearchUnavailableError(message)
    try:
        home = distribution.install(known)
    except distribution.DownloadError as error:
        reasons.append(str(error))
        raise unavailable(version, reasons) from None
    return DistributionLauncher(home, java.home, user)


def unavailable(version: str, reasons: list[str]) -> ElasticsearchUnavailableError:
    """Return the error that says what is missing, and the three ways to mend it."""
    known = distribution.DISTRIBUTIONS.get(version)
    java = known.oldest_java if known else 21
    if not os.environ.get("ES_URL"):
        reasons = ["ES_URL is not set", *reasons]
    missing = "\n".join(f"  - {reason}" for reason in reasons)
    return ElasticsearchUnavailableError(
        f"No Elasticsearch {version} can be had:\n{missing}\n"
        "Any one of these mends it:\n"
        "  1. Set ES_URL to a running Elasticsearch (with ES_API_KEY, or ES_USER and "
        "ES_PASSWORD).\n"
        "  2. Start a Docker engine, so that `docker info` succeeds.\n"
        f"  3. Install Maven (mvn) and a JDK, {java} or newer, and set ES_JAVA_HOME to the JDK."
    )


@dataclass
class DistributionLauncher:
    """Runs nodes from the unpacked distribution, all of them from the same home."""

    home: Path
    java: Path
    user: User | None

    def transport_address(self, plan: NodePlan) -> str:
        """Return where the other nodes of the cluster reach this one."""
        return f"{LOOPBACK}:{plan.transport_port}"

    def launch(self, plan: NodePlan) -> OwnedProcess:
        """Write the node's configuration and start it."""
        config = plan.folder / "config"
        shutil.rmtree(config, ignore_errors=True)
        shutil.copytree(self.home / "config", config)
        logs, temporary = plan.folder / "logs", plan.folder / "tmp"
        for folder in (plan.data, logs, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Setting] = {
            "network.host": LOOPBACK,
            "http.port": plan.port,
            "transport.port": plan.transport_port,
            "path.data": str(plan.data),
            "path.logs": str(logs),
            **plan.settings,
        }
        lines = (f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        (config / "elasticsearch.yml").write_text("".join(lines), encoding="utf-8")
        self._write_jvm_options(config / "jvm.options", logs)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "ES_HOME": str(self.home),
            "ES_PATH_CONF": str(config),
            "ES_TMPDIR": str(temporary),
            "ES_DISTRIBUTION_TYPE": "zip",
            "ES_JAVA_HOME": str(self.java),
            "ES_JAVA_OPTS": f"-Xms{plan.heap} -Xmx{plan.heap} {' '.join(_QUICK_START)}",
            "CLI_JAVA_OPTS": _TOOL_OPTIONS,
            "JAVA": str(self.java / "bin" / "java"),
            "JAVA_TYPE": "ES_JAVA_HOME",
        }
        if plan.password is not None:
            self._write_keystore(plan.password, environment)
        give_to(self.user, plan.folder)
        return OwnedProcess(
            self._server_command(environment),
            folder=self.home,
            environment=environment,
            log=plan.log,
            user=self.user,
            remove_when_orphaned=[plan.folder] if plan.temporary else [],
        )

    def clean(self, plan: NodePlan) -> None:
        """Do nothing: all is in the node's folder."""

    def _server_command(self, environment: dict[str, str]) -> list[str]:
        if (self.home / "lib" / "tools" / "server-launcher").is_dir():
            return [
                environment["JAVA"],
                *_TOOL_OPTIONS.split(),
                "-cp",
                f"{self.home}/lib/tools/server-launcher/*",
                "org.elasticsearch.server.launcher.ServerLauncher",
            ]
        return self._tool_command("server", environment)

    def _tool_command(self, name: str, environment: dict[str, str]) -> list[str]:
        """Return what the official start scripts run, which the distribution leaves out."""
        return [
            environment["JAVA"],
            *_TOOL_OPTIONS.split(),
            f"-Dcli.name={name}",
            f"-Dcli.script={self.home}/bin/elasticsearch",
            f"-Dcli.libs=lib/tools/{name}-cli",
            f"-Des.path.home={self.home}",
            f"-Des.path.conf={environment['ES_PATH_CONF']}",
            "-Des.distribution.type=zip",
            "-Des.java.type=ES_JAVA_HOME",
            "-cp",
            f"{self.home}/lib/*:{self.home}/lib/cli-launcher/*",
            "org.elasticsearch.launcher.CliToolLauncher",
        ]

    def _write_jvm_options(self, path: Path, logs: Path) -> None:
        text = (self.home / "config" / "jvm.options").read_text(encoding="utf-8")
        text = text.replace("-XX:+UseG1GC", "-XX:+UseSerialGC")
        # These files would land in the home, which all nodes share and none may write to.
        text = re.sub(r"(?m)^-Xlog:gc.*$", "", text)
        text = text.replace("hs_err_pid", f"{logs}/hs_err_pid")
        path.write_text(f"{text}\n-XX:HeapDumpPath={logs}\n", encoding="utf-8")

    def _write_keystore(self, password: str, environment: dict[str, str]) -> None:
        command = self._tool_command("keystore", environment)
        run = subprocess.run(  # noqa: S603 - the distribution's own tool
            [*command, "add", "--stdin", "--force", "bootstrap.password"],
            cwd=self.home,
            env=environment,
            input=password,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if run.returncode != 0:
            message = f"The keystore could not be made:\n{run.stdout}{run.stderr}"
            raise RuntimeError(message)


@dataclass
class DockerLauncher:
    """Runs nodes from the official image, published on the loopback address only."""

    docker: str

    def transport_address(self, plan: NodePlan) -> str:
        """Return where the other nodes of the cluster reach this one."""
        return self._container(plan)

    def launch(self, plan: NodePlan) -> OwnedProcess:
        """Start the node's container."""
        container = self._container(plan)
        _docker(self.docker, "network", "create", plan.cluster)
        plan.folder.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Setting] = {
            "network.host": "0.0.0.0",  # noqa: S104 - inside the container
            # Else a cluster of several nodes checks the host's kernel settings.
            "node.store.allow_mmap": False,
            "xpack.ml.enabled": False,
            "ingest.geoip.downloader.enabled": False,
            **plan.settings,
        }
        environment = {
            **os.environ,
            "ES_JAVA_OPTS": f"-Xms{plan.heap} -Xmx{plan.heap} {' '.join(_QUICK_START)}",
        }
        command = [self.docker, "run", "--rm", "--name", container, "--network", plan.cluster]
        command += ["--publish", f"{LOOPBACK}:{plan.port}:9200", "--env", "ES_JAVA_OPTS"]
        if plan.password is not None:
            # By its name alone, so that the password shows in no list of processes.
            environment["ELASTIC_PASSWORD"] = plan.password
            command += ["--env", "ELASTIC_PASSWORD"]
        for key, value in settings.items():
            text = value if isinstance(value, str) else json.dumps(value)
            command += ["--env", f"{key}={','.join(value) if isinstance(value, list) else text}"]
        command += self._data(plan)
        return OwnedProcess(
            [*command, f"elasticsearch:{plan.version}"],
            folder=plan.folder,
            environment=environment,
            log=plan.log,
            # The client's end is not the container's.
            after=[[self.docker, "rm", "--force", container]],
            when_orphaned=self._cleaning(plan),
            remove_when_orphaned=[plan.folder] if plan.temporary else [],
        )

    def clean(self, plan: NodePlan) -> None:
        """Remove the node's volume and, with the last node, the network."""
        for command in self._cleaning(plan):
            _docker(*command)

    def _data(self, plan: NodePlan) -> list[str]:
        if plan.temporary:
            # A volume takes the owner that the image wants; a folder would need one by hand.
            return ["--volume", f"{self._container(plan)}:{_DOCKER_DATA}"]
        plan.data.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            give_to((1000, 0), plan.data)
            return ["--volume", f"{plan.data}:{_DOCKER_DATA}"]
        return ["--user", f"{os.geteuid()}:0", "--volume", f"{plan.data}:{_DOCKER_DATA}"]

    def _cleaning(self, plan: NodePlan) -> list[list[str]]:
        commands = [[self.docker, "network", "rm", plan.cluster]]
        if plan.temporary:
            commands.append([self.docker, "volume", "rm", "--force", self._container(plan)])
        return commands

    @staticmethod
    def _container(plan: NodePlan) -> str:
        return f"{plan.cluster}-{plan.name}"


def _docker(
    docker: str, *arguments: str, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the docker on the PATH
        [docker, *arguments], capture_output=True, text=True, check=False, timeout=timeout
    )
