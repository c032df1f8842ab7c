"""SIGTERM, as a scheduler sends it before it takes a machine away: it ends a process as Ctrl-C does, or a moment later.

A moment, because training can first write what it has learned; it ends when it has, or at once where that takes long.
"""

import _thread
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds that are waited; schedulers kill after ten or more.
PATIENCE = 5


class Terminated(BaseException):
    """SIGTERM has come, and it is time to end."""


class Patience:
    """Work that comes to places where it can end well, and looks there whether SIGTERM has come."""

    def __init__(self):
        self.has_come = False
        self.is_over = False
        self._timer = threading.Timer(PATIENCE, self._interrupt)
        self._timer.daemon = True

    def begin(self) -> None:
        """SIGTERM has come; the work has so many seconds to come to a good place."""
        if not self.has_come:
            self.has_come = True
            self._timer.start()

    def take_time(self) -> None:
        """A good place is reached, and what is to be done there takes as long as it takes."""
        self._timer.cancel()

    def end_here(self) -> None:
        """Raises Terminated if SIGTERM has come."""
        if self.has_come:
            raise Terminated

    def _interrupt(self) -> None:
        self.is_over = True
        _thread.interrupt_main(signal.SIGTERM)


_patience: Patience | None = None
_has_come = False


@contextmanager
def patient() -> Iterator[Patience]:
    """Inside, SIGTERM waits until the work looks whether it has come, for PATIENCE seconds at most."""
    global _patience
    _patience = Patience()
    try:
        yield _patience
        _patience.end_here()
    finally:
        _patience.take_time()
        _patience = None


def terminate(number: int, frame) -> None:
    """What SIGTERM does."""
    global _has_come
    _has_come = True
    if _patience is None or _patience.is_over:
        raise Terminated
    _patience.begin()


def has_come() -> bool:
    """Whether this process has been told to end: what fails after that fails because others were told too."""
    return _has_come


def on_termination(handler):
    """Sets what SIGTERM does, and returns what it did; None outside of the main thread, where it cannot be set."""
    if handler is None or threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, handler)


def _end_at_once() -> None:
    """A forked worker has nothing to write and nobody to tell."""
    if signal.getsignal(signal.SIGTERM) is terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_at_once)
