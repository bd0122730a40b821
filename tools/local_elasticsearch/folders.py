"""The folders that the nodes of one cluster keep their files and data in."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from local_elasticsearch.user import closed_folder, unprivileged_user

_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made there is nobody else's
_MEMORY_NEEDED = 4 * 2**30
"""Free bytes that tests may fill between two removals, many times over."""


@dataclass(frozen=True)
class Folders:
    """Where the nodes keep what they write.

    Attributes:
        files: The folder for configuration, logs and temporary files.
        data: The folder for the data, which may be the same.
        temporary: Whether all this goes with the nodes.
    """

    files: Path
    data: Path
    temporary: bool

    @classmethod
    def make(cls, named: Path | None, *, in_memory: bool) -> Folders:
        """Make the folders.

        Args:
            named: The folder that the caller wants and keeps; `None` for temporary ones.
            in_memory: Whether temporary data may stay in memory, where there is room.
        """
        if named is not None:
            named.mkdir(parents=True, exist_ok=True)
            return cls(named, named, temporary=False)
        files = _temporary_folder()
        data = _temporary_folder(_MEMORY) if in_memory and _has_room(_MEMORY) else files
        return cls(files, data, temporary=True)

    def cluster_name(self) -> str:
        """Return a name that no other cluster has, so that two never join; kept data keep it."""
        name = f"chat-history-{uuid.uuid4().hex[:12]}"
        if self.temporary:
            return name
        kept = self.files / "cluster-name"
        if not kept.exists():
            kept.write_text(name, encoding="utf-8")
        return kept.read_text(encoding="utf-8")

    def remove(self) -> None:
        """Remove what is temporary."""
        if self.temporary:
            for folder in (self.files, self.data):
                shutil.rmtree(folder, ignore_errors=True)


def _temporary_folder(parent: Path | None = None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="elasticsearch-", dir=parent))
    # The server may run under another user, who has to pass through.
    folder.chmod(0o711)
    return folder


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    if closed_folder(folder, unprivileged_user()) is not None:
        return False
    return shutil.disk_usage(folder).free >= _MEMORY_NEEDED
