"""What is read of a table at most, so that a stranger's file takes bounded time and memory."""

from collections import Counter
from collections.abc import Sequence

from workbench.errors import UserError
from workbench.files import MOST_BYTES

MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 10_000_000, 2_000, 200_000_000
MOST_IN_LINE = 16_000_000  # bytes, and characters of a cell
MOST_IN_NAME = 200  # characters of a column's name
MOST_IN_TEXT = 1_000_000  # characters
MOST_IN_LABEL = 500  # characters
MOST_CLASSES = 2_000


def check_size(where: str, rows: int = 0, columns: int = 0, size: int = 0) -> None:
    """UserError for more rows, columns, cells or bytes than are read of a table."""
    for count, most, unit in (
        (size, MOST_BYTES, "bytes"),
        (rows, MOST_ROWS, "rows"),
        (columns, MOST_COLUMNS, "columns"),
        (rows * columns, MOST_CELLS, "cells"),
    ):
        if count > most:
            raise UserError(
                f"{where}: {count:,} {unit} or more; at most {most:,} are read of a table; give a part of it"
            )


def check_names(where: str, names: Sequence[str]) -> None:
    """UserError for a header with too many columns, one of them twice, or a name that is too long."""
    check_size(where, columns=len(names))
    for name in names:
        check_name(where, name)
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise UserError(f"{where}: the column '{twice}' is there more than once")


def check_name(where: str, name: str) -> None:
    if len(name) > MOST_IN_NAME:
        raise UserError(f"{where}: a column's name of {len(name):,} characters ('{name[:40]}…'); is this the header?")
