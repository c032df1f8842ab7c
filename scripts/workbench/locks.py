"""Locks on open files, one mechanism for runs and for the cells of studies.

They go with the process that holds them, however it ends, so that nothing stale is ever left behind. A network file
system (NFS, Lustre) passes them on to other machines if it was mounted to do so; where there are none, that is said.
"""

import errno
import sys
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def take_lock(file: IO, is_shared: bool = False) -> bool:
    """Whether the file is locked for this process now; False where another one holds it.

    Where there are no locks it is True, and one line on stderr says so.

    Args:
        is_shared: others may share it, as long as nobody has it for himself alone.
    """
    if fcntl is None:
        _say_none(file, "this system")
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        _say_none(file, "this file system")
    return True


def wait_for_lock(file: IO) -> None:
    """Returns when the file is locked for this process."""
    fcntl.flock(file, fcntl.LOCK_EX)


def _say_none(file: IO, where: str) -> None:
    print(f"{file.name}: {where} has no locks; see that no other process works there", file=sys.stderr, flush=True)
