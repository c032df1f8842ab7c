"""Scores of a saved model on labelled texts, without training again: of its task's test split, or of any file.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

import time
from dataclasses import dataclass, fields
from pathlib import Path

from workbench.data.arguments import TaskArguments
from workbench.data.known_tasks import TASKS, Task
from workbench.errors import UserError, nearest
from workbench.runs.folder import CONFIG_FILE, read_run_config
from workbench.runs.results import RESULTS_FILE, RunResults

SPLIT = "test"
REGRESSION_METRICS = ("pearson", "spearman")
# What a model of the Hub that tells of no task is scored by.
METRICS = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Evaluated:
    """A trained classifier, ready to answer.

    Attributes:
        label_names: by class id; [] for numbers.
        metrics: of the task.
        config: the run's options; {} where there are none.
    """

    name: str
    model: object
    tokenizer: object
    label_names: list[str]
    metrics: tuple[str, ...]
    config: dict

    @classmethod
    def load(cls, name: str, trust_remote_code: bool = False) -> "Evaluated":
        """The model of that name, on the accelerator if there is one."""
        import torch

        from .loading import load_classifier

        config = read_run_config(name) if (Path(name) / CONFIG_FILE).is_file() else {}
        model, tokenizer = load_classifier(name, trust_remote_code or bool(config.get("trust_remote_code")))
        count = model.config.num_labels
        names = [] if count == 1 else [model.config.id2label[index] for index in range(count)]
        metrics = REGRESSION_METRICS if count == 1 else METRICS
        if config.get("task") in TASKS:
            metrics = TASKS[config["task"]].metrics
        return cls(name, model.to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, names, metrics, config)

    def answer(self, examples: list[dict], ids: list[str], max_length: int | None = None, batch_size: int = 64):
        """The `Predictions` for examples with `text`, perhaps `pair`, and `label`, in the precision of the training."""
        import torch

        from workbench.runs.predictions import Predictions

        from .batches import check_length, positions
        from .predict import predict_logits
        from .scoring import answers, probabilities

        longest = min(self.tokenizer.model_max_length, positions(self.model))
        length = check_length(max_length or self.config.get("max_length") or longest, self.model)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=bool(self.config.get("bf16"))):
            logits = predict_logits(self.model, self.tokenizer, examples, length, batch_size)
        labels, given = [example["label"] for example in examples], answers(logits, not self.label_names)
        if not self.label_names:
            return Predictions(ids, labels, given)
        return Predictions(ids, labels, [self.label_names[answer] for answer in given], probabilities(logits).tolist())

    @property
    def results(self) -> RunResults | None:
        """The run's own results, if it has any."""
        return RunResults.read(self.name) if (Path(self.name) / RESULTS_FILE).is_file() else None

    @property
    def seed(self) -> int:
        return self.results.seed if self.results else 0

    def facts(self) -> dict:
        """The run's facts that also hold for its answers to other texts."""
        told = (self.results.facts if self.results else None) or {}
        return {name: told[name] for name in ("dataset", "strategy", "augmentation", "base_model") if name in told}

    def score(self, answers) -> dict[str, float]:
        """The task's metrics of `Predictions`."""
        from workbench.runs.metrics import label_scores

        sides = (answers.predictions, answers.labels)
        if self.label_names:
            sides = tuple([self.label_names.index(label) for label in side] for side in sides)
        return label_scores(self.metrics, *sides)


def task_options(config: dict) -> TaskArguments:
    """The data that a run was trained and tested on, from its options."""
    return TaskArguments(**{item.name: config[item.name] for item in fields(TaskArguments) if item.name in config})


def label_names_of(results: RunResults) -> list[str]:
    """A run's classes by id; [] for numbers."""
    return list(((results.facts or {}).get("dataset") or {}).get("labels") or [])


def held_out(options: TaskArguments, split: str | None = None) -> tuple[Task, str, list[dict]]:
    """A task, the name of its test split (validation, where that has no labels), and its examples.

    A label is a class's name, or a number.

    Args:
        split: another one.
    """
    from workbench.data.tasks import load_task

    data = load_task(options)
    split = split or ("test" if "test" in data.splits else "validation")
    names = data.label_names
    rows = [dict(row) for row in data.splits[split]]
    return data.task, split, [row | {"label": names[row["label"]]} for row in rows] if names else rows


def read_labelled(path: str, label_names: list[str], arguments=None, notes: list[str] | None = None) -> list[dict]:
    """The texts of a file that have a label, which is called as the model calls it.

    Args:
        arguments: with `text_column`, `pair_column` and `label_column`; None: guessed.

    Raises:
        UserError: no labels, or others than the model's.
    """
    from workbench.data.new_texts import read_texts

    from .labelled_texts import match_labels

    names = ("text_column", "pair_column", "label_column")
    text, pair, label = (getattr(arguments, name, None) for name in names)
    examples = read_texts(path, text, pair, None, notes, label, with_labels=True)
    if "label" not in examples[0]:
        raise UserError(f"{path}: no column looks like the labels; name it with --label_column")
    labels = match_labels([example["label"] for example in examples], label_names, is_required=True)
    rows = zip(examples, labels, strict=True)
    return [example | {"label": label} for example, label in rows if label is not None and example["text"]]


