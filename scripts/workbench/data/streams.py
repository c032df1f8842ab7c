"""A training split that is read as it is needed, row by row, from a file or a data set larger than memory or disk."""

import csv
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from workbench.errors import UserError

from .arguments import TaskArguments
from .columns import Columns
from .examples import clean_row, text_key, why_dropped
from .labels import label_encoder
from .tables import HUB_NAME, JSON_SUFFIXES, Table, from_arrow, is_hub_name, is_there, read_table
from .tasks import TaskData, held_out_keys, load_held_out

SAMPLE = 1_000  # rows by which the columns are chosen
BUFFER = 10_000  # examples among which the next one is drawn
WHOLE_SPLITS = ("validation", "test")


def load_stream(arguments: TaskArguments, seed: int) -> TaskData:
    """The task whose training split streams; the others are read whole, and no text of theirs is trained on.

    Args:
        arguments: with `train_file`, a file or a data set on the Hub, and `validation_file`, unless the Hub's data set
            has a validation split; the labels are those of validation, unless the task is a registered one.
        seed: of the order of the rows, which changes from pass to pass.

    Returns:
        the data, of whose training split no end is ever reached.

    Raises:
        UserError: an option that needs the whole split; no validation split; a file that cannot be read. What is wrong
            with a later row is raised when training comes to it.
    """
    if not arguments.train_file:
        raise UserError("streaming: give --train_file, a file or a data set on the Hub, with --validation_file")
    for name in ("data_dir", "max_train_examples"):
        if getattr(arguments, name):
            raise UserError(f"{name}: not with streaming, for the training split is not read whole")
    splits = _open(arguments.train_file)
    files = {name: getattr(arguments, f"{name}_file") for name in WHOLE_SPLITS}
    held_out = {name: _to_table(f"{arguments.train_file} ({name})", splits[name]) for name in files if name in splits}
    held_out |= {name: read_table(path) for name, path in files.items() if path}
    held_out = {name: held_out[name] for name in WHOLE_SPLITS if name in held_out}
    if "validation" not in held_out:
        raise UserError("streaming: give --validation_file; none can be held out of a split that is not read whole")
    rows = splits["train"]
    sample = _to_table(arguments.train_file, rows.take(SAMPLE))
    data, columns = load_held_out(arguments, sample, held_out)
    fault = f"is none of {data.task.name}'s" if arguments.task else "is not in the validation split"
    options = {
        "rows": rows,
        "columns": columns,
        "encode": label_encoder(data.label_names, bool(arguments.task), fault),
        "ignored": {name.casefold() for name in data.task.ignored_labels},
        "held_out": held_out_keys(data),
        "name": arguments.train_file,
    }
    data.notes.append("train: streamed; rows without a text or a label, and texts of the other splits, are passed over")
    data.splits = {"train": _to_stream(options, data, seed), **data.splits}
    return data


def _to_stream(options: dict, data: TaskData, seed: int):
    """An `IterableDataset` of the columns that `TaskData` has, without an end."""
    from datasets import IterableDataset

    features = data.splits["validation"].features
    examples = IterableDataset.from_generator(_examples, features, gen_kwargs=options)
    shuffled = {"examples": examples.shuffle(seed, buffer_size=BUFFER)}
    return IterableDataset.from_generator(_passes, features, gen_kwargs=shuffled)


def _passes(examples) -> Iterator[dict]:
    """The examples again and again, each time in another order.

    The Trainer takes it for one epoch: it could not find its place again in a later one of unknown length.
    """
    for epoch in count():
        examples.set_epoch(epoch)
        yield from examples


def _open(name: str) -> dict:
    """Split -> `IterableDataset` of cells; a file is the split `train`."""
    from datasets import load_dataset, logging

    logging.set_verbosity(logging.CRITICAL)  # what it logs of a broken row is said in an error
    try:
        if is_hub_name(name):
            repository, config = HUB_NAME.fullmatch(name).groups()
            splits = dict(load_dataset(repository, config, streaming=True))
        else:
            if not (is_there(name) and Path(name).is_file()):
                raise UserError(f"{name}: no such file")
            kind, options = _reader(name)
            splits = {"train": load_dataset(kind, data_files=[name], split="train", streaming=True, **options)}
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name}: cannot be streamed: {_reason(error)}") from error
    if "train" not in splits:
        raise UserError(f"{name}: no split 'train'; there are {', '.join(splits)}")
    return splits


def _reader(name: str) -> tuple[str, dict]:
    """The builder of `datasets` for a file, and its options; cells of a CSV or TSV are texts as they stand there."""
    from datasets import Features, Value

    suffix = Path(name).suffix.lower()
    if suffix == ".parquet":
        return "parquet", {}
    with Path(name).open(encoding="utf-8-sig", newline="") as file:
        first = file.readline(1_000_000)
    if suffix in JSON_SUFFIXES or first.startswith("{"):
        return "json", {}
    delimiter = "\t" if suffix in (".tsv", ".tab") else max(",;\t", key=first.count)
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    header = [cell.strip() for cell in next(csv.reader([first], delimiter=delimiter, quoting=quoting), [])]
    if not header or len(set(header)) < len(header):
        raise UserError(f"{name}, line 1: the first line must name the columns, each once")
    features = Features({cell or f"column {place}": Value("string") for place, cell in enumerate(header, start=1)})
    names = {"names": list(features), "header": 0, "keep_default_na": False, "encoding": "utf-8-sig"}
    return "csv", {"sep": delimiter, "quoting": quoting, "features": features, **names}


def _to_table(name: str, rows) -> Table:
    """The rows of an `IterableDataset`, read whole."""
    from datasets import Dataset

    read = list(_rows(rows, name))
    if not read:
        raise UserError(f"{name}: no rows")
    return from_arrow(name, Dataset.from_list(read, features=rows.features).with_format("arrow")[:])


def _rows(rows, name: str) -> Iterator[dict]:
    """The rows; UserError for what the reader of `datasets` makes of a broken one."""
    try:
        yield from rows
    except (ValueError, TypeError, OSError, RuntimeError, OverflowError, KeyError) as error:
        raise UserError(f"{name}: cannot be read: {_reason(error)}") from error


def _examples(
    rows, columns: Columns, encode: Callable, ignored: set[str], held_out: frozenset[str], name: str
) -> Iterator[dict]:
    """The rows that have text and label, and whose text is not held out."""
    names = _class_names(rows, columns.label)
    kept = 0
    for number, row in enumerate(_rows(rows, name), start=1):
        where = f"{name}, row {number}"
        given = names(row[columns.label]) if names else row[columns.label]
        text, pair, label = clean_row(row[columns.text], row[columns.pair or columns.text], given, where)
        if why_dropped(text, pair, label, ignored) or text_key(text, pair if columns.pair else None) in held_out:
            continue
        kept += 1
        yield {"text": text} | ({"pair": pair} if columns.pair else {}) | {"label": encode(label, where)}
    if not kept:
        raise UserError(f"{name}: no row to train on; {columns.describe()}")


def _class_names(rows, column: str) -> Callable | None:
    """The names of a column's numbers, where the data set says what they are; a negative one is missing."""
    from datasets import ClassLabel

    kind = (rows.features or {}).get(column)
    if not isinstance(kind, ClassLabel):
        return None
    return lambda number: kind.int2str(number) if number is not None and number >= 0 else None


def _reason(error: Exception) -> str:
    """The first line of what lies at the bottom of an error of `datasets`."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]
