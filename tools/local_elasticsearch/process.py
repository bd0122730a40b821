"""A process that ends with its owner, however the owner ends.

Between the owner and the process stands a small guard, this file run as a script. It holds one
end of a pipe whose other end only the owner has: when the owner is gone, the pipe closes, and the
guard kills the whole process group and removes what was temporary.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GRACE_SECONDS = 20.0
"""How long a process that was asked to stop may take before it is killed."""

_END_SECONDS = 10.0
_KILL = signal.SIGUSR1
_PR_SET_CHILD_SUBREAPER = 36

_processes: weakref.WeakSet[OwnedProcess] = weakref.WeakSet()


class OwnedProcess:
    """A running command, with all its children, that does not outlive this Python process."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        user: tuple[int, int] | None = None,
        after: Sequence[Sequence[str]] = (),
        when_orphaned: Sequence[Sequence[str]] = (),
        remove_when_orphaned: Sequence[Path] = (),
    ) -> None:
        """Start the command.

        Args:
            command: The program and its arguments.
            log: The file that takes its output; it is appended to.
            folder: Where it runs; the current folder by default.
            environment: Its whole environment; a copy of this process' by default.
            user: The user and group number to run under; the same as this process by default.
            after: Commands to run when it has ended.
            when_orphaned: More such commands, for when the owner is gone.
            remove_when_orphaned: Folders to remove when the owner is gone.
        """
        task = {
            "command": list(command),
            "folder": str(folder or Path.cwd()),
            "environment": dict(os.environ if environment is None else environment),
            "user": user,
            "after": [list(line) for line in after],
            "when_orphaned": [list(line) for line in when_orphaned],
            "remove_when_orphaned": [str(path) for path in remove_when_orphaned],
        }
        for_guard, self._pipe = os.pipe()
        self._pipe_is_open = True
        try:
            with log.open("ab") as output:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", __file__, str(for_guard)],
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(for_guard,),
                    # Ctrl-C in a terminal reaches the owner alone, which then stops us in order.
                    start_new_session=True,
                )
        except BaseException:
            self.close()
            raise
        finally:
            os.close(for_guard)
        _processes.add(self)
        # The task goes through the pipe, so that no password shows in a list of processes.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, json.dumps(task).encode() + b"\n")

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._pipe_is_open and self._guard.poll() is None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit status."""
        return self._guard.wait(timeout)

    def kill(self) -> None:
        """End it with SIGKILL, at once, with all its children."""
        self._end(_KILL)

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and kill it when that takes too long."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.running:
            self._guard.send_signal(how)
            # The guard gives up by itself well before this.
            self._guard.wait(GRACE_SECONDS + 4 * _END_SECONDS)
        self.close()

    def close(self) -> None:
        """Close the pipe; what still runs then is killed by its guard."""
        if self._pipe_is_open:
            self._pipe_is_open = False
            os.close(self._pipe)

    def forget(self) -> None:
        """Give the process up, in a child of the owner: the owner alone keeps it alive."""
        self._guard.returncode = 0
        self.close()


def _forget_all() -> None:
    for process in list(_processes):
        process.forget()
    _processes.clear()


def _kill_all() -> None:
    for process in list(_processes):
        process.kill()


# A forked child would hold the pipe open, and keep the process alive after its owner's death.
os.register_at_fork(after_in_child=_forget_all)
atexit.register(_kill_all)


# Below is the guard: it runs alone, in a process of its own, on the standard library only.


def _read_task(pipe: int) -> dict[str, Any] | None:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(pipe, 65536)
        if not part:
            return None
        line += part
    task: dict[str, Any] = json.loads(line)
    return task


def _adopt_orphans() -> None:
    # Grandchildren whose parent died come to us, so that we see them end; Linux only.
    with contextlib.suppress(Exception):
        import ctypes  # noqa: PLC0415 - only the guard needs it

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_group(group: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        try:
            os.killpg(group, 0)
        except OSError:
            return
        time.sleep(0.01)


def _watch(pipe: int, wake: int, child: subprocess.Popen[bytes]) -> bool:
    """Wait for the child's end, or bring it about; return whether the owner is gone."""
    deadline: float | None = None
    while child.poll() is None:
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = select.select([pipe, wake], [], [], timeout)[0]
        if pipe in ready:
            return True
        signals = os.read(wake, 4096) if wake in ready else b""
        if _KILL in signals or (deadline is not None and time.monotonic() >= deadline):
            return False
        if signal.SIGTERM in signals and deadline is None:
            deadline = time.monotonic() + GRACE_SECONDS
            child.terminate()
    return False


def _guard(pipe: int) -> int:
    wake, wake_end = os.pipe()
    os.set_blocking(wake_end, False)
    signal.set_wakeup_fd(wake_end)
    for number in (signal.SIGTERM, signal.SIGCHLD, _KILL):
        signal.signal(number, lambda *_: None)
    task = _read_task(pipe)
    if task is None:
        return 0
    _adopt_orphans()
    user: dict[str, Any] = {}
    if task["user"]:
        user = {"user": task["user"][0], "group": task["user"][1], "extra_groups": []}
    child = subprocess.Popen(
        task["command"],
        cwd=task["folder"],
        env=task["environment"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **user,
    )
    orphaned = _watch(pipe, wake, child)
    _end_group(child.pid)
    for command in task["after"] + (task["when_orphaned"] if orphaned else []):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, env=task["environment"], check=False, timeout=_END_SECONDS)
    if orphaned:
        for folder in task["remove_when_orphaned"]:
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                Path(folder).parent.rmdir()
    return child.returncode or 0


if __name__ == "__main__":
    sys.exit(_guard(int(sys.argv[1])))
