"""Tables of text as people have them: CSV, TSV with and without quotes, JSON lines, Parquet, a Hub data set."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import UserError

FILE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
HUB_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?")


@dataclass
class Table:
    """Rows with a header, and where each row stands.

    Args:
        path: of the file, or the data set's name.
        header: column names.
        rows: lists of cells, one per column: text, number, truth value or None.
        numbers: line (`unit` "line") or row number of each row, counted from 1.
        class_names: column to the names of its classes, in order, where the file says them (Parquet, Hub).
        notes: sentences about how it was read.
    """

    path: str
    header: list[str]
    rows: list[list]
    numbers: list[int]
    unit: str = "line"
    class_names: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def column(self, name: str) -> list:
        place = self.header.index(name)
        return [row[place] for row in self.rows]

    @property
    def place(self) -> str:
        """What stands before a row's number: 'reviews.csv, line'."""
        return f"{self.path}, {self.unit}"


def read_table(path: str | Path, literal: bool = False, header: tuple[str, ...] | None = None) -> Table:
    """Reads a file by its suffix, or by its first line if the suffix says nothing.

    Args:
        path: CSV (RFC 4180; also with semicolons or tabs), TSV, JSON lines or Parquet.
        literal: a TSV in which quotation marks mean nothing and broken rows happen (GLUE's): these are skipped.
        header: the columns of a file whose first line names none of them.

    Raises:
        UserError: no such file, no text, no rows, a row with too many or too few cells; names the file and the line.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet" and is_there(path):
        from . import arrow

        return _from_arrow(str(path), arrow.read_parquet(str(path)))
    text = read_text(path)
    first = first_line(text)
    if suffix in JSON_SUFFIXES or (suffix not in FILE_SUFFIXES and first.startswith("{")):
        return _read_json(path, text)
    delimiter = _delimiter(first, suffix)
    notes: list[str] = []
    if delimiter != "\t":
        records = _quoted_records(path, text, delimiter)
    else:
        records = _literal_records(text) if literal else _tab_records(path, text, notes)
    table = _with_header(str(path), records, header)
    table.notes = notes
    _check_widths(table, skip=literal)
    return table


def is_there(path: str | Path) -> bool:
    """Whether there is such a file or folder; `Path.exists` raises an error for a name that is too long."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def first_line(text: str) -> str:
    return next((line for line in re.split(r"[\r\n]+", text[:1_000_000]) if line.strip()), "")


def read_text(path: str | Path) -> str:
    """The whole file as text, without a byte order mark; UserError names the line of a byte that is no UTF-8."""
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot read this file: {error.strerror}") from error
    return decode_text(content, path, f" '{path}' > utf8{Path(path).suffix}")


def decode_text(content: bytes, path: str | Path, command: str = "") -> str:
    """`read_text` for the content of `path`, perhaps 'standard input'; `command` follows the hint how to convert it."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: UTF-16, not UTF-8; convert it: iconv -f UTF-16 -t UTF-8{command}")
    if b"\0" in content:
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: a NUL byte; this is no text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = error.start - content.rfind(b"\n", 0, error.start)
        raise UserError(
            f"{path}, line {line}: not UTF-8 at its byte {byte} (0x{content[error.start]:02x}); if it is Latin-1, "
            f"convert it: iconv -f LATIN1 -t UTF-8{command}"
        ) from error


def check_unicode(text: str, where: str) -> str:
    """The text; UserError for half of a surrogate pair, as JSON can spell it and Python makes it of a stray byte."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise UserError(f"{where}: no valid Unicode at character {error.start + 1} of a text (U+{code:04X})") from error
    return text


def split_lines(text: str) -> list[str]:
    """The lines as editors count them; unlike `str.splitlines`, a form feed or U+2028 in a text ends no line."""
    return re.split(r"\r\n|\n|\r", text)


def json_objects(path: str | Path, text: str) -> Iterator[tuple[int, dict]]:
    """(line, object) of JSON lines; UserError names the line that is no object."""
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            hint = "" if not line.lstrip().startswith("[") else " (one object per line, no list around them)"
            raise UserError(f"{path}, line {number}: not a JSON object: {error}{hint}") from error
        except (ValueError, RecursionError) as error:
            # More digits than Python makes a number of, or lists in lists by the thousand.
            raise UserError(f"{path}, line {number}: cannot read this JSON: {str(error).split(';')[0]}") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: not a JSON object but {type(row).__name__}; one object per line")
        yield number, row


def _read_json(path: str | Path, text: str) -> Table:
    objects = list(json_objects(path, text))
    if not objects:
        raise UserError(f"{path}: an empty file")
    header = list(dict.fromkeys(check_unicode(name, f"{path}, line {line}") for line, row in objects for name in row))
    rows = [[row.get(name) for name in header] for _, row in objects]
    return Table(str(path), header, rows, [number for number, _ in objects])


