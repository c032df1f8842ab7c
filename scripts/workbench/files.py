"""Files: regular ones read within limits, all written whole or not at all, and the places where they can be written."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError
from .escapes import one_line, plain_cell, spreadsheet_cell
from .processes import is_main_process

MOST_BYTES = 1_000_000_000
LONGEST_NAME = 255  # bytes, on the usual file systems
LONGEST_PATH = 2_000  # bytes; Linux takes 4,096, and what a run writes lies deeper


def file_size(path: str | Path) -> int:
    """Bytes of a regular file; UserError for none, and for a folder, a pipe or a device, which would be waited for."""
    try:
        status = Path(path).stat()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise UserError(f"{path}: cannot read this file: {reason}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{path}: a folder; give a file")
    # The kernel's own files are called regular, and some of them never end, or wait.
    if not stat.S_ISREG(status.st_mode) or Path(os.path.realpath(path)).parts[1:2] in (("proc",), ("sys",)):
        raise UserError(f"{path}: not a regular file (a pipe, a device or the kernel's); give a file on the disk")
    return status.st_size


def read_limited(path: str | Path, most: int) -> bytes:
    """A regular file of at most `most` bytes; UserError for anything else."""
    size = file_size(path)
    if size > most:
        raise UserError(f"{path}: {size:,} bytes; at most {most:,} are read")
    try:
        with Path(path).open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise UserError(f"{path}: cannot read this file: {error.strerror}") from error


@contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place at the end, so that nobody ever reads half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Writes a text, whole or not at all."""
    with replace_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_table(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    """Writes tab-separated rows for people, whole or not at all; see `spreadsheet_cell`."""
    lines = ("\t".join(spreadsheet_cell(one_line(str(cell))) for cell in row) for row in (header, *rows))
    write_whole(path, "".join(f"{line}\n" for line in lines))


def read_rows(path: Path) -> list[list[str]]:
    """The rows of `write_table`, its apostrophes taken off again."""
    lines = read_limited(path, MOST_BYTES).decode("utf-8", "replace").split("\n")
    return [[plain_cell(cell) for cell in line.split("\t")] for line in lines if line]


def check_output(name: str, path: str, kind: str) -> str:
    """The path that the option `name` gives, with `~` for the home folder read as that; nothing is made there yet.

    Args:
        kind: `folder` or `file`.

    Raises:
        UserError: nothing can be written there.
    """
    if not path.strip():
        raise UserError(f"{name}: is empty; give the path of a {kind}")
    path = os.path.expanduser(path)  # noqa: PTH111
    whole = os.path.abspath(path)  # noqa: PTH100
    if len(whole.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in Path(whole).parts):
        raise UserError(f"{name}: a name of more than {LONGEST_NAME} bytes, or a path of more than {LONGEST_PATH:,}")
    if is_main_process():
        _check_place(name, path, kind)
    return path


def _check_place(name: str, path: str, kind: str) -> None:
    """UserError unless a file or folder of that path can be written or made."""
    if kind == "file" and (os.path.isdir(path) or path.endswith(("/", os.sep))):  # noqa: PTH112
        raise UserError(f"{name}: {path} is a folder; give the path of a file")
    if os.path.lexists(path) and not os.path.exists(path):  # noqa: PTH110
        raise UserError(f"{name}: {path} is a link that leads nowhere")
    if kind == "file" and os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise UserError(f"{name}: {path} is not a file")
    folder = Path(path) if kind == "folder" else Path(path).parent
    if kind == "file" and not folder.is_dir():
        raise UserError(f"{name}: there is no folder {folder}; make it first")
    while not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{name}: {folder} is not a folder")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{name}: nothing can be written in {folder}: {error.strerror}") from error
