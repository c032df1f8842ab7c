# The same as spaces/classifier/classification.py
"""What a classifier answers: labels with probabilities, what of it is right, and where two classifiers differ."""

import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from description import examples_of, takes_pairs
from loading import fetch, load_model
from reading import MAX_CHARACTERS, Example, InputError
from torch import nn

BATCH_SIZE = 32


class Answer(NamedTuple):
    """A label with every class's probability; of a model with one output a number, and no probabilities."""

    label: str
    probabilities: dict[str, float]
    cut: bool  # whether the model read only the text's beginning

    @property
    def confidence(self) -> float:
        return max(self.probabilities.values(), default=0.0)

    @property
    def sure(self) -> str:
        return f"{self.confidence:.1%}" if self.probabilities else ""


class Row(NamedTuple):
    """A text (or a pair), each model's answer, whether they differ, and which are right; None where nothing tells."""

    example: Example
    answers: list[Answer]
    differ: bool | None
    right: list[bool | None]


class Classifier:
    """A model, its tokenizer, its labels, how many tokens of a text it reads, and whether it takes pairs of texts."""

    def __init__(self, name: str, trust_remote_code: bool, max_length: int | None = None):
        self.name = "/".join(Path(name).resolve().parts[-2:]) if Path(name).is_dir() else name
        folder = fetch(name, trust_remote_code)
        self.model, self.tokenizer = load_model(str(folder), trust_remote_code)
        config = self.model.config
        self.labels = [str(config.id2label[index]) for index in range(config.num_labels)]
        self.is_number = config.num_labels == 1
        self.many = config.problem_type == "multi_label_classification"
        self.max_length = min(max_length or self.tokenizer.model_max_length, positions(self.model))
        self.takes_pairs = takes_pairs(folder, self.labels)
        self.examples = examples_of(folder, self.takes_pairs)
        self.lock = threading.Lock()  # threads cannot share a tokenizer that truncates and pads

    def answer(self, examples: list[Example], progress: Callable = iter) -> list[Answer]:
        """An answer to each example, in order; texts of like length share a batch, and `progress` wraps the batches."""
        with self.lock:
            encoded = [self._encode(example) for example in examples]
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index][0]["input_ids"]))
        batches = [order[at : at + BATCH_SIZE] for at in range(0, len(order), BATCH_SIZE)]
        found: dict[int, Answer] = {}
        for batch in progress(batches):
            logits = self._logits([encoded[index][0] for index in batch])
            found |= {index: self._read(row, encoded[index][1]) for index, row in zip(batch, logits, strict=True)}
        return [found[index] for index in range(len(examples))]

    def _encode(self, example: Example) -> tuple[dict, bool]:
        """The part of an example that the model reads, and whether that is only its beginning."""
        texts = [None if text is None else text[:MAX_CHARACTERS] for text in example[:2]]
        encoded = self.tokenizer(*texts, truncation=True, max_length=self.max_length)
        overflows = any(encoding.overflowing for encoding in encoded.encodings or ())
        return dict(encoded), overflows or any(len(text or "") > MAX_CHARACTERS for text in example[:2])

    @torch.inference_mode()
    def _logits(self, encoded: list[dict]) -> torch.Tensor:
        """(texts, classes)"""
        with self.lock:
            batch = self.tokenizer.pad(encoded, return_tensors="pt")
        return self.model(**batch.to(self.model.device)).logits.float().cpu()

    def _read(self, logits: torch.Tensor, cut: bool) -> Answer:
        if self.is_number:
            return Answer(f"{logits.item():.4f}", {}, cut)
        shares = (logits.sigmoid() if self.many else logits.softmax(dim=-1)).tolist()
        return Answer(self.labels[int(logits.argmax())], dict(zip(self.labels, shares, strict=True)), cut)

    def label_of(self, given: str | None) -> str | None:
        """The label that a file means: by name, or by number; None if the model does not have it."""
        if self.is_number or self.many or not given:
            return None
        by_name = {label.casefold(): label for label in reversed(self.labels)}
        by_number = {str(index): label for index, label in enumerate(self.labels)}
        return by_name.get(given.casefold(), by_number.get(given))


# The same as scripts/workbench/classification/batches.py
def positions(model) -> int:
    """The most tokens that the encoder takes; where its config does not tell, as many as anybody gives."""
    config = getattr(model.config, "encoder_config", model.config)
    most = getattr(config, "max_position_embeddings", None) or sys.maxsize
    tables = [module for name, module in model.named_modules() if name.endswith("position_embeddings")]
    # RoBERTa's and MPNet's positions begin behind the padding's.
    padding = next((table.padding_idx for table in tables if isinstance(table, nn.Embedding)), None)
    return most if padding is None else most - padding - 1


def comparable(classifiers: Iterable[Classifier]) -> bool:
    """Whether there are several that have a label in common; numbers are equal by chance alone."""
    classifiers = list(classifiers)
    labels = [{label.casefold() for label in item.labels} for item in classifiers if not item.is_number]
    return len(labels) == len(classifiers) > 1 and bool(set.intersection(*labels))


def check_kind(classifiers: list[Classifier], examples: list[Example]) -> None:
    """InputError for a pair given to a model of single texts, or a single text to a model of pairs."""
    for number, example in enumerate(examples, start=1):
        is_pair, place = example.pair is not None, f"Text {number}: " * (len(examples) > 1)
        for item in classifiers:
            if item.takes_pairs is False and is_pair:
                raise InputError(f"{place}{item.name} was trained on single texts. Please leave the second text out.")
            if item.takes_pairs and not is_pair:
                raise InputError(f"{place}{item.name} was trained on pairs of texts. Please give the second text too.")


def compare(classifiers: list[Classifier], examples: list[Example], track: Callable | None = None) -> list[Row]:
    """Every classifier's answers; `track(name)` gives what wraps the batches of the classifier of that name.

    Raises:
        InputError: a pair where a model takes single texts, or the reverse.
    """
    check_kind(classifiers, examples)
    columns = [item.answer(examples, track(item.name) if track else iter) for item in classifiers]
    may_differ = comparable(classifiers)
    rows = []
    for example, *answers in zip(examples, *columns, strict=True):
        differ = len({answer.label.casefold() for answer in answers}) > 1 if may_differ else None
        labels = [item.label_of(example.label) for item in classifiers]
        right = [
            None if label is None else answer.label == label for label, answer in zip(labels, answers, strict=True)
        ]
        rows.append(Row(example, answers, differ, right))
    return rows


def scored(rows: list[Row]) -> list[int]:
    """The places of the models of which some answers can be called right or wrong."""
    return [place for place in range(len(rows[0].right)) if any(row.right[place] is not None for row in rows)]


def lists(rows: list[Row]) -> dict[str, list[Row]]:
    """The lists worth reading, by title: what is wrong, the surest first, or where the models differ; then all."""
    places = scored(rows)
    if len(places) == 2:
        known = [row for row in rows if None not in row.right]
        found = {
            "Right in one, wrong in the other": [row for row in known if len(set(row.right)) == 2],
            "Wrong in both": [row for row in known if not any(row.right)],
        }
    elif places:
        found = {"Wrong": [row for row in rows if row.right[places[0]] is False]}
    else:
        found = {"They differ": [row for row in rows if row.differ]} if rows[0].differ is not None else {}
        return found | {"All": rows}
    return {title: sorted(part, key=surest, reverse=True) for title, part in found.items()} | {"All": rows}


def surest(row: Row) -> float:
    """How sure the surest wrong answer is."""
    answers = zip(row.answers, row.right, strict=True)
    return max((answer.confidence for answer, right in answers if right is False), default=0.0)
