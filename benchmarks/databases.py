"""A PostgreSQL and a Redis of their own, on loopback, for as long as they are needed.

    python benchmarks/databases.py --install     # installs both with apt-get, as root on Debian
    python benchmarks/databases.py               # starts both until Ctrl-C, and prints where

Both keep their data in a temporary folder; the variable TMPDIR names another disk. They end with
the program that started them, however that ends.
"""

from __future__ import annotations

import argparse
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

LOOPBACK = "127.0.0.1"
USER = "benchmark"
START_SECONDS = 60
# Debian keeps most programs of PostgreSQL away from the PATH.
POSTGRESQL_FOLDERS = "/usr/lib/postgresql"
PACKAGES = ("postgresql", "redis-server")
# Stops the server once the input of this shell ends, which it does with the program that holds the
# other end, even if that is killed.
UNTIL_INPUT_ENDS = '"$@" & server=$!; cat > /dev/null; kill -s "$STOP" $server; wait $server'


@contextmanager
def postgresql() -> Iterator[str | None]:
    """Start a PostgreSQL; gives what libpq connects with, or None if it is not installed.

    Its settings are the default ones: a commit returns once it is written to the disk (`fsync`,
    `synchronous_commit`), as a request to Elasticsearch does, which syncs its translog.
    """
    initdb, server, is_ready = map(postgresql_program, ("initdb", "postgres", "pg_isready"))
    if initdb is None or server is None or is_ready is None:
        yield None
        return
    with folder_of_a_user() as (folder, options):
        password = secrets.token_hex()
        (folder / "password").write_text(password, encoding="utf-8")
        data = str(folder / "data")
        owner = [f"--username={USER}", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
        subprocess.run(
            [initdb, f"--pgdata={data}", *owner, "--encoding=UTF8", "--locale=C"],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        port = str(free_port())
        command = [server, "-D", data, "-h", LOOPBACK, "-p", port, "-k", str(folder)]
        asked = [is_ready, "-q", "-h", LOOPBACK, "-p", port]
        # SIGINT: it ends those who are connected. SIGTERM would wait for them.
        with running(
            command,
            folder,
            stop="INT",
            ready=lambda: subprocess.run(asked, check=False).returncode == 0,
            options=options,
        ):
            yield f"host={LOOPBACK} port={port} user={USER} password={password} dbname=postgres"


@contextmanager
def redis() -> Iterator[str | None]:
    """Start a Redis; gives its address, or None if it is not installed.

    Its settings are the default ones: it keeps all in memory and writes it to the disk once a
    minute at most. What was acknowledged since is lost if the machine stops.
    """
    server = shutil.which("redis-server")
    if server is None:
        yield None
        return
    with folder_of_a_user() as (folder, options):
        port, password = free_port(), secrets.token_hex()
        settings = folder / "redis.conf"
        lines = [f"bind {LOOPBACK}", f"port {port}", f"dir {folder}", f"requirepass {password}"]
        settings.write_text("\n".join(lines), encoding="utf-8")
        with running(
            [server, str(settings)],
            folder,
            stop="TERM",
            ready=lambda: listens(port),
            options=options,
        ):
            yield f"redis://:{password}@{LOOPBACK}:{port}/0"


def postgresql_program(name: str) -> str | None:
    """Find a program of PostgreSQL, of the newest version."""
    folders = sorted(
        Path(POSTGRESQL_FOLDERS).glob("*/bin"),
        key=lambda folder: [int(part) for part in folder.parent.name.split(".") if part.isdigit()],
        reverse=True,
    )
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))


@contextmanager
def folder_of_a_user() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a folder, and how to start a process that owns it: PostgreSQL refuses to be root."""
    with TemporaryDirectory(prefix="benchmark-") as name:
        if os.geteuid() != 0:
            yield Path(name), {"cwd": name}
            return
        user = unprivileged_user()
        os.chown(name, user.pw_uid, user.pw_gid)
        yield (
            Path(name),
            {"cwd": name, "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []},
        )


def unprivileged_user() -> pwd.struct_passwd:
    """Return the user `postgres`, or else `nobody`."""
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@contextmanager
def running(
    command: list[str],
    folder: Path,
    *,
    stop: str,
    ready: Callable[[], bool],
    options: dict[str, Any],
) -> Iterator[None]:
    """Run a server, which writes its log into the folder, from when it is ready."""
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            ["sh", "-c", UNTIL_INPUT_ENDS, "sh", *command],
            stdin=subprocess.PIPE,  # closed at the end of the block, and by the system at ours
            stdout=output,
            stderr=output,
            env={**os.environ, "STOP": stop},
            start_new_session=True,  # Ctrl-C is for us, who then end it in order
            **options,
        ),
    ):
        until = time.monotonic() + START_SECONDS
        while not ready():
            if time.monotonic() > until:
                raise TimeoutError(f"{command[0]} did not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield


def listens(port: int) -> bool:
    """Tell whether a server takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def install() -> int:
    """Install both servers with apt-get; return its exit status."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"This needs apt-get and root. Install {' and '.join(PACKAGES)}.", file=sys.stderr)
        return 1
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        status = subprocess.run(["apt-get", *command], env=variables, check=False).returncode
        if status:
            return status
    return 0


def main() -> int:
    """Install both, or run both until Ctrl-C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--install", action="store_true", help="install both, start none")
    if parser.parse_args().install:
        return install()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            for server in (postgresql, redis):
                address = stack.enter_context(server())
                print(f"{server.__name__}: {address or 'not installed'}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
