# The same as spaces/classifier/reading.py
"""The texts that a visitor types, pastes or uploads."""

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

MAX_CHARACTERS, MAX_TOTAL, MAX_TEXTS = 5_000, 1_000_000, 2_000
# What files call their texts and labels; the first that is there is taken.
# The same as scripts/workbench/data/columns.py
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("query", "passage"),
    ("text", "pair"),
)
# The same as scripts/workbench/data/columns.py
TEXT_NAMES = (
    "text sentence content review tweet comment message document body utterance title headline description question "
    "sms post abstract query input"
).split()
# The same as scripts/workbench/data/columns.py
LABEL_NAMES = (
    "label labels class category target sentiment gold_label polarity topic emotion intent stance score rating stars y"
).split()


class InputError(ValueError):
    """An input that cannot be classified; the message is for the visitor."""


class Example(NamedTuple):
    """A text, or two; perhaps with the label that a file gives it."""

    text: str
    pair: str | None = None
    label: str | None = None


def clean(text: str) -> str:
    """Without what no tokenizer reads: a lone surrogate becomes "?"."""
    return text.encode("utf-8", "replace").decode()


def read_typed(text: str | None, pair: str | None) -> Example:
    """One example; InputError if there is no text, or too much."""
    text, pair = text or "", pair or ""
    if max(len(text), len(pair)) > MAX_CHARACTERS:
        raise InputError(f"{max(len(text), len(pair)):,} characters; at most {MAX_CHARACTERS:,} are possible.")
    if not text.strip():
        raise InputError("Please type a text.")
    return Example(clean(text), clean(pair) if pair.strip() else None)


def read_lines(text: str | None) -> list[Example]:
    """A text per line, or two with a tab between; blank lines are skipped."""
    if len(text or "") > MAX_TOTAL:
        raise InputError(f"{len(text):,} characters; at most {MAX_TOTAL:,} are possible. Please split them.")
    lines = [line.partition("\t") for line in re.split(r"\r\n|\r|\n", clean(text or ""))]
    return bounded([Example(first.strip(), second.strip() if tab else None) for first, tab, second in lines])


def read_file(path: str, label_column: str = "") -> list[Example]:
    """The texts of a CSV or TSV file with a header, with their labels, or the lines of another.

    Args:
        label_column: as the visitor names it; if empty, found by the usual names.

    Raises:
        InputError: says what is wrong with the file.
    """
    size = Path(path).stat().st_size
    if size > MAX_TOTAL:
        raise InputError(f"The file has {size:,} bytes; at most {MAX_TOTAL:,} are possible. Please split it.")
    content = Path(path).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"Line {line} of the file is not UTF-8 text. Please save the file as UTF-8.") from error
    suffix = Path(path).suffix.lower()
    if suffix in (".csv", ".tsv"):
        return bounded(read_table(text, suffix, label_column.strip()))
    if label_column.strip():
        raise InputError(
            "Plain lines have no columns. Please leave the label column empty, or choose a CSV or TSV file."
        )
    return read_lines(text)


def read_table(text: str, suffix: str, label_column: str) -> list[Example]:
    """The rows of a table; its header tells the columns, and a CSV's header what stands between them."""
    header = text.lstrip().partition("\n")[0]
    delimiter = "\t" if suffix == ".tsv" else max(",;\t", key=header.count)
    rows = read_tabs(text) if delimiter == "\t" else read_rows(text, delimiter, csv.QUOTE_MINIMAL)
    names = [name.strip() for name in rows[0]] if rows else []
    label = require(names, label_column) if label_column else None
    texts = find_columns([name for name in names if name != label])
    label = label or find_label([name for name in names if name not in texts])
    columns = dict(zip(Example._fields, texts, strict=False)) | ({"label": label} if label else {})
    places = {field: names.index(column) for field, column in columns.items()}
    return [
        Example(**{field: row[place].strip() if place < len(row) else "" for field, place in places.items()})
        for row in rows[1:]
    ]


def require(header: list[str], name: str) -> str:
    """The column of that name, in any case; InputError lists those that there are."""
    found = next((column for column in header if column.casefold() == name.casefold()), None)
    if found is None:
        raise InputError(f"The file has no column '{name[:100]}'; there are {', '.join(header)[:200] or 'none'}.")
    return found


def find_label(header: list[str]) -> str | None:
    """The column of labels by the usual names; None if there is none."""
    by_case = {name.casefold(): name for name in reversed(header)}
    return next((by_case[name] for name in LABEL_NAMES if name in by_case), None)


def read_rows(text: str, delimiter: str, quoting: int) -> list[list[str]]:
    """The cells of the rows that are not blank; InputError names the line of a quoted cell that does not end."""
    csv.field_size_limit(MAX_TOTAL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    rows, start = [], 1
    try:
        for row in reader:
            rows.append(row)
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"The row that begins in line {start} of the file: {error}.") from error
    return [row for row in rows if any(cell.strip() for cell in row)]


def read_tabs(text: str) -> list[list[str]]:
    """A TSV's rows, its quotes honoured only if they change no row, or if all else fails (GLUE's are text)."""
    literal = read_rows(text, "\t", csv.QUOTE_NONE)
    try:
        quoted = read_rows(text, "\t", csv.QUOTE_MINIMAL)
    except InputError:
        return literal
    is_even, was_even = (len({len(row) for row in rows}) == 1 for rows in (quoted, literal))
    return quoted if is_even and (len(quoted) == len(literal) or not was_even) else literal


def find_columns(header: list[str]) -> tuple[str, ...]:
    """The column of texts, or the two of pairs."""
    by_case = {name.strip().casefold(): name for name in header}
    known = [*PAIR_NAMES, *((name,) for name in TEXT_NAMES)]
    found = next((names for names in known if all(name in by_case for name in names)), None)
    if found:
        return tuple(by_case[name] for name in found)
    others = [name for name in header if name and name.casefold() not in LABEL_NAMES] or header
    if len(others) == 1:
        return (others[0],)
    raise InputError(
        f"No column of the file looks like the texts; there are {', '.join(header)[:200] or 'none'}. Please call it "
        "text (and a second one pair); the first line must name the columns."
    )


def bounded(examples: list[Example]) -> list[Example]:
    """Those that have a text; InputError if there are none, or too many."""
    examples = [example for example in examples if example.text]
    if not examples:
        raise InputError("There are no texts. Please paste some, one per line, or choose a file that is not empty.")
    if len(examples) > MAX_TEXTS:
        raise InputError(f"{len(examples):,} texts; at most {MAX_TEXTS:,} are possible at once. Please split them.")
    return examples
