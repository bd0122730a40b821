"""Running nodes from the official Docker image."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass

from local_elasticsearch.plan import LOOPBACK, NodePlan, Setting
from local_elasticsearch.process import OwnedProcess
from local_elasticsearch.terminal import say
from local_elasticsearch.user import give_to

_DATA = "/usr/share/elasticsearch/data"
_ANSWER_SECONDS = 30.0


def find_docker(version: str, reasons: list[str]) -> str | None:
    """Return the `docker` command when its engine answers and has the image, else say why not."""
    docker = shutil.which("docker")
    if docker is None:
        reasons.append("no Docker engine: docker is not on the PATH")
        return None
    # A client alone may be installed: ask the engine.
    try:
        run = _docker(docker, "info", timeout=_ANSWER_SECONDS)
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
            "ES_JAVA_OPTS": plan.java_options,
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
            return ["--volume", f"{self._container(plan)}:{_DATA}"]
        plan.data.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            give_to((1000, 0), plan.data)
            return ["--volume", f"{plan.data}:{_DATA}"]
        return ["--user", f"{os.geteuid()}:0", "--volume", f"{plan.data}:{_DATA}"]

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
    return subprocess.run(
        [docker, *arguments], capture_output=True, text=True, check=False, timeout=timeout
    )
