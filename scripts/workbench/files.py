"""Files written whole or not at all."""

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Writes beside, then renames, so that nobody ever reads half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_table(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    """Writes tab-separated rows, whole or not at all."""
    write_whole(path, "".join("\t".join(map(str, row)) + "\n" for row in (header, *rows)))
