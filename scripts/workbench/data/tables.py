"""Tables of text as people have them: CSV, TSV with and without quotes, JSON lines, Parquet, a Hub data set."""

import csv
import itertools
import json
import re
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import UserError

FILE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
ROWS_AT_ONCE = 10_000
LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|\Z)")
HUB_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w.-]+))?")


@dataclass
class Table:
    """Columns with their names, and where each row stands.

    Args:
        path: of the file, or the data set's name.
        header: column names.
        columns: of each column the pieces, one behind the other: `pyarrow` arrays, or lists where cells are of several
            types (text, number, truth value or None).
        numbers: line (`unit` "line") or row number of each row, counted from 1.
        class_names: column to the names of its classes, in order, where the file says them (Parquet, Hub).
        notes: sentences about how it was read.
    """

    path: str
    header: list[str]
    columns: list[list]
    numbers: Sequence[int]
    unit: str = "line"
    class_names: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)

    def cells(self, name: str) -> Iterator:
        """The column's cells, of which no more than a piece is unpacked at a time."""
        from . import arrow

        for piece in self.columns[self.header.index(name)]:
            yield from arrow.cells(piece, ROWS_AT_ONCE)

    def column(self, name: str) -> list:
        return list(self.cells(name))

    @property
    def place(self) -> str:
        """The words before a row's number: 'reviews.csv, line'."""
        return f"{self.path}, {self.unit}"


def read_table(
    path: str | Path, literal: bool = False, name_columns: Callable | None = None, spaces: bool = False
) -> Table:
    """Reads a file by its suffix, or by its first line if the suffix says nothing.

    Args:
        path: CSV (RFC 4180; also with semicolons or tabs), TSV, JSON lines or Parquet.
        literal: a TSV in which quotation marks mean nothing and broken rows happen (GLUE's): these are skipped.
        name_columns: from the first line's cells, the columns' names where it names none; None if it does.
        spaces: whether a space separates the cells where nothing else does in the first line.

    Raises:
        UserError: no such file, no text, no rows, a row with too many or too few cells; names the file and the line.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet" and is_there(path):
        from . import arrow

        return from_arrow(str(path), arrow.read_parquet(str(path)))
    text = read_text(path)
    first = first_line(text)
    if suffix in JSON_SUFFIXES or (suffix not in FILE_SUFFIXES and first.startswith("{")):
        return _read_json(path, text)
    delimiter = " " if spaces and not re.search("[,;\t]", first) else _delimiter(first, suffix)
    notes: list[str] = []
    if delimiter == "\t" and not literal:
        records = _tab_records(path, text, notes)
    else:
        is_literal = delimiter in "\t "
        records = _literal_records(text, delimiter) if is_literal else _quoted_records(path, text, delimiter)
    names, records = _take_header(str(path), records, name_columns)
    return _from_records(str(path), names, records, literal, notes)


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
    return list(lines_of(text))


def lines_of(text: str) -> Iterator[str]:
    """`split_lines`, one after the other."""
    for line in LINE.finditer(text):
        yield line[1]
        if not line[2]:
            return


def json_objects(path: str | Path, text: str) -> Iterator[tuple[int, dict]]:
    """(line, object) of JSON lines; UserError names the line that is no object."""
    for number, line in enumerate(lines_of(text), start=1):
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
    """Each name that any object has is a column; None where an object has it not."""
    columns: dict[str, list] = {}
    numbers = array("q")
    objects = json_objects(path, text)
    while rows := list(itertools.islice(objects, ROWS_AT_ONCE)):
        names = dict.fromkeys(check_unicode(name, f"{path}, line {line}") for line, row in rows for name in row)
        for name in names:
            columns.setdefault(name, [[None] * len(numbers)] if numbers else [])
        for name, pieces in columns.items():
            pieces.append(_packed([row.get(name) for _, row in rows]))
        numbers.extend(line for line, _ in rows)
    if not numbers:
        raise UserError(f"{path}: an empty file")
    return Table(str(path), list(columns), list(columns.values()), numbers)


def _packed(cells: Sequence):
    """An Arrow array of cells that are texts or None; others stay as they are."""
    import pyarrow

    try:
        return pyarrow.array(cells, pyarrow.string())
    except (pyarrow.ArrowException, UnicodeEncodeError):
        return cells


def _delimiter(first: str, suffix: str) -> str:
    """Tab for .tsv; for the others what the first line has most of, the comma if in doubt."""
    if suffix in (".tsv", ".tab"):
        return "\t"
    return max(",;\t", key=first.count)


def _literal_records(text: str, delimiter: str = "\t") -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a file whose quotation marks are part of the text."""
    for number, line in enumerate(re.finditer(rf"([^{_line_end(text)}]*)(?:{_line_end(text)}|\Z)", text), start=1):
        if line[1].strip("\r "):
            yield number, line[1].removesuffix("\r").split(None if delimiter == " " else delimiter)


