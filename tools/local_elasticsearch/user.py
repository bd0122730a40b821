"""The user that a local Elasticsearch runs under: it refuses to run as root."""

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

User = tuple[int, int]
"""The numbers of a user and of its group."""

_NOBODY: User = (65534, 65534)


def unprivileged_user() -> User | None:
    """Return the user to start Elasticsearch as, or `None` where that is the present one."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY
    return nobody.pw_uid, nobody.pw_gid


def closed_folder(path: Path, user: User | None) -> Path | None:
    """Return the first folder on the way to `path`, or `path` itself, that is closed to `user`."""
    if user is None:
        return None
    path = path.resolve()
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not _may_enter(folder.stat(), user):
            return folder
    return None


def give_to(user: User | None, *paths: Path) -> None:
    """Make `user` the owner of these files and folders, and of all that is in them."""
    if user is None:
        return
    for path in paths:
        os.chown(path, *user, follow_symlinks=False)
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), *user, follow_symlinks=False)  # noqa: PTH118


def _may_enter(status: os.stat_result, user: User) -> bool:
    if status.st_uid == user[0]:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user[1]:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
