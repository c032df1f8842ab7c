"""What ends a script early, in one line on stderr: a user's mistake (exit code 2), a signal, or a bug of ours (1)."""

import errno
import os
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable

from .termination import Terminated, has_come, on_termination, terminate

# Whose versions a report names.
LIBRARIES = ("torch", "transformers", "datasets", "peft", "accelerate", "huggingface_hub", "adapters", "numpy")
LONGEST_LINE = 1_500
# What is wrong with a path that the user gave.
PATH_ERRORS = (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)


class UserError(Exception):
    """A mistake in what the user gave; its text says what was got, what is allowed and what to do."""


# The arguments of a script that can go on with what it has begun.
_continuation: list[str] = []


def continue_with(argv: list[str]) -> None:
    """Says with which arguments this script was started: the same ones, with another behind them, go on."""
    _continuation[:] = [word for word in argv if word != "--overwrite_output_dir"] + ["--resume_from_checkpoint"]


def run_main(main: Callable[[], None]) -> None:
    """Runs a script's `main`, turning what the user can cause into one line and exit code 2."""
    earlier = on_termination(terminate)
    try:
        main()
        _leave_process_group()
    except UserError as error:
        sys.exit(_fail(str(error)))
    except KeyboardInterrupt:
        sys.exit(_stop("interrupted", 130))
    except Terminated:
        on_termination(signal.SIG_IGN)
        sys.exit(_stop("ended by SIGTERM", 143))
    except BrokenPipeError:
        # Who reads our output has had enough; nothing more may be written, not even at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        if has_come():
            sys.exit(_stop("ended by SIGTERM", 143))
        if isinstance(error, OSError) and error.errno in PATH_ERRORS:
            sys.exit(_fail(f"{error.filename or 'the output folder'}: {error.strerror}"))
        if _is_full_disk(error):
            sys.exit(_fail("no space left on the disk; free some, or choose another --output_dir; whole files stay"))
        if _is_full_memory(error):
            sys.exit(_fail("not enough memory; give a smaller batch, a smaller model or shorter examples"))
        if os.environ.get("IGPAY_DEBUG") == "1":
            raise
        sys.exit(_tell_bug(error))
    finally:
        _continuation.clear()
        on_termination(earlier)


def _stop(reason: str, code: int) -> int:
    """One line on stderr, of several processes from the first: why it ends, and the command that goes on."""
    if int(os.environ.get("RANK", "0")) == 0:
        several = int(os.environ.get("WORLD_SIZE", "1")) > 1
        command = "the same command with --resume_from_checkpoint" if several else _command()
        print(f"{reason}; {command} goes on" if _continuation else reason, file=sys.stderr)
    return code


def _command() -> str:
    return shlex.join(["python", sys.argv[0], *_continuation])


def _leave_process_group() -> None:
    """Of several processes: one that ends inside its group may be aborted by gloo's threads."""
    torch = sys.modules.get("torch")
    if torch and torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _is_full_disk(error: Exception) -> bool:
    """Whether a write failed for want of space: the OS says so, safetensors quotes it, torch only trips over it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left on device" in str(error) or "inline_container" in str(error)


def _is_full_memory(error: Exception) -> bool:
    """Whether memory ran out, of the machine (Python's or torch's allocator says so) or of an accelerator."""
    is_out = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return is_out or "DefaultCPUAllocator: can't allocate memory" in str(error)


def _tell_bug(error: Exception) -> int:
    """One line on what no other line foresaw, of several processes from the first; each writes its own traceback."""
    place = _write_traceback(error)
    if int(os.environ.get("RANK", "0")) == 0:
        reason = " ".join(str(error).split())
        what = f"{type(error).__name__}: {reason[:200]}" if reason else type(error).__name__
        print(f"error: a bug of igpay, please report it: {what}; {place}", file=sys.stderr)
    return 1


def _write_traceback(error: Exception) -> str:
    """Writes a report into the folder for temporary files; returns where it is, or how to see it if it cannot be."""
    try:
        libraries = [name for name in LIBRARIES if name in sys.modules]
        versions = [f"{name} {getattr(sys.modules[name], '__version__', '')}" for name in libraries]
        head = f"{shlex.join(sys.argv)}\nPython {sys.version}\n{sys.platform}, {', '.join(versions)}\n\n"
        text = head + "".join(traceback.format_exception(error))
        with tempfile.NamedTemporaryFile(prefix="igpay-", suffix=".txt", delete=False) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
        return f"what to send with the report is in {file.name}"
    except Exception:  # it must not hide what it is to tell
        return "IGPAY_DEBUG=1 before the command shows where"


def _fail(message: str) -> int:
    """One line on stderr; of a longer one, as of a name of many letters that it quotes, the beginning and the end."""
    line = " ".join(message.split())
    if len(line) > LONGEST_LINE:
        line = f"{line[: LONGEST_LINE // 2]} … {line[-LONGEST_LINE // 2 :]}"
    print(f"error: {line}", file=sys.stderr)
    return 2


def nearest(name: str, known: list[str]) -> str:
    """'; did you mean NAME?' for the known name nearest to `name`, or ''."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
