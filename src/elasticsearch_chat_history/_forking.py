"""What begins anew in a child process: threads that hold a lock or lead a flush are not there."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Restartable(Protocol):
    """What threads share."""

    def restart(self) -> None:
        """Begin anew, as the other threads are gone."""


_SHARED: WeakSet[Restartable] = WeakSet()


def restart_in_children(shared: Restartable) -> None:
    """Let `shared` begin anew in each child process, as long as somebody holds it."""
    _SHARED.add(shared)


def _restart_all() -> None:
    for shared in list(_SHARED):
        shared.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_all)
