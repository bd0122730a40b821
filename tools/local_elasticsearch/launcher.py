"""Running a node of our own: in Docker, or from the distribution that Maven brings."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from local_elasticsearch.distribution import DISTRIBUTIONS, install, is_installed
from local_elasticsearch.docker import DockerLauncher, find_docker
from local_elasticsearch.errors import DownloadError, ElasticsearchUnavailableError
from local_elasticsearch.folders import Folders
from local_elasticsearch.java import find_java
from local_elasticsearch.plan import LOOPBACK, Launcher, NodePlan, Setting
from local_elasticsearch.process import OwnedProcess
from local_elasticsearch.user import User, closed_folder, give_to, unprivileged_user

# Before Java 18 the tools would read a password in the locale's encoding.
_TOOL_OPTIONS = (
    "-Xms32m -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData "
    "-Dfile.encoding=UTF-8"
)


@dataclass
class DistributionLauncher:
    """Runs nodes from the unpacked distribution, all of them from the same home."""

    home: Path
    java: Path
    user: User | None
    _keystores: dict[str, bytes] = field(default_factory=dict, repr=False)

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
            "ES_JAVA_OPTS": plan.java_options,
            "CLI_JAVA_OPTS": _TOOL_OPTIONS,
            "JAVA": str(self.java / "bin" / "java"),
            "JAVA_TYPE": "ES_JAVA_HOME",
        }
        if plan.password is not None:
            keystore = config / "elasticsearch.keystore"
            if plan.password not in self._keystores:
                # Each run of the tool takes seconds: one keystore serves all nodes and starts.
                self._make_keystore(plan.password, environment)
                self._keystores[plan.password] = keystore.read_bytes()
            keystore.write_bytes(self._keystores[plan.password])
        give_to(self.user, plan.folder, plan.data)
        return OwnedProcess(
            self._server_command(environment),
            folder=self.home,
            environment=environment,
            log=plan.log,
            user=self.user,
            remove_when_orphaned=[plan.folder, plan.data.parent] if plan.temporary else [],
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

    def _make_keystore(self, password: str, environment: dict[str, str]) -> None:
        command = self._tool_command("keystore", environment)
        run = subprocess.run(
            [*command, "add", "--stdin", "--force", "bootstrap.password"],
            cwd=self.home,
            env=environment,
            input=password,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        if run.returncode != 0:
            raise RuntimeError(f"The keystore could not be made:\n{run.stdout}{run.stderr}")


def find_launcher(version: str, folders: Folders, *, secure_cluster: bool) -> Launcher:
    """Return the way to run this version: Docker when an engine answers, else Maven and a JDK.

    Args:
        version: The server's version.
        folders: Where the nodes keep what they write.
        secure_cluster: Whether there will be several nodes, with a password.
    """
    reasons: list[str] = []
    if secure_cluster:
        # Beyond loopback, as in Docker, Elasticsearch wants certificates between such nodes.
        reasons.append("no Docker: several nodes with a password would need certificates there")
    else:
        docker = find_docker(version, reasons)
        if docker is not None:
            return DockerLauncher(docker)
    return find_distribution(version, folders.files, reasons)


def find_distribution(version: str, folder: Path, reasons: list[str]) -> DistributionLauncher:
    """Return the launcher over the unpacked distribution; get that first when it is missing."""
    known = DISTRIBUTIONS.get(version)
    if known is None:
        versions = ", ".join(DISTRIBUTIONS)
        reasons.append(f"no distribution of {version} on Maven Central, only of {versions}")
        raise unavailable(version, reasons)
    user = unprivileged_user()
    installed = is_installed(known)
    if not installed and shutil.which("mvn") is None:
        reasons.append("no Maven: mvn is not on the PATH")
    java = find_java(known.oldest_java, user=user)
    if java.home is None:
        looked_at = "; ".join(java.looked_at)
        reasons.append(f"no JDK {known.oldest_java} or newer; looked at {looked_at}")
    if java.home is None or (not installed and shutil.which("mvn") is None):
        raise unavailable(version, reasons)
    closed = closed_folder(folder, user)
    if closed is not None:
        message = (
            f"Elasticsearch refuses to run as root, and the user that it runs under instead "
            f"(number {user and user[0]}) may not enter {closed}. Name a data folder elsewhere, "
            f"or open that one (chmod o+x)."
        )
        raise ElasticsearchUnavailableError(message)
    try:
        home = install(known)
    except DownloadError as error:
        reasons.append(str(error))
        raise unavailable(version, reasons) from None
    return DistributionLauncher(home, java.home, user)


def unavailable(version: str, reasons: list[str]) -> ElasticsearchUnavailableError:
    """Return the error that says what is missing, and the three ways to mend it."""
    known = DISTRIBUTIONS.get(version)
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
