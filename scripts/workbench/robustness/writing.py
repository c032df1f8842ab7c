"""Tables written as they were read: CSV, TSV, JSON lines or Parquet, by the file's suffix."""

import csv
import io
import json
from pathlib import Path

from workbench.data.tables import JSON_SUFFIXES
from workbench.errors import UserError
from workbench.files import replace_whole, write_whole

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
SUFFIXES = (*DELIMITERS, *JSON_SUFFIXES, ".parquet")


def check_suffix(path: Path) -> None:
    """UserError for a name that tells no kind of table."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: what kind of table? Its name must end with one of {', '.join(SUFFIXES)}")


def write_columns(path: Path, columns: dict[str, list]) -> None:
    """Writes columns of equal length, whole or not at all."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        _write_parquet(path, columns)
    elif suffix in JSON_SUFFIXES:
        rows = (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))
        write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        content = io.StringIO()
        writer = csv.writer(content, delimiter=DELIMITERS[suffix], lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        write_whole(path, content.getvalue())


def _write_parquet(path: Path, columns: dict[str, list]) -> None:
    """Cells of several types in one column become texts."""
    import pyarrow
    from pyarrow import parquet

    arrays = {}
    for name, cells in columns.items():
        try:
            arrays[name] = pyarrow.array(cells)
        except pyarrow.ArrowException:
            arrays[name] = pyarrow.array([None if cell is None else str(cell) for cell in cells])
    with replace_whole(path) as beside:
        parquet.write_table(pyarrow.table(arrays), beside)
