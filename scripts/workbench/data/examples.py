"""Labelled examples: the cells of a table, cleaned."""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy

from workbench.errors import UserError
from workbench.escapes import one_line

from . import arrow
from .columns import Columns
from .limits import MOST_IN_LABEL, MOST_IN_TEXT
from .tables import ROWS_AT_ONCE, Table, check_unicode

MISSING = frozenset(("", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL"))


@dataclass(frozen=True)
class Examples:
    """Labelled texts, a column each.

    Args:
        texts, pairs: `pyarrow.ChunkedArray` of strings; `pairs` is None where an example is one text.
        labels: (N,) as read, places in `values`; encoded, class ids or numbers.
        values: the different labels as read, in the order in which they come.
        place: what stands before a row's number; it ends in 'line' or 'row'.
        numbers: (N,) lines or rows.
        keys: (N,) equal for texts that differ in white space and case alone; see `number_keys`.
    """

    texts: "pyarrow.ChunkedArray"  # noqa: F821 (imported late: it costs a second)
    pairs: "pyarrow.ChunkedArray | None"  # noqa: F821
    labels: numpy.ndarray
    values: list
    place: str
    numbers: numpy.ndarray
    keys: numpy.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def where(self, row: int) -> str:
        return f"{self.place} {self.numbers[row]}"

    @property
    def firsts(self) -> numpy.ndarray:
        """The first row of each of the `values`, before labels are encoded."""
        return numpy.unique(self.labels, return_index=True)[1]

    @property
    def file(self) -> str:
        return self.place.rpartition(", ")[0]

    def select(self, rows: numpy.ndarray) -> "Examples":
        """The rows of these places, in this order."""
        pairs = None if self.pairs is None else self.pairs.take(rows)
        labels, numbers, keys = self.labels[rows], self.numbers[rows], self.keys[rows]
        return replace(self, texts=self.texts.take(rows), pairs=pairs, labels=labels, numbers=numbers, keys=keys)


def number_keys(splits: dict[str, Examples]) -> dict[str, Examples]:
    """The splits with `keys`: the number of the text among the different ones of all splits, by `text_key`."""
    numbers: dict[str, int] = {}
    numbered = {}
    for name, part in splits.items():
        pairs = [None] * len(part) if part.pairs is None else _cells(part.pairs)
        keys = (text_key(*texts) for texts in zip(_cells(part.texts), pairs, strict=True))
        found = numpy.fromiter((numbers.setdefault(key, len(numbers)) for key in keys), numpy.int64, len(part))
        numbered[name] = replace(part, keys=found)
    return numbered


def _cells(column) -> Iterator[str]:
    for piece in column.chunks:
        yield from arrow.cells(piece, ROWS_AT_ONCE)


def text_key(text: str, pair: str | None = None) -> str:
    """The same for texts that differ in white space and case alone."""
    return "\0".join(" ".join(part.casefold().split()) for part in (text, pair or ""))


def text_of(cell, where: str) -> str:
    """A cell as text without white space around it; '' for a missing one."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if not isinstance(cell, (str, int, float)):
        raise UserError(f"{where}: a text is wanted, not {type(cell).__name__}")
    text = check_unicode(str(cell), where).strip()
    if len(text) > MOST_IN_TEXT:
        raise UserError(f"{where}: a text of {len(text):,} characters; at most {MOST_IN_TEXT:,} are read")
    return text


def label_of(cell, where: str):
    """A cell as a label: text, finite number or truth value; None for a missing one."""
    if isinstance(cell, str):
        cell = check_unicode(cell, where).strip()
        _check_label(cell, where)
        return None if cell in MISSING else cell
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if not isinstance(cell, (int, float)):
        raise UserError(f"{where}: a label is text or a number, not {type(cell).__name__}")
    if isinstance(cell, float) and math.isinf(cell):
        raise UserError(f"{where}: a label that is infinite is no number; leave it out or correct it")
    _check_label(str(cell), where)
    return cell


def _check_label(text: str, where: str) -> None:
    """UserError for what is no name of a class: it is too long, or a text's, or nobody could read it."""
    if len(text) > MOST_IN_LABEL:
        raise UserError(
            f"{where}: a label of {len(text):,} characters; at most {MOST_IN_LABEL} are possible; if this is another "
            "column, name the right one with --label_column"
        )
    control = next((mark for mark in text if unicodedata.category(mark) == "Cc" and not mark.isspace()), None)
    if control is not None:
        raise UserError(f"{where}: the label '{one_line(text)}' has a control character (U+{ord(control):04X}) in it")


def read_examples(table: Table, columns: Columns, ignored: tuple[str, ...], notes: list[str]) -> Examples:
    """The rows that have a text and a label; the others are counted in `notes`.

    Raises:
        UserError: no row is left, or a cell is neither text nor number.
    """
    dropped: Counter[str] = Counter()
    examples = _to_examples(_kept_rows(table, columns, ignored, dropped), table.place, columns.pair is not None)
    told = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "no rows"
    if not len(examples):
        raise UserError(f"{table.path}: no row has both a text and a label ({told}); {columns.describe()}")
    if dropped:
        notes.append(f"{table.path}: {dropped.total():,} row(s) left out: {told}")
    return examples


def _kept_rows(table: Table, columns: Columns, ignored: tuple[str, ...], dropped: Counter) -> Iterator[tuple]:
    """(text, pair, label, number) of the rows that are examples; the others are counted by reason."""
    names = (columns.text, columns.pair or columns.text, columns.label)
    ignored = {name.casefold() for name in ignored}
    for *cells, number in zip(*map(table.cells, names), table.numbers, strict=True):
        text, pair, label = clean_row(*cells, f"{table.place} {number}")
        reason = why_dropped(text, pair, label, ignored)
        if reason:
            dropped[reason] += 1
        else:
            yield text, pair, label, number


def clean_row(text, pair, label, where: str) -> tuple[str, str, object]:
    """A row's cells as `text_of` and `label_of` have them."""
    return text_of(text, where), text_of(pair, where), label_of(label, where)


def why_dropped(text: str, pair: str, label, ignored: set[str]) -> str | None:
    """The part that a row lacks; None if it is an example."""
    if not text:
        return "without a text"
    if not pair:
        return "without a second text"
    if label is None:
        return "without a label"
    return f"labelled '{label}'" if str(label).casefold() in ignored else None


def _to_examples(rows: Iterable[tuple], place: str, has_pair: bool) -> Examples:
    """`Examples` of (text, pair, label, number), of which only a chunk is there as Python's objects at a time."""
    import pyarrow

    # 1, 1.0 and True are equal to Python, but not the same label.
    values: dict[tuple, int] = {}
    texts, pairs, labels, numbers, rows = [], [], [], [], iter(rows)
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        texts.append(pyarrow.array([row[0] for row in chunk], pyarrow.string()))
        if has_pair:
            pairs.append(pyarrow.array([row[1] for row in chunk], pyarrow.string()))
        labels.append(numpy.array([values.setdefault((type(row[2]), row[2]), len(values)) for row in chunk]))
        numbers.append(numpy.array([row[3] for row in chunk]))
    columns = (pyarrow.chunked_array(part, pyarrow.string()) for part in (texts, pairs))
    texts, pairs = next(columns), next(columns) if has_pair else None
    joined = (numpy.concatenate(part or [numpy.empty(0, numpy.int64)]) for part in (labels, numbers))
    return Examples(texts, pairs, next(joined), [label for _, label in values], place, next(joined))
