"""Labelled examples: the cells of a table, cleaned."""

import math
from collections import Counter
from typing import NamedTuple

from workbench.errors import UserError

from .columns import Columns
from .tables import Table, check_unicode

MISSING = frozenset(("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL"))


class Example(NamedTuple):
    """A text, perhaps its pair, its label, and the row that it came from (`place` ends in 'line' or 'row')."""

    text: str
    pair: str | None
    label: object
    place: str
    number: int

    @property
    def where(self) -> str:
        return f"{self.place} {self.number}"

    @property
    def key(self) -> str:
        return text_key(self.text, self.pair)


def text_key(text: str, pair: str | None) -> str:
    """The same for texts that differ in white space and case alone."""
    return "\0".join(" ".join(part.casefold().split()) for part in (text, pair or ""))


def text_of(cell, where: str) -> str:
    """A cell as text without white space around it; '' for a missing one."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, (str, int, float)):
        raise UserError(f"{where}: a text is wanted, not {type(cell).__name__}")
    return check_unicode(str(cell), where).strip()


def label_of(cell, where: str):
    """A cell as a label: text, number or truth value; None for a missing one."""
    if isinstance(cell, str):
        cell = check_unicode(cell, where).strip()
        return None if cell in MISSING else cell
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if not isinstance(cell, (int, float)):
        raise UserError(f"{where}: a label is text or a number, not {type(cell).__name__}")
    return cell


def read_examples(table: Table, columns: Columns, ignored: tuple[str, ...], notes: list[str]) -> list[Example]:
    """The rows that have a text and a label; the others are counted in `notes`.

    Raises:
        UserError: no row is left, or a cell is neither text nor number.
    """
    wanted = [columns.text, columns.pair or columns.text, columns.label]
    cells = zip(*(table.column(name) for name in wanted), table.numbers, strict=True)
    ignored = {name.casefold() for name in ignored}
    kept: list[Example] = []
    dropped: Counter[str] = Counter()
    for text, pair, label, number in cells:
        where = f"{table.place} {number}"
        text, pair, label = text_of(text, where), text_of(pair, where), label_of(label, where)
        if not text:
            dropped["without a text"] += 1
        elif not pair:
            dropped["without a second text"] += 1
        elif label is None:
            dropped["without a label"] += 1
        elif str(label).casefold() in ignored:
            dropped[f"labelled '{label}'"] += 1
        else:
            kept.append(Example(text, pair if columns.pair else None, label, table.place, number))
    told = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "no rows"
    if not kept:
        raise UserError(f"{table.path}: no row has both a text and a label ({told}); {columns.describe()}")
    if dropped:
        notes.append(f"{table.path}: {dropped.total():,} row(s) left out: {told}")
    return kept
