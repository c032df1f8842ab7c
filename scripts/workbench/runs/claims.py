"""A run's folder belongs to one process at a time."""

import os
from pathlib import Path
from typing import IO

from workbench.errors import UserError
from workbench.locks import take_lock

LOCK_FILE = ".lock"
# The locked files of the folders that this process has claimed.
_claims: dict[Path, IO] = {}


def claim(folder: Path, is_shared: bool = False) -> None:
    """Keeps other processes out of a run's folder, until this one ends, however it ends, or releases it.

    Args:
        is_shared: to read only, beside others who read; nothing is written, not even where a lock would be new.

    Raises:
        UserError: another process is at work in it.
    """
    path = folder.resolve() / LOCK_FILE
    if (path in _claims and _is_in_place(_claims[path], path)) or (is_shared and not path.exists()):
        return
    file = path.open("rb" if is_shared else "ab")
    if not take_lock(file, is_shared):
        file.close()
        raise UserError(
            f"{folder}: another process is at work in this folder; wait until it ends, or choose another folder"
        )
    _claims[path] = file
    if not _is_in_place(file, path):  # somebody deleted the folder in between
        claim(folder, is_shared)


def release(folder: Path) -> None:
    """Lets others claim the folder."""
    _claims.pop(folder.resolve() / LOCK_FILE).close()


def _is_in_place(file: IO, path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def _forget() -> None:
    while _claims:
        _claims.popitem()[1].close()


# A lock lasts as long as any process has the file open; those that load data may outlive the run by some seconds.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