def _line_end(text: str) -> str:
    return "\n" if "\n" in text else "\r"


def _quoted_records(path: str | Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) as RFC 4180 has it; UserError where a quoted cell does not end or goes on behind its end."""
    csv.field_size_limit(sys.maxsize)
    lines = (line[0] for line in LINE.finditer(text) if line[0])
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f'{path}, line {start}: a quoted cell that does not end as it should ({error}); write a " inside of '
            'quotes as ""'
        ) from error


def _tab_records(path: str | Path, text: str, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows of a TSV, its quotes honoured only if they are the only way to read it or change no row.

    A stray quotation mark at the start of a cell must not swallow the rows up to the next one: where every line by
    itself has as many cells as the header, cells that go over several lines are not believed.
    """
    if not (text.startswith('"') or '\t"' in text or f'{_line_end(text)}"' in text):
        return _literal_records(text)
    literal_rows, literal_widths = _shape(_literal_records(text))
    try:
        rows, widths = _shape(_quoted_records(path, text, "\t"))
    except UserError:
        rows, widths = 0, set()
    if len(widths) == 1 and (rows == literal_rows or len(literal_widths) != 1):
        notes.append(f"{path}: quoted cells are read without their quotation marks")
        return _quoted_records(path, text, "\t")
    notes.append(f"{path}: quotation marks are read as part of the text")
    return _literal_records(text)


def _shape(records: Iterable[tuple[int, list[str]]]) -> tuple[int, set[int]]:
    """How many records there are, and the different numbers of cells in one."""
    rows, widths = 0, set()
    for _, cells in records:
        rows += 1
        widths.add(len(cells))
    return rows, widths


def _take_header(path: str, records: Iterator, name_columns: Callable | None) -> tuple[list[str], Iterator]:
    """The names of the columns, and the records that are rows."""
    first = next(records, None)
    if first is None:
        raise UserError(f"{path}: an empty file")
    names = [cell.strip() for cell in first[1]]
    given = name_columns(names) if name_columns else None
    if given:
        names, records = given, itertools.chain([first], records)
    # pandas writes its index as a column without a name.
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    _check_names(f"{path}, line 1", names)
    return names, records


def _check_names(where: str, names: list[str]) -> None:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"{where}: the column '{twice[0]}' is there more than once")


def _from_records(path: str, header: list[str], records: Iterator, skip: bool, notes: list[str]) -> Table:
    """The rows that have a cell per column; others are skipped and counted, or refused."""
    width, numbers, columns = len(header), array("q"), [[] for _ in header]
    broken: list[tuple[int, int]] = []
    while chunk := list(itertools.islice(records, ROWS_AT_ONCE)):
        broken += [(number, len(cells)) for number, cells in chunk if len(cells) != width]
        if broken and not skip:
            number, count = broken[0]
            first = "first line" if header[0] == "1" else "header"
            raise UserError(
                f"{path}, line {number}: {count} cell(s), the {first} has {width} ({', '.join(header)[:80]}); quote a "
                "cell with delimiters, quotes or line breaks in it"
            )
        rows = [(number, cells) for number, cells in chunk if len(cells) == width]
        numbers.extend(number for number, _ in rows)
        for place, pieces in enumerate(columns):
            pieces.append(_packed([cells[place] for _, cells in rows]))
    if not numbers and not broken:
        raise UserError(f"{path}: a header ({', '.join(header)[:80]}), but no rows")
    if broken:
        number, count = broken[0]
        notes.append(
            f"{path}: {len(broken)} broken row(s) skipped, the first in line {number}: {count} cell(s), not {width}"
        )
    return Table(path, header, columns, numbers, notes=notes)


def from_arrow(path: str, content) -> Table:
    """A `pyarrow.Table`, class numbers replaced by their names where the schema says them, a negative one by None."""
    from . import arrow

    _check_names(path, content.column_names)
    notes: list[str] = []
    columns, names = arrow.to_columns(path, content, notes)
    return Table(path, content.column_names, columns, range(1, len(content) + 1), "row", names, notes)


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
        split: from_arrow(f"{name} ({split})", dataset.with_format("arrow")[:]) for split, dataset in loaded.items()
    }
