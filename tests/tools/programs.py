"""Programs that tests start, the environment they get, and what is waited for."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import local_elasticsearch

TOOLS = Path(local_elasticsearch.__file__).parents[1]
END_SECONDS = 30


def wait_for(condition: Callable[[], bool], seconds: float = END_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def answers(url: str) -> bool:
    address = urllib.parse.urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname or "", address.port or 0)) == 0


def without_a_server(**variables: str) -> dict[str, str]:
    """Return this environment without what names a server or a place for its files."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ES_")} | (
        variables
    )


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a temporary folder that other users may enter, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def started(
    *command: str, environment: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run Python with these arguments, with pipes to all that it reads and writes."""
    with subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