def evaluate(arguments, notes: list[str]) -> tuple[Path, str]:
    """Scores `arguments.model` on `arguments.evaluate`; returns the folder that it writes, and the scores in words.

    The folder has results.json and predictions.parquet, as a run has, so that compare.py reads it, and predictions.tsv.

    Raises:
        UserError: neither a file nor a task, no labels in it, or a folder that holds something else.
    """
    from workbench.runs.predictions import write_predictions
    from workbench.runs.results import count_parameters

    folder = _open_folder(arguments)
    run = Evaluated.load(arguments.model, arguments.trust_remote_code)
    source, split, examples = _find_examples(arguments, run, notes)
    started = time.perf_counter()
    answers = run.answer(examples, ids_of(examples), arguments.max_length, arguments.batch_size)
    seconds, scores = time.perf_counter() - started, run.score(answers)
    folder.mkdir(parents=True, exist_ok=True)
    write_predictions(folder, {split: answers})
    _write_answers(folder / "predictions.tsv", examples, answers, run.label_names)
    facts = run.facts() | {"evaluation": {"run": Path(arguments.model).name, "on": source}}
    facts["dataset"] = facts.get("dataset", {}) | {"name": source, "labels": run.label_names}
    parts = ({split: scores}, {split: len(examples)}, count_parameters(run.model), {"evaluate": seconds})
    RunResults(*parts, run.seed, facts=facts).write(folder)
    return folder, _describe(run, answers, scores, f"{source}, {split}")


def ids_of(examples: list[dict]) -> list[str]:
    """The ids by which the answers to these examples are known; see `example_ids`."""
    from workbench.data.examples import text_key
    from workbench.runs.predictions import example_ids

    return example_ids(text_key(example["text"], example.get("pair")) for example in examples)


def _open_folder(arguments) -> Path:
    """The folder for the answers; UserError if it holds anything but an earlier evaluation."""
    default = f"{Path(arguments.model).name}-on-{Path(arguments.evaluate).stem}"
    folder = Path(arguments.output_dir or Path("runs/evaluations") / default)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a file; --output_dir is a folder")
    if folder.is_dir() and any(folder.iterdir()):
        earlier = RunResults.read(folder) if (folder / RESULTS_FILE).is_file() else None
        if earlier is None or "evaluation" not in (earlier.facts or {}):
            raise UserError(f"{folder}: not empty, and not an evaluation's folder; choose another --output_dir")
    return folder


def _find_examples(arguments, run: Evaluated, notes: list[str]) -> tuple[str, str, list[dict]]:
    """What the examples are called, their split, and the examples of `arguments.evaluate`."""
    from workbench.data.tables import is_there

    given = arguments.evaluate
    if is_there(given):
        if any(_is_same(given, run.config.get(name)) for name in ("train_file", "validation_file")):
            notes.append(f"{given}: this run was trained on it or chosen by it: expect less on new texts")
        examples = read_labelled(given, run.label_names, arguments, notes)
        if not examples:
            raise UserError(f"{given}: no text with a label")
        return Path(given).name, SPLIT, examples
    if given not in TASKS:
        raise UserError(f"evaluate: no file and no task '{given}'{nearest(given, list(TASKS))}")
    options = TaskArguments(task=given)
    if run.config.get("task") == given:
        options = task_options(run.config)
    options.data_dir = arguments.data_dir or options.data_dir
    task, split, examples = held_out(options)
    strange = {example["label"] for example in examples} - set(run.label_names) if run.label_names else set()
    if strange:
        raise UserError(f"{given}: its label '{min(strange)}' is none of {run.name}: {', '.join(run.label_names)}")
    return task.name, split, examples


def _is_same(path: str, other: str | None) -> bool:
    return other is not None and Path(other).exists() and Path(path).resolve() == Path(other).resolve()


def _write_answers(path: Path, examples: list[dict], answers, label_names: list[str]) -> None:
    """A TSV with a row per example: its texts, its label, the answer, and each class's probability."""
    from workbench.files import write_table

    from .predict import TEXTS

    texts = [name for name in TEXTS if name in examples[0]]
    rows = []
    for place, example in enumerate(examples):
        cells = [example[name] for name in texts] + [answers.labels[place], answers.predictions[place]]
        shares = answers.probabilities[place] if answers.probabilities else []
        rows.append((*map(str, cells), *(f"{share:.4f}" for share in shares)))
    write_table(path, (*texts, "label", "prediction", *(f"p({name})" for name in label_names)), rows)


def _describe(run: Evaluated, answers, scores: dict[str, float], where: str) -> str:
    """The scores, those of the class that is commonest there, and each class's."""
    from .classwise import class_table, describe_scores, majority_class, majority_scores

    told = f"{run.name} on {where}: {describe_scores(scores)} on {len(answers.ids):,} labelled texts"
    if not run.label_names:
        return told
    given, right = ([run.label_names.index(label) for label in side] for side in (answers.predictions, answers.labels))
    common = majority_class(right)
    told += f"\n  always '{run.label_names[common]}', commonest there: "
    told += describe_scores(majority_scores(common, right, run.metrics))
    return f"{told}\n{class_table(given, right, run.label_names)}"
