"""Files written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    """Writes tab-separated rows, whole or not at all."""
    write_whole(path, "".join("\t".join(map(str, row)) + "\n" for row in (header, *rows)))
