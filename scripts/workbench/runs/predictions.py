"""What a run answered to each example of its held-out splits: `predictions.parquet`, without the examples' texts."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import UserError
from workbench.files import file_size

PREDICTIONS_FILE = "predictions.parquet"
COLUMNS = ("split", "id", "label", "prediction", "probabilities")
NUMBERS = ("label", "prediction")  # of a regression
MOST_ROWS, MOST_BYTES = 5_000_000, 1_000_000_000


@dataclass(frozen=True)
class Predictions:
    """The answers to one split, example by example.

    Attributes:
        ids: see `example_ids`; the same example has the same id in every run.
        labels, predictions: (N,) names of classes, words, or numbers.
        probabilities: (N, classes), by class id; None for words and numbers.
    """

    ids: list[str]
    labels: list[str] | list[float]
    predictions: list[str] | list[float]
    probabilities: list[list[float]] | None = None


def example_ids(keys: Iterable[str]) -> list[str]:
    """16 hexadecimal digits of each key's SHA-256; of a key that comes again, with its number behind: `…-2`."""
    seen: Counter[str] = Counter()
    ids = []
    for key in keys:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids


def write_predictions(folder: str | Path, splits: dict[str, Predictions]) -> None:
    """Writes `folder/predictions.parquet`, compressed, whole or not at all."""
    import pyarrow
    from pyarrow import parquet

    from workbench.files import replace_whole

    rows = {name: [] for name in COLUMNS}
    for split, part in splits.items():
        rows["split"] += [split] * len(part.ids)
        rows["id"] += part.ids
        rows["label"] += part.labels
        rows["prediction"] += part.predictions
        rows["probabilities"] += part.probabilities or [None] * len(part.ids)
    rows["probabilities"] = pyarrow.array(rows["probabilities"], pyarrow.list_(pyarrow.float32()))
    with replace_whole(Path(folder) / PREDICTIONS_FILE) as beside:
        parquet.write_table(pyarrow.table(rows), beside, compression="zstd")


def _read_columns(path: Path) -> dict[str, list]:
    """The file's columns as Python's values; ValueError for one of another type, a missing value or too many rows."""
    import numpy
    from pyarrow import parquet, types

    file_size(path)
    texts = [*COLUMNS[:-1]]
    # A text that a dictionary says once may stand in all rows; it stays one.
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
        size = sum(group.total_byte_size for group in groups)
        if file.metadata.num_rows > MOST_ROWS or size > MOST_BYTES:
            raise ValueError(
                f"{file.metadata.num_rows:,} rows of {size:,} bytes; at most {MOST_ROWS:,} of {MOST_BYTES:,}"
            )
        table = file.read(columns=list(COLUMNS))
    for name in texts:
        kind = getattr(table[name].type, "value_type", table[name].type)
        is_number = types.is_floating(kind) and name in NUMBERS
        if table[name].null_count or not (types.is_string(kind) or is_number):
            raise ValueError(f"the column '{name}' is of {kind}, or has gaps")
        if is_number and not numpy.isfinite(table[name].to_numpy()).all():
            raise ValueError(f"the column '{name}' has a number that is not finite")
    shares = table["probabilities"].type
    if not (types.is_list(shares) and types.is_floating(shares.value_type)):
        raise ValueError(f"the column 'probabilities' is of {shares}")
    return {name: table[name].to_pylist() for name in COLUMNS}


def read_predictions(folder: str | Path) -> dict[str, Predictions]:
    """Split -> its answers; UserError if the file is missing, broken, too large or something else."""
    import pyarrow

    path = Path(folder) / PREDICTIONS_FILE
    try:
        columns = _read_columns(path)
        rows = list(zip(*(columns[name] for name in COLUMNS), strict=True))
    except (OSError, KeyError, ValueError, pyarrow.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path}: cannot read these predictions: {reason}") from error
    splits = {}
    for split in dict.fromkeys(columns["split"]):
        _, ids, labels, answers, probabilities = (
            list(part) for part in zip(*(r for r in rows if r[0] == split), strict=True)
        )
        splits[split] = Predictions(ids, labels, answers, None if None in probabilities else probabilities)
    return splits
