"""Columns of Arrow tables, as Parquet files and data sets on the Hub have them, as Python's values."""

import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path

import pyarrow
from pyarrow import parquet

from workbench.errors import UserError


def read_parquet(path: str) -> pyarrow.Table:
    """The whole file; UserError if it is none, or has no rows."""
    try:
        # Not parquet.read_table, which would take `name=value` in the path for a column.
        content = parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: cannot read this Parquet file: {str(error).splitlines()[0]}") from error
    if not content.num_rows:
        raise UserError(f"{path}: no rows")
    return content


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
    except (ValueError, TypeError, KeyError, AttributeError) as error:
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
