"""What it takes to start one node, whichever way it is run."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local_elasticsearch.process import OwnedProcess

LOOPBACK = "127.0.0.1"
Setting = str | int | float | bool | list[str]

# The quick compiler alone halves the processor time of a start; what it makes runs slower.
QUICK_START = "-XX:TieredStopAtLevel=1"


@dataclass
class NodePlan:
    """All that is needed to start one node."""

    version: str
    name: str
    cluster: str
    folder: Path
    data: Path
    port: int
    transport_port: int
    heap: str
    password: str | None
    temporary: bool
    quick_start: bool = True
    settings: dict[str, Setting] = field(default_factory=dict)

    @property
    def java_options(self) -> str:
        """The options of its Java machine."""
        quick = f" {QUICK_START}" if self.quick_start else ""
        return f"-Xms{self.heap} -Xmx{self.heap} -XX:-UsePerfData{quick}"

    @property
    def log(self) -> Path:
        """The file with the node's output."""
        return self.folder / "output.log"


class Launcher(Protocol):
    """A way to run nodes."""

    def transport_address(self, plan: NodePlan) -> str:
        """Return where the other nodes of the cluster reach this one."""

    def launch(self, plan: NodePlan) -> OwnedProcess:
        """Start the node; do not wait for it."""

    def clean(self, plan: NodePlan) -> None:
        """Remove what the node leaves outside its folder."""
