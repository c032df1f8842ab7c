"""Answers of a trained classifier: predicted, shown and written."""

from dataclasses import dataclass
from pathlib import Path

import numpy
import torch

from workbench.data.examples import text_key
from workbench.data.tasks import TaskData
from workbench.files import write_table
from workbench.runs.predictions import Predictions, example_ids

from .batches import TextCollator, check_length, encode_texts, positions
from .scoring import answers, probabilities

TEXTS = ("text", "pair")


@torch.inference_mode()
def predict_logits(model, tokenizer, examples: list[dict], max_length: int, batch_size: int = 64) -> numpy.ndarray:
    """(N, classes) logits of examples with `text` and perhaps `pair`, in their order; like lengths share a batch."""
    logits = numpy.empty((len(examples), model.config.num_labels), dtype=numpy.float32)
    if not examples:
        return logits
    columns = {name: [example[name] for example in examples] for name in TEXTS if name in examples[0]}
    encoded = encode_texts(columns, tokenizer, max_length)
    rows = [dict(zip(encoded, row, strict=True)) for row in zip(*encoded.values(), strict=True)]
    order, collate = numpy.argsort(encoded["length"], kind="stable"), TextCollator(tokenizer)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        inputs = {name: values.to(model.device) for name, values in collate([rows[place] for place in batch]).items()}
        logits[batch] = model(**inputs).logits.float().cpu().numpy()
    return logits


@dataclass(frozen=True)
class Answer:
    """A model's answer to a text: a label's name with every class's probability, or for regression a number."""

    label: str
    probabilities: dict[str, float]

    def __str__(self) -> str:
        return f"{self.label} {max(self.probabilities.values()):.0%}" if self.probabilities else self.label


def inspect_texts(
    model, tokenizer, examples: list[dict], max_length: int | None = None, batch_size: int = 64
) -> list[Answer]:
    """An `Answer` for each example with `text` and perhaps `pair`; UserError for more tokens than the model reads.

    Args:
        max_length: in tokens; by default what the tokenizer says, where `save_classifier` keeps the training's.
    """
    max_length = check_length(max_length or min(tokenizer.model_max_length, positions(model)), model)
    logits = predict_logits(model, tokenizer, examples, max_length, batch_size)
    if model.config.num_labels == 1:
        return [Answer(f"{value:.4f}", {}) for value in logits.reshape(-1).tolist()]
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    rows = [dict(zip(names, row, strict=True)) for row in probabilities(logits).tolist()]
    return [Answer(max(row, key=row.get), row) for row in rows]


def collect_answers(examples, logits: numpy.ndarray, data: TaskData) -> Predictions:
    """A run's answers to a split, a `datasets.Dataset`, as it keeps them: classes by name, or numbers."""
    numeric, columns = (
        data.task.is_regression,
        examples.select_columns([n for n in TEXTS if n in examples.column_names]),
    )
    ids = example_ids(text_key(*row.values()) for row in columns)
    labels, given = examples["label"][:], answers(logits, numeric)
    if numeric:
        return Predictions(ids, labels, given)
    named = ([data.label_names[label] for label in part] for part in (labels, given))
    return Predictions(ids, *named, probabilities(logits).tolist())


def write_predictions(path: Path, examples: list[dict], logits: numpy.ndarray, data: TaskData) -> None:
    """A TSV with a row per example: its texts, its label where it has one, the answer, and each class's probability."""
    has_pair, has_label = "pair" in examples[0], "label" in examples[0]
    names, numeric = data.label_names, data.task.is_regression
    header = ("text", *(["pair"] if has_pair else []), *(["label"] if has_label else []), "prediction")
    header += () if numeric else tuple(f"p({name})" for name in names)
    given, shares = answers(logits, numeric), None if numeric else probabilities(logits)
    rows = []
    for place, (example, answer) in enumerate(zip(examples, given, strict=True)):
        texts = [example[name] for name in TEXTS if name in example]
        label = [_named(example["label"], names)] if has_label else []
        chances = [] if numeric else [f"{share:.4f}" for share in shares[place]]
        rows.append((*texts, *label, _named(answer, names), *chances))
    write_table(path, header, rows)


def _named(label, names: list[str]) -> str:
    return names[label] if names else f"{label:.4f}"


def write_submission(folder: Path, data: TaskData, logits: numpy.ndarray) -> Path:
    """The GLUE server's file for a task: `index`, `prediction`, with the official name and the official labels.

    gluebenchmark.com/faq: MNLI, QNLI and RTE want label names, STS-B a number from 0 to 5, the others 0 or 1.
    """
    task, given = data.task, answers(logits, data.task.is_regression)
    textual = task.name.startswith("mnli") or task.name in ("qnli", "rte")
    if task.is_regression:
        shown = [f"{min(5.0, max(0.0, value)):.3f}" for value in given]
    else:
        shown = [data.label_names[label] if textual else str(label) for label in given]
    path = folder / task.submission
    write_table(path, ("index", "prediction"), list(enumerate(shown)))
    return path
