"""Tables of text as people have them: CSV, TSV with and without quotes, JSON lines, Parquet, a Hub data set."""

import csv
import itertools
import json
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from workbench.errors import UserError
from workbench.files import file_size

from .limits import MOST_IN_LINE, check_name, check_names, check_size

FILE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
ROWS_AT_ONCE = 10_000
LINE = 16_000_000  # bytes, and characters of a cell
MOST_IN_NAME = 200  # characters of a column's name
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
    check_unicode(str(path), "the name of a file")
    check_size(str(path), size=file_size(path))
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        from . import arrow

        return from_arrow(str(path), arrow.read_parquet(str(path)))
    first = first_line(path)
    if suffix in JSON_SUFFIXES or (suffix not in FILE_SUFFIXES and first.startswith("{")):
        return _read_json(path)
    delimiter = " " if spaces and not re.search("[,;\t]", first) else _delimiter(first, suffix)
    notes: list[str] = []
    if delimiter == "\t" and not literal:
        records = _tab_records(path, notes)
    else:
        is_literal = delimiter in "\t "
        records = _literal_records(path, delimiter) if is_literal else _quoted_records(path, delimiter, notes)
    names, records = _take_header(str(path), records, name_columns)
    return _from_records(str(path), names, records, literal, notes)


def is_there(path: str | Path) -> bool:
    """Whether there is such a file or folder; `Path.exists` raises an error for a name that is too long."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def first_line(path: str | Path) -> str:
    """The first line of a file that is not blank."""
    return next((line for line in read_lines(path) if line.strip()), "")


def read_lines(path: str | Path) -> Iterator[str]:
    """The lines of a text file as editors count them, without their ends; see `decode_lines`."""
    return lines_of(_decoded(path))


def _decoded(path: str | Path) -> Iterator[str]:
    file_size(path)
    try:
        with Path(path).open("rb") as file:
            yield from decode_lines(file, path, f" '{path}' > utf8{Path(path).suffix}")
    except OSError as error:
        raise UserError(f"{path}: cannot read this file: {error.strerror}") from error


def decode_lines(stream: BinaryIO, path: str | Path, command: str = "") -> Iterator[str]:
    """What stands before each line feed, with that, one after the other and without a byte order mark.

    Args:
        path: of the stream, perhaps 'standard input', for errors.
        command: follows the hint how to convert it.

    Raises:
        UserError: names the line that has a byte that is no UTF-8, or NUL, or is too long.
    """
    for number in itertools.count(1):
        content = stream.readline(MOST_IN_LINE + 1)
        if not content:
            return
        if number == 1 and content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UserError(f"{path}: UTF-16, not UTF-8; convert it: iconv -f UTF-16 -t UTF-8{command}")
        if b"\0" in content:
            raise UserError(f"{path}, line {number}: a NUL byte; this is no text file")
        if len(content) > MOST_IN_LINE:
            raise UserError(f"{path}, line {number}: longer than {MOST_IN_LINE:,} bytes; this is no line of text")
        try:
            yield content.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{path}, line {number}: not UTF-8 at its byte {error.start + 1} (0x{content[error.start]:02x}); if it "
                f"is Latin-1, convert it: iconv -f LATIN1 -t UTF-8{command}"
            ) from error


def check_unicode(text: str, where: str) -> str:
    """The text; UserError for half of a surrogate pair, as JSON can spell it and Python makes it of a stray byte."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise UserError(f"{where}: no valid Unicode at character {error.start + 1} of a text (U+{code:04X})") from error
    return text


def lines_of(decoded: Iterable[str]) -> Iterator[str]:
    """The lines without their ends; unlike `str.splitlines`, a form feed or U+2028 in a text ends no line."""
    for part in decoded:
        for line in LINE.finditer(part):
            if line[0]:
                yield line[1]


