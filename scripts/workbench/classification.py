"""What sentence classification puts around the Trainer: encoded examples, batches, scores and predictions."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import nn
from torch.nn import functional as F

from .errors import UserError
from .metrics import label_scores
from .results import write_table
from .tasks import Task, TaskData


def encode_examples(examples, tokenizer, max_length: int) -> list[dict]:
    """Examples with `text`, perhaps `pair` and `label`, as the lists that `TextCollator` pads.

    Args:
        examples: a `datasets.Dataset`, or a list of dictionaries.
        max_length: in tokens; what is longer is cut off at the end, of a pair the longer text first.
    """
    examples = list(examples)
    texts = [example["text"] for example in examples]
    pairs = [example["pair"] for example in examples] if examples and examples[0].get("pair") is not None else None
    encoded = tokenizer(texts, pairs, truncation=True, max_length=max_length) if examples else {}
    rows = [dict(zip(encoded, values, strict=True)) for values in zip(*encoded.values(), strict=True)]
    return [
        row | ({"labels": example["label"]} if "label" in example else {})
        for row, example in zip(rows, examples, strict=True)
    ]


@dataclass
class TextCollator:
    """Pads a batch of `encode_examples` to its longest; `labels` (B,) become int64, or float32 for regression."""

    tokenizer: object
    is_regression: bool = False

    def __call__(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        inputs = [{name: value for name, value in example.items() if name != "labels"} for example in examples]
        # transformers advises against padding apart from tokenizing; but the texts are tokenized once, not every epoch.
        self.tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
        batch = dict(self.tokenizer.pad(inputs, return_tensors="pt"))
        if "labels" in examples[0]:
            kind = torch.float32 if self.is_regression else torch.int64
            batch["labels"] = torch.tensor([example["labels"] for example in examples], dtype=kind)
        return batch


def check_length(max_length: int, model) -> int:
    """UserError unless the encoder has positions for `max_length` tokens."""
    most = positions(model)
    if not 4 <= max_length <= most:
        raise UserError(f"max_length: {max_length} tokens; this encoder takes 4 to {most:,}")
    return max_length


def set_length(max_length: int, model, tokenizer) -> None:
    """Fixes how many tokens of an example are read; saved with the tokenizer, it holds for the model's users too."""
    tokenizer.model_max_length = check_length(max_length, model)


def positions(model) -> int:
    """The most tokens that the encoder takes; where its config does not tell, as many as anybody gives."""
    config = getattr(model.config, "encoder_config", model.config)
    most = getattr(config, "max_position_embeddings", None) or sys.maxsize
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    # RoBERTa's and MPNet's positions begin behind the padding's.
    padding = next((table.padding_idx for table in tables if isinstance(table, nn.Embedding)), None)
    return most if padding is None else most - padding - 1


def class_weights(labels: list[int], count: int) -> torch.Tensor:
    """(classes,) weights n / (classes · n_c): every class weighs the same in sum, and each 1 if they are even."""
    sizes = torch.bincount(torch.tensor(labels), minlength=count).float()
    return len(labels) / (count * sizes.clamp(min=1))


def mean_loss(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Cross-entropy in nats of (B, classes), the examples weighted by class, or squared error of (B, 1); over the rows.

    Divided by the number of examples, not by the sum of their weights, it is the same for any batch size and any number
    of processes; over the training split, the weights are 1 on average.
    """
    if logits.shape[1] == 1:
        return F.mse_loss(logits[:, 0].float(), labels.float())
    losses = F.cross_entropy(logits.float(), labels.long(), weight=weights, reduction="none")
    return losses.mean()


def weighted_loss(weights: torch.Tensor):
    """Trainer's `compute_loss_func`: `mean_loss` with each example weighted by its class."""

    def loss(outputs, labels, num_items_in_batch=None):
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
        loss = mean_loss(logits, labels, weights.to(logits.device))
        # Of accumulated batches, the Trainer adds up the losses.
        return loss if num_items_in_batch is None else loss * len(labels) / num_items_in_batch

    return loss


def score_predictions(task: Task, weights: torch.Tensor | None = None):
    """Trainer's `compute_metrics` for a task, with the `loss` of the whole split.

    Trainer's own loss is a mean of its batches' means, in which several processes count some examples twice.

    Args:
        weights: (classes,) of `class_weights`, if the loss is weighted.
    """

    def scores(prediction) -> dict[str, float]:
        logits = prediction.predictions[0] if isinstance(prediction.predictions, tuple) else prediction.predictions
        loss = mean_loss(torch.from_numpy(logits), torch.from_numpy(prediction.label_ids), weights)
        found = label_scores(task.metrics, answers(logits, task.is_regression), prediction.label_ids.tolist())
        return found | {"loss": loss.item()}

    return scores


def answers(logits: numpy.ndarray, is_regression: bool) -> list:
    """(N, classes) logits to the N likeliest classes, or (N, 1) to N numbers."""
    return logits.reshape(-1).tolist() if is_regression else logits.argmax(axis=-1).tolist()


def probabilities(logits: numpy.ndarray) -> numpy.ndarray:
    """Softmax over the last axis."""
    return torch.from_numpy(numpy.asarray(logits, dtype=numpy.float32)).softmax(dim=-1).numpy()


@torch.inference_mode()
def predict_logits(model, tokenizer, examples: list[dict], max_length: int, batch_size: int = 64) -> numpy.ndarray:
    """(N, classes) logits of examples with `text` and perhaps `pair`, in their order; like lengths share a batch."""
    encoded = encode_examples(
        [{k: v for k, v in example.items() if k != "label"} for example in examples], tokenizer, max_length
    )
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]["input_ids"]))
    collate, logits = TextCollator(tokenizer), [None] * len(encoded)
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        inputs = {name: values.to(model.device) for name, values in collate([encoded[i] for i in batch]).items()}
        for index, row in zip(batch, model(**inputs).logits.float().cpu().numpy(), strict=True):
            logits[index] = row
    return numpy.stack(logits) if logits else numpy.empty((0, model.config.num_labels), dtype=numpy.float32)


@dataclass(frozen=True)
class Answer:
    """What a model makes of a text: a label's name with every class's probability, or for regression a number."""

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


def write_predictions(path: Path, examples: list[dict], logits: numpy.ndarray, data: TaskData) -> None:
    """A TSV with a row per example: its texts, its label where it has one, the answer, and each class's probability."""
    has_pair, has_label = "pair" in examples[0], "label" in examples[0]
    names, numeric = data.label_names, data.task.is_regression
    header = ("text", *(["pair"] if has_pair else []), *(["label"] if has_label else []), "prediction")
    header += () if numeric else tuple(f"p({one_line(name)})" for name in names)
    given, shares = answers(logits, numeric), None if numeric else probabilities(logits)
    rows = []
    for place, (example, answer) in enumerate(zip(examples, given, strict=True)):
        texts = [one_line(example[name]) for name in ("text", "pair") if name in example]
        label = [_named(example["label"], names)] if has_label else []
        chances = [] if numeric else [f"{share:.4f}" for share in shares[place]]
        rows.append((*texts, *label, _named(answer, names), *chances))
    write_table(path, header, rows)


def _named(label, names: list[str]) -> str:
    return one_line(names[label]) if names else f"{label:.4f}"


def one_line(text: str) -> str:
    """A text without what would break a row of a TSV."""
    return " ".join(text.split())


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
