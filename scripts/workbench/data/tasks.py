"""Tasks of sentence classification: registered ones by name, or any file of texts and labels; read, checked, split."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from workbench.errors import UserError

from .arguments import TaskArguments
from .columns import Columns, choose_columns, require_column
from .examples import Examples, label_of, number_keys, read_examples, text_key, text_of
from .known_tasks import INDEX_COLUMNS, TASKS, Task, find_task
from .labels import as_number, encode_labels
from .splits import SPLITS, check_splits, describe_conflicts, hold_out, limit, remove_shared
from .tables import Table, is_hub_name, is_there, load_hub, read_table


@dataclass
class TaskData:
    """A task's examples.

    Args:
        task: with the columns and labels that were found.
        splits: `datasets.DatasetDict` of "train", "validation" and, where it has labels, "test"; columns "text", "pair"
            (of tasks about two texts) and "label" (id, or a number for regression); "train" may be a stream, an
            `IterableDataset`.
        label_names: by id; [] for regression.
        notes: sentences to show once: what was guessed, left out, held out.
        unlabelled: the texts of the GLUE server's test split (columns "text", "pair", "index"), or None.
    """

    task: Task
    splits: "datasets.DatasetDict"  # noqa: F821 (imported late: it costs a second)
    label_names: list[str]
    notes: list[str] = field(default_factory=list)
    unlabelled: "datasets.Dataset | None" = None  # noqa: F821

    @property
    def streams(self) -> bool:
        """Whether the training split is not read whole."""
        return not hasattr(self.splits["train"], "__len__")


@dataclass(frozen=True)
class _Source:
    """A split's table, and whether the user named its file (then its columns may be called anything)."""

    table: Table
    is_users: bool


def load_task(arguments: TaskArguments) -> TaskData:
    """Reads, cleans and splits the task that `arguments` name.

    A missing split is made from training, by class, the same way for every seed; no text is in two splits.

    Raises:
        UserError: what is wrong with the options or with which line of which file, and what to do.
    """
    task = asked_task(arguments)
    return _read(_find_sources(arguments, task), task, arguments)[0]


def load_held_out(arguments: TaskArguments, sample: Table, held_out: dict[str, Table]) -> tuple[TaskData, Columns]:
    """The splits beside a training split that is not read whole, and that one's columns.

    Args:
        sample: the first rows of the training split, by which its columns are chosen.
        held_out: the validation split, which says what labels there are, and perhaps the test split.
    """
    sources = {name: _Source(table, True) for name, table in ({"train": sample} | held_out).items()}
    return _read(sources, asked_task(arguments), arguments, streams=True)


def _read(
    sources: dict[str, "_Source"], task: Task, arguments: TaskArguments, streams: bool = False
) -> tuple[TaskData, Columns]:
    """The task of these tables, without the training split if it `streams`; and the training split's columns."""
    notes = [note for source in sources.values() for note in source.table.notes]
    columns = _choose_columns(sources, task, arguments, notes)
    unlabelled = None
    if "test" in sources and not sources["test"].is_users:
        has_labels = not _has_no_labels(sources["test"].table, columns["test"])
        if task.submission or not has_labels:
            unlabelled = _to_unlabelled(sources["test"].table, columns["test"])
        if not has_labels:
            del sources["test"], columns["test"]
            notes.append(f"test: {len(unlabelled):,} texts without labels; nothing can be scored on them")
    _check_kinds(sources, columns)
    left_out: list[str] = []
    examples = {
        name: read_examples(source.table, columns[name], task.ignored_labels, left_out)
        for name, source in sources.items()
        if not (streams and name == "train")
    }
    notes += left_out
    label = columns["train"].label
    classes = sources["train"].table.class_names.get(label)
    examples, names = encode_labels(
        examples, task, classes, notes, None if arguments.label_column or arguments.task else label
    )
    examples = _split(examples, task, arguments, names, notes, left_out)
    resolved = _resolved(task, columns["train"], names)
    return TaskData(resolved, _to_datasets(examples), names, notes, unlabelled), columns["train"]


def held_out_keys(*tasks: TaskData) -> frozenset[str]:
    """The keys of the tasks' validation and test texts; see `text_key`."""
    parts = [part for data in tasks for name, part in data.splits.items() if name != "train"]
    return frozenset(text_key(example["text"], example.get("pair")) for part in parts for example in part)