def json_objects(path: str | Path) -> Iterator[tuple[int, dict]]:
    """(line, object) of JSON lines; UserError names the line that is no object."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object, parse_constant=_constant)
        except json.JSONDecodeError as error:
            hint = "" if not line.lstrip().startswith("[") else " (one object per line, no list around them)"
            raise UserError(f"{path}, line {number}: not a JSON object: {error}{hint}") from error
        except (ValueError, RecursionError) as error:
            # More digits than Python makes a number of, or lists in lists by the thousand.
            raise UserError(f"{path}, line {number}: cannot read this JSON: {str(error).split(';')[0]}") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: not a JSON object but {type(row).__name__}; one object per line")
        yield number, row


def _object(pairs: list[tuple[str, object]]) -> dict:
    """The dictionary of a JSON object; ValueError for a name that comes twice, of which one would be lost."""
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name in members if sum(name == other for other, _ in pairs) > 1)
        raise ValueError(f"the name '{twice[:60]}' is there more than once in an object")
    return members


def _constant(name: str) -> float:
    """NaN, as pandas writes a missing number; ValueError for an infinite one."""
    if name != "NaN":
        raise ValueError(f"{name} is no number")
    return float("nan")


def _read_json(path: str | Path) -> Table:
    """Each name that any object has is a column; None where an object has it not."""
    columns: dict[str, list] = {}
    numbers = array("q")
    objects = ((line, {name: _flat(cell) for name, cell in row.items()}) for line, row in json_objects(path))
    while rows := list(itertools.islice(objects, ROWS_AT_ONCE)):
        for name, line in _first_lines(rows).items():
            if name not in columns:
                check_name(f"{path}, line {line}", check_unicode(name, f"{path}, line {line}"))
                columns[name] = [[None] * len(numbers)] if numbers else []
        check_size(str(path), len(numbers) + len(rows), len(columns))
        for name, pieces in columns.items():
            pieces.append(_packed([row.get(name) for _, row in rows]))
        numbers.extend(line for line, _ in rows)
    if not numbers:
        raise UserError(f"{path}: an empty file")
    return Table(str(path), name_all(str(path), list(columns)), list(columns.values()), numbers)


def _first_lines(rows: list[tuple[int, dict]]) -> dict[str, int]:
    """Each name in the objects, in the order in which they come, with its first line."""
    lines: dict[str, int] = {}
    for line, row in rows:
        for name in row:
            lines.setdefault(name, line)
    return lines


def _flat(cell):
    """The cell; of a list or an object, which is neither text nor label, an empty one."""
    return type(cell)() if isinstance(cell, (list, dict)) else cell


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


def _literal_records(path: str | Path, delimiter: str = "\t") -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a file whose quotation marks are part of the text; a lone CR ends a line if no LF does."""
    parts = _decoded(path)
    first = next(parts, "")
    parts = itertools.chain([first], parts)
    lines = (line.removesuffix("\n") for line in parts) if first.endswith("\n") else lines_of(parts)
    for number, line in enumerate(lines, start=1):
        if line.strip("\r "):
            yield number, line.removesuffix("\r").split(None if delimiter == " " else delimiter)


def _quoted_records(
    path: str | Path, delimiter: str, notes: list[str] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) as RFC 4180 has it; UserError where a quoted cell does not end or goes on behind its end.

    Args:
        notes: gets a sentence about cells of several lines, as a stray quotation mark makes them.
    """
    csv.field_size_limit(MOST_IN_LINE)
    lines = (line[0] for part in _decoded(path) for line in LINE.finditer(part) if line[0])
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start, several, longest = 1, 0, (1, 1)
    try:
        for cells in reader:
            if reader.line_num > start:
                several += 1
                longest = max(longest, (start, reader.line_num), key=lambda lines: lines[1] - lines[0])
            if any(cell.strip() for cell in cells):
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f'{path}, line {start}: a quoted cell that does not end as it should ({error}); write a " inside of '
            'quotes as ""'
        ) from error
    if several and notes is not None:
        first, last = longest
        notes.append(
            f"{path}: {several:,} row(s) go over several lines, the longest from line {first} to {last}; if a "
            f'quotation mark is stray there, {last - first} row(s) are lost in a cell: write it as ""'
        )


def _tab_records(path: str | Path, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Rows of a TSV, its quotes honoured only if they are the only way to read it or change no row.

    A stray quotation mark at the start of a cell must not swallow the rows up to the next one: where every line by
    itself has as many cells as the header, cells that go over several lines are not believed.
    """
    if not any(line.startswith('"') or '\t"' in line for line in read_lines(path)):
        return _literal_records(path)
    literal_rows, literal_widths = _shape(_literal_records(path))
    try:
        rows, widths = _shape(_quoted_records(path, "\t"))
    except UserError:
        rows, widths = 0, set()
    if len(widths) == 1 and (rows == literal_rows or len(literal_widths) != 1):
        notes.append(f"{path}: quoted cells are read without their quotation marks")
        return _quoted_records(path, "\t", notes)
    notes.append(f"{path}: quotation marks are read as part of the text")
    return _literal_records(path)


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
    return name_all(f"{path}, line 1", names), records


def name_all(where: str, names: Sequence[str]) -> list[str]:
    """The names, with one for a column that has none, as pandas writes its index; UserError as `check_names` has it."""
    named = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    check_names(where, named)
    return named


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
        check_size(path, len(numbers) + len(rows), width)
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

    header = name_all(path, content.column_names)
    notes: list[str] = []
    # Renaming loses what the schema says of the columns.
    content = content if header == content.column_names else content.rename_columns(header)
    columns, names = arrow.to_columns(path, content, notes)
    return Table(path, header, columns, range(1, len(content) + 1), "row", names, notes)


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
    tables = {}
    for split, dataset in loaded.items():
        check_size(f"{name} ({split})", len(dataset), len(dataset.column_names))
        tables[split] = from_arrow(f"{name} ({split})", dataset.with_format("arrow")[:])
    return tables
