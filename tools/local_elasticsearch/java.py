"""Finding a Java that an Elasticsearch runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from local_elasticsearch.user import closed_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local_elasticsearch.user import User

USUAL_FOLDERS = (Path("/usr/lib/jvm"), Path("/Library/Java/JavaVirtualMachines"))
"""Where the common systems keep their Java versions, in case that there is no default one."""

_OLDEST_WITH_ONE_NUMBER = 9


@dataclass
class JavaSearch:
    """What was found: the home of the Java to use, and a line on each one that was looked at."""

    home: Path | None = None
    version: int | None = None
    looked_at: list[str] = field(default_factory=list)


def find_java(
    oldest: int,
    *,
    environment: Mapping[str, str] | None = None,
    usual_folders: Sequence[Path] | None = None,
    user: User | None = None,
) -> JavaSearch:
    """Find a Java, `oldest` or newer, that `user` can run.

    `ES_JAVA_HOME`, `JAVA_HOME` and the `java` on the path come first, in this order. Then come the
    folders beside them, the lowest version first: it is the one best tested with that server.
    """
    environment = os.environ if environment is None else environment
    search = JavaSearch()
    seen: set[Path] = set()
    named: list[Path] = []
    for source, home in _named_homes(environment):
        if home is None:
            search.looked_at.append(f"{source}: none")
            continue
        named.append(home)
        if home.resolve() not in seen:
            seen.add(home.resolve())
            if _take(search, source, home, oldest, user):
                return search
    beside: list[tuple[int, Path]] = []
    for home in _homes_beside(named, USUAL_FOLDERS if usual_folders is None else usual_folders):
        if home.resolve() not in seen:
            seen.add(home.resolve())
            beside.append((java_version(home) or 0, home))
    for _, home in sorted(beside):
        if _take(search, "beside", home, oldest, user):
            return search
    return search


def java_version(home: Path) -> int | None:
    """Return the major version of the Java in `home`, `None` where there is none."""
    java = home / "bin" / "java"
    if not os.access(java, os.X_OK):
        return None
    release = home / "release"
    if release.is_file():
        text = release.read_text(encoding="utf-8", errors="replace")
    else:
        try:
            run = subprocess.run(
                [str(java), "-version"], capture_output=True, text=True, check=False, timeout=30
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        text = run.stderr
    match = re.search(r'(?:JAVA_VERSION=|version )"(\d+)(?:\.(\d+))?', text)
    if match is None:
        return None
    major = int(match[1])
    # Java 8 and older call themselves 1.8 and so on.
    return major if major >= _OLDEST_WITH_ONE_NUMBER or match[2] is None else int(match[2])


def _named_homes(environment: Mapping[str, str]) -> Iterator[tuple[str, Path | None]]:
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        value = environment.get(name)
        yield name, Path(value) if value else None
    java = shutil.which("java", path=environment.get("PATH", ""))
    yield "java on the PATH", Path(java).resolve().parent.parent if java else None


def _homes_beside(named: Sequence[Path], usual_folders: Sequence[Path]) -> Iterator[Path]:
    # On macOS a home is <folder>/<name>/Contents/Home.
    folders = [
        home.resolve().parents[2 if home.resolve().parts[-2:] == ("Contents", "Home") else 0]
        for home in named
    ]
    for folder in dict.fromkeys((*folders, *usual_folders)):
        for pattern in ("*/bin/java", "*/Contents/Home/bin/java"):
            for java in sorted(folder.glob(pattern)):
                yield java.parent.parent


def _take(search: JavaSearch, source: str, home: Path, oldest: int, user: User | None) -> bool:
    version = java_version(home)
    closed = closed_folder(home / "bin" / "java", user)
    if version is None:
        search.looked_at.append(f"{source}: no Java in {home}")
    elif closed is not None:
        search.looked_at.append(f"{source}: Java {version} in {home}, but {closed} is closed")
    else:
        search.looked_at.append(f"{source}: Java {version} in {home}")
        if version >= oldest:
            search.home, search.version = home, version
            return True
    return False
