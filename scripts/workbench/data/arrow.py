"""Columns of Arrow tables, as Parquet files and data sets on the Hub have them, as Python's values."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import pyarrow
from pyarrow import compute, parquet

from workbench.errors import UserError

from .limits import check_names, check_size

BATCH_ROWS = 65_536
MOST_FIXED = 64  # bytes


def read_parquet(path: str) -> pyarrow.Table:
    """The whole file, but of columns that are neither text nor numbers empty values alone.

    Raises:
        UserError: it is none, has no rows, a column twice, or more than `check_size` allows once it is decoded.
    """
    try:
        # A text that a dictionary says once may stand in all rows: only lengths tell how much comes out of it.
        texts = [leaf.path for leaf in _leaves(path) if leaf.physical_type == "BYTE_ARRAY"]
        # Not parquet.read_table, which would take `name=value` in the path for a column.
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            schema, rows = parquet.read_schema(path), file.metadata.num_rows
            read = [field.name for field in schema if _is_plain(field.type)]
            batches, size = [], 0
            for batch in file.iter_batches(BATCH_ROWS, columns=read) if read else ():
                size += sum(map(_decoded_size, batch.columns))
                check_size(path, size=size)
                batches.append(batch.columns)
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: cannot read this Parquet file: {reason}") from error
    if not rows:
        raise UserError(f"{path}: no rows")
    pieces = ([_decoded(piece) for piece in pieces] for pieces in zip(*batches, strict=True))
    found = dict(zip(read, map(pyarrow.chunked_array, pieces), strict=True))
    columns = {field.name: found.get(field.name, _empty(field.type, rows)) for field in schema}
    return pyarrow.table(columns).replace_schema_metadata(schema.metadata)


def _leaves(path: str) -> list:
    """The columns as Parquet stores them; UserError for a file that says that it is too large."""
    with parquet.ParquetFile(path) as file:
        metadata, names = file.metadata, file.schema_arrow.names
        check_names(path, names)
        groups = (metadata.row_group(place) for place in range(metadata.num_row_groups))
        check_size(path, metadata.num_rows, len(names), sum(group.total_byte_size for group in groups))
        return [file.schema.column(place) for place in range(metadata.num_columns)]


def _is_plain(kind: pyarrow.DataType) -> bool:
    """Whether a column is text, or of values of a few bytes each."""
    kind = getattr(kind, "storage_type", kind)
    is_bytes = pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)
    is_long = pyarrow.types.is_fixed_size_binary(kind) and kind.byte_width > MOST_FIXED
    return not (pyarrow.types.is_nested(kind) or is_bytes or is_long)


def _empty(kind: pyarrow.DataType, rows: int) -> pyarrow.Array:
    """An empty value for each row, of a list or of bytes: what Python calls the column's type."""
    if pyarrow.types.is_nested(getattr(kind, "storage_type", kind)):
        return pyarrow.ListArray.from_arrays(
            pyarrow.repeat(pyarrow.scalar(0, pyarrow.int32()), rows + 1), pyarrow.nulls(0)
        )
    return pyarrow.repeat(b"", rows)


def _decoded_size(column: pyarrow.Array) -> int:
    """Bytes of a column when each row has its own text."""
    if not pyarrow.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
        return column.nbytes
    return compute.sum(compute.binary_length(column.dictionary).take(column.indices)).as_py() or 0


def _decoded(column: pyarrow.Array) -> pyarrow.Array:
    return column.dictionary_decode() if pyarrow.types.is_dictionary(column.type) else column


def _is_text(kind: pyarrow.DataType) -> bool:
    return pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)


def to_columns(path: str, content: pyarrow.Table, notes: list[str]) -> tuple[list[list], dict[str, list[str]]]:
    """The columns' pieces, a class's number replaced by its name and a negative one by None; the names by column."""
    names = class_names(path, content.schema, notes)
    columns = []
    for name, column in zip(content.column_names, content.columns, strict=True):
        pieces = column.chunks
        if name in names:
            named = dict(enumerate(names[name]))
            pieces = [
                [named.get(cell, cell) if cell is not None and cell >= 0 else None for cell in values(piece)]
                for piece in pieces
            ]
        columns.append(pieces)
    return columns, names


def class_names(path: str, schema: pyarrow.Schema, notes: list[str]) -> dict[str, list[str]]:
    """The names of classes by column, where `datasets` wrote them into the schema."""
    from datasets import ClassLabel, Features

    # Classes are whole numbers, and other columns may be of a type that `datasets` does not have.
    whole = [field for field in schema if pyarrow.types.is_integer(field.type)]
    try:
        features = Features.from_arrow_schema(pyarrow.schema(whole, metadata=schema.metadata))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        notes.append(f"{path}: what its metadata say of classes cannot be read: {reason}")
        return {}
    return {name: feature.names for name, feature in features.items() if isinstance(feature, ClassLabel)}


def cells(piece, at_once: int) -> Iterator:
    """The values of a piece of a column, a list or an Arrow array, of which so many are unpacked at a time."""
    for start in range(0, len(piece), at_once):
        part = piece[start : start + at_once]
        yield from part if isinstance(part, list) else values(part)


def values(column: pyarrow.Array) -> list:
    """The column's values; what Python has no value for stays a scalar, which is no text and no label."""

    def value(scalar):
        try:
            return scalar.as_py()
        except UnicodeDecodeError:
            return scalar.as_buffer().to_pybytes().decode("utf-8", "surrogateescape")  # see `check_unicode`
        except (ValueError, OverflowError, pyarrow.ArrowException):
            return scalar

    try:
        return column.to_pylist()
    except (ValueError, OverflowError, pyarrow.ArrowException):
        return [value(scalar) for scalar in column]


def encode(dataset, function: Callable[[dict], dict], remove: list[str]):
    """A `datasets.Dataset` of what `function` makes of batches of rows, in their order; of a stream, a stream.

    It lies in a file that is mapped into memory and deleted when the process ends; nothing is cached.
    """
    from datasets import IterableDataset, disable_progress_bars

    if isinstance(dataset, IterableDataset):
        return dataset.map(function, batched=True, remove_columns=remove)

    disable_progress_bars()
    number = next(_NUMBERS)
    return dataset.map(
        function,
        batched=True,
        remove_columns=remove,
        cache_file_name=str(Path(_scratch().name) / f"{number}.arrow"),
        load_from_cache_file=False,
        # Or a hash of the tokenizer would be computed, which no cache asks for.
        new_fingerprint=f"encoded-{number}",
    )


_NUMBERS = count()


@cache
def _scratch() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="encoded-")