def leave_out(data: TaskData, keys: frozenset[str]) -> TaskData:
    """The task without the training texts that have these keys, which another task holds out; `notes` tell of it.

    Raises:
        UserError: fewer than two examples, or one class, would be left to train on.
    """
    if not keys:
        return data
    train = data.splits["train"]
    kept = [place for place, row in enumerate(train) if text_key(row["text"], row.get("pair")) not in keys]
    if len(kept) == len(train):
        return data
    left = train.select(kept)
    if len(set(left["label"])) < 2:
        raise UserError(f"{data.task.name}: its training texts are those that another task of this run holds out")
    note = f"train: {len(train) - len(kept):,} example(s) left out whose text another task holds out"
    splits = type(data.splits)({**data.splits, "train": left})
    return replace(data, splits=splits, notes=[*data.notes, note])


def asked_task(arguments: TaskArguments) -> Task:
    """The registered task, or one for the user's file."""
    if arguments.task:
        return find_task(arguments.task)
    if not arguments.train_file:
        given = next((name for name in ("data_dir", "validation_file", "test_file") if getattr(arguments, name)), None)
        but = f"{given} is given, but neither task nor train_file" if given else "neither task nor train_file is given"
        raise UserError(f"{but}: name a --task ({', '.join(TASKS)}), or your own --train_file")
    if arguments.data_dir:
        raise UserError("data_dir is where a registered task's files are: give its --task, or --train_file alone")
    return Task(Path(arguments.train_file).stem.partition(":")[0])


def _find_sources(arguments: TaskArguments, task: Task) -> dict[str, _Source]:
    """The tables by split: the task's own, each replaced by the user's file for it."""
    is_registered = bool(arguments.task)
    sources: dict[str, _Source] = {}
    if is_registered and (arguments.data_dir or not arguments.train_file):
        sources = {name: _Source(table, False) for name, table in _own_tables(task, arguments.data_dir).items()}
    files = {name: getattr(arguments, f"{name}_file") for name in SPLITS}
    if files["train"] and is_hub_name(files["train"]):
        loaded = load_hub(files.pop("train"), hint="; there is no such file either")
        if "train" not in loaded:
            raise UserError(f"{arguments.train_file}: no split 'train'; there are {', '.join(loaded)}")
        sources |= {name: _Source(loaded[name], name == "train") for name in SPLITS if name in loaded}
    return sources | {name: _Source(read_table(path), True) for name, path in files.items() if path}


def _own_tables(task: Task, data_dir: str | None) -> dict[str, Table]:
    if task.generate:
        if data_dir:
            raise UserError(f"data_dir: {task.name} is generated and reads no files")
        return {name: _generated_table(task.name, rows) for name, rows in task.generate().items()}
    if data_dir:
        literal = task.submission is not None
        files = _own_files(task, data_dir)
        return {name: read_table(path, literal, partial(_own_header, task)) for name, path in files.items()}
    if not task.hub_id:
        files = ", ".join(task.files.get("train", ()))
        raise UserError(f"{task.name} is not on the Hub: give --data_dir, a folder with its file ({files})")
    tables = load_hub(task.hub_id, task.hub_config, "; or give --data_dir, a folder with its files")
    named = {name: task.hub_splits.get(name, name) for name in SPLITS}
    return {name: tables[hub_name] for name, hub_name in named.items() if hub_name in tables}


def _own_header(task: Task, names: list[str]) -> list[str] | None:
    """The task's columns, if its files come without a header and these cells of a first line are none."""
    known = {name.casefold() for name in task.header or ()}
    is_row = len(names) == len(known) and not known & {name.casefold() for name in names}
    return list(task.header) if is_row else None


def _generated_table(name: str, rows: list[tuple[str, str]]) -> Table:
    return Table(
        name, ["text", "label"], [[list(cells)] for cells in zip(*rows, strict=True)], range(1, len(rows) + 1), "row"
    )


def _own_files(task: Task, data_dir: str) -> dict[str, Path]:
    """The task's files in `data_dir` or in its folder below; UserError says what was looked for."""
    root = Path(data_dir)
    if not (is_there(root) and root.is_dir()):
        raise UserError(f"data_dir: {data_dir} is no folder")
    folders = ([root / task.folder] if task.folder else []) + [root]
    for folder in folders:
        found = {split: _first_match(folder, patterns) for split, patterns in task.files.items()}
        if found.get("train"):
            return {split: path for split, path in found.items() if path}
    wanted = " or ".join(task.files.get("train", ())) or "files"
    raise UserError(f"data_dir: no {wanted} in {' or '.join(map(str, folders))}, where {task.name} would be")