def _delimiter(first: str, suffix: str) -> str:
    """Tab for .tsv; for the others what the first line has most of, the comma if in doubt."""
    if suffix in (".tsv", ".tab"):
        return "\t"
    return max(",;\t", key=first.count)


def _literal_records(text: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of a tab-separated file whose quotation marks are part of the text."""
    lines = text.split("\n") if "\n" in text else text.split("\r")
    return [
        (number, line.removesuffix("\r").split("\t")) for number, line in enumerate(lines, start=1) if line.strip("\r ")
    ]


def _quoted_records(path: str | Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """(first line, cells) as RFC 4180 has it; UserError where a quoted cell does not end or goes on behind its end."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records, start = [], 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                records.append((start, cells))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f'{path}, line {start}: a quoted cell that does not end as it should ({error}); write a " inside of '
            'quotes as ""'
        ) from error
    return records


def _tab_records(path: str | Path, text: str, notes: list[str]) -> list[tuple[int, list[str]]]:
    """Rows of a TSV, its quotes honoured only if they are the only way to read it or change no row.

    A stray quotation mark at the start of a cell must not swallow the rows up to the next one: where every line by
    itself has as many cells as the header, cells that go over several lines are not believed.
    """
    literal = _literal_records(text)
    if not any(cell.startswith('"') for _, cells in literal for cell in cells):
        return literal
    try:
        quoted = _quoted_records(path, text, "\t")
    except UserError:
        quoted = []
    if _is_even(quoted) and (len(quoted) == len(literal) or not _is_even(literal)):
        notes.append(f"{path}: quoted cells are read without their quotation marks")
        return quoted
    notes.append(f"{path}: quotation marks are read as part of the text")
    return literal


def _is_even(records: list[tuple[int, list[str]]]) -> bool:
    return bool(records) and len({len(cells) for _, cells in records}) == 1


def _with_header(path: str, records: list[tuple[int, list[str]]], header: tuple[str, ...] | None) -> Table:
    if not records:
        raise UserError(f"{path}: an empty file")
    names = [cell.strip() for cell in records[0][1]]
    known = {name.casefold() for name in header or ()}
    if header and len(names) == len(header) and not known & {name.casefold() for name in names}:
        names = list(header)
    else:
        records = records[1:]
    # pandas writes its index as a column without a name.
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    _check_names(f"{path}, line 1", names)
    return Table(path, names, [cells for _, cells in records], [number for number, _ in records])


def _check_names(where: str, names: list[str]) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"{where}: the column '{twice[0]}' is there more than once")


def _check_widths(table: Table, skip: bool) -> None:
    """Every row has a cell per column; other rows are skipped and counted, or refused."""
    if not table.rows:
        raise UserError(f"{table.path}: a header ({', '.join(table.header)[:80]}), but no rows")
    width = len(table.header)
    broken = [place for place, row in enumerate(table.rows) if len(row) != width]
    if not broken:
        return
    first = broken[0]
    if not skip:
        raise UserError(
            f"{table.place} {table.numbers[first]}: {len(table.rows[first])} cell(s), the header has {width} "
            f"({', '.join(table.header)[:80]}); quote a cell with delimiters, quotes or line breaks in it"
        )
    table.notes.append(
        f"{table.path}: {len(broken)} broken row(s) skipped, the first in line {table.numbers[first]}: "
        f"{len(table.rows[first])} cell(s), not {width}"
    )
    keep = [place for place, row in enumerate(table.rows) if len(row) == width]
    table.rows, table.numbers = [table.rows[place] for place in keep], [table.numbers[place] for place in keep]


def _from_arrow(path: str, content) -> Table:
    """A `pyarrow.Table`, class numbers replaced by their names where the schema says them, a negative one by None."""
    from . import arrow

    _check_names(path, content.column_names)
    notes: list[str] = []
    rows, names = arrow.to_rows(path, content, notes)
    return Table(path, content.column_names, rows, list(range(1, len(rows) + 1)), "row", names, notes)


def is_hub_name(name: str) -> bool:
    """Whether this can only be a data set on the Hub: 'owner/name' or 'owner/name:configuration', and no file."""
    path = Path(name)
    return not is_there(path) and path.suffix.lower() not in FILE_SUFFIXES and bool(HUB_NAME.fullmatch(name))


def load_hub(name: str, config: str | None = None, hint: str = "") -> dict[str, Table]:
    """All splits of a data set on the Hub; UserError with the first line of what went wrong.

    Args:
        name: 'owner/name' or 'owner/name:configuration'.
        hint: what the error says behind the Hub's reason.
    """
    from datasets import load_dataset

    repository, named_config = HUB_NAME.fullmatch(name).groups()
    try:
        loaded = load_dataset(repository, config or named_config)
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{name}: the Hub did not give this data set: {reason}{hint}") from error
    return {
        split: _from_arrow(f"{name} ({split})", dataset.with_format("arrow")[:]) for split, dataset in loaded.items()
    }
