"""What a run answered to each example of its held-out splits: `predictions.parquet`, without the examples' texts."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import UserError

PREDICTIONS_FILE = "predictions.parquet"
COLUMNS = ("split", "id", "label", "prediction", "probabilities")


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


def read_predictions(folder: str | Path) -> dict[str, Predictions]:
    """Split -> its answers; UserError if the file is missing, broken or something else."""
    import pyarrow
    from pyarrow import parquet

    path = Path(folder) / PREDICTIONS_FILE
    try:
        columns = parquet.ParquetFile(path).read(columns=list(COLUMNS)).to_pydict()
        rows = list(zip(*(columns[name] for name in COLUMNS), strict=True))
    except (OSError, KeyError, pyarrow.ArrowException) as error:
        raise UserError(f"{path}: cannot read these predictions: {str(error).splitlines()[0]}") from error
    splits = {}
    for split in dict.fromkeys(columns["split"]):
        _, ids, labels, answers, probabilities = (
            list(part) for part in zip(*(r for r in rows if r[0] == split), strict=True)
        )
        splits[split] = Predictions(ids, labels, answers, None if None in probabilities else probabilities)
    return splits