def _first_match(folder: Path, patterns: tuple[str, ...]) -> Path | None:
    for pattern in patterns:
        found = sorted(folder.glob(pattern))
        if len(found) > 1:
            raise UserError(f"{folder}: which one, {' or '.join(path.name for path in found)}? Keep one of them there")
        if found:
            return found[0]
    return None


def _choose_columns(sources, task: Task, arguments: TaskArguments, notes: list[str]) -> dict[str, Columns]:
    """The columns of each split's table; guesses are told in `notes`.

    Options name the columns of the user's files, or of the task's own where the user gave none.
    """
    asked = Columns(arguments.text_column or "", arguments.pair_column, arguments.label_column)
    has_users = any(source.is_users for source in sources.values())
    known = Columns(task.text_column, task.pair_column, task.label_column) if arguments.task else None
    columns: dict[str, Columns] = {}
    for name in (name for name in SPLITS if name in sources):
        source = sources[name]
        wanted = asked if source.is_users or not has_users else Columns("")
        columns[name] = choose_columns(source.table, wanted, known or columns.get("train"), source.is_users, notes)
    return columns


def _check_kinds(sources: dict[str, _Source], columns: dict[str, Columns]) -> None:
    """UserError unless every split has labels, and all have pairs or none has."""
    for name, chosen in columns.items():
        if chosen.label is None:
            require_column(sources[name].table, columns["train"].label or "label")
    if len({chosen.pair is None for chosen in columns.values()}) > 1:
        told = "; ".join(f"{sources[name].table.path}: {chosen.describe()}" for name, chosen in columns.items())
        raise UserError(f"one text here, two there ({told}): give --pair_column, or files of one kind")


def _has_no_labels(table: Table, columns: Columns) -> bool:
    """Whether there is no column of labels, or all are missing or -1, as on the Hub."""
    if columns.label is None:
        return True
    labels = (label_of(cell, table.path) for cell in table.cells(columns.label))
    return all(label is None or as_number(label) == -1 for label in labels)


def _to_unlabelled(table: Table, columns: Columns):
    from datasets import Dataset

    found = {name: table.column(getattr(columns, name)) for name in ("text", "pair") if getattr(columns, name)}
    named = (table.column(name) for name in INDEX_COLUMNS if name in table.header)
    # Of 18 digits at most, which fit 64 bits.
    whole = (cells for cells in named if all(str(cell).isdecimal() and len(str(cell)) < 19 for cell in cells))
    numbers = [int(cell) for cell in next(whole, range(len(table)))]
    texts = {name: [text_of(cell, table.path) for cell in cells] for name, cells in found.items()}
    return Dataset.from_dict({**texts, "index": numbers})


def _split(examples, task: Task, arguments: TaskArguments, names: list[str], notes: list[str], left_out: list[str]):
    """Splits without a common text, the missing ones made; the GLUE server has the labels of its tests.

    Args:
        left_out: sentences about rows that were left out, told with a refusal too: they may be its cause.
    """
    is_regression = not names
    is_official = task.submission is not None and not arguments.train_file
    shared: list[str] = []
    examples = remove_shared(number_keys(examples), shared)
    notes += shared
    left_out = [*left_out, *shared]
    wanted = ("validation",) if is_official else ("validation", "test")
    if "train" in examples:
        if len(examples["train"]) == 0:
            raise UserError("the train split: no example is left, all of its texts are in the other splits")
        examples = hold_out(examples, wanted, is_regression, notes, left_out)
    check_splits(examples, names, is_regression, left_out)
    describe_conflicts(examples, notes)
    if "train" in examples:
        examples["train"] = limit(examples["train"], arguments.max_train_examples, is_regression, notes)
    return {name: examples[name] for name in SPLITS if name in examples}


def _resolved(task: Task, columns: Columns, names: list[str]) -> Task:
    """The task as it turned out: columns, labels, and for a user's numbers the measures of regression."""
    found = {"text_column": columns.text, "pair_column": columns.pair, "label_column": columns.label}
    if names or task.is_regression:
        return replace(task, **found, labels=tuple(names) or None)
    return replace(task, **found, is_regression=True, metrics=("pearson", "spearman"))


def _to_datasets(splits: dict[str, Examples]):
    from datasets import Dataset, DatasetDict

    names = ("text", "pair", "label")
    columns = {name: zip(names, (part.texts, part.pairs, part.labels), strict=True) for name, part in splits.items()}
    return DatasetDict(
        {
            name: Dataset.from_dict({column: cells for column, cells in part if cells is not None})
            for name, part in columns.items()
        }
    )
