"""What a classifier answers: labels with probabilities, and where two classifiers differ."""

import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from loading import load_model
from reading import MAX_CHARACTERS, Example
from torch import nn

BATCH_SIZE = 32


class Answer(NamedTuple):
    """A label with every class's probability; of a model with one output a number, and no probabilities."""

    label: str
    probabilities: dict[str, float]
    cut: bool  # whether the model read only the text's beginning

    @property
    def sure(self) -> str:
        return f"{max(self.probabilities.values()):.1%}" if self.probabilities else ""


class Row(NamedTuple):
    """A text (or a pair), each model's answer, and whether they differ: None where that cannot be said."""

    example: Example
    answers: list[Answer]
    differ: bool | None


class Classifier:
    """A model, its tokenizer, its labels, and how many tokens of a text it reads."""

    def __init__(self, name: str, trust_remote_code: bool, max_length: int | None = None):
        self.name = "/".join(Path(name).resolve().parts[-2:]) if Path(name).is_dir() else name
        self.model, self.tokenizer = load_model(name, trust_remote_code)
        config = self.model.config
        self.labels = [str(config.id2label[index]) for index in range(config.num_labels)]
        self.is_number = config.num_labels == 1
        self.many = config.problem_type == "multi_label_classification"
        self.max_length = min(max_length or self.tokenizer.model_max_length, positions(self.model))
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
        """What the model reads of an example, and whether that is only its beginning."""
        texts = [None if text is None else text[:MAX_CHARACTERS] for text in example]
        encoded = self.tokenizer(*texts, truncation=True, max_length=self.max_length)
        overflows = any(encoding.overflowing for encoding in encoded.encodings or ())
        return dict(encoded), overflows or any(len(text or "") > MAX_CHARACTERS for text in example)

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


# The same as scripts/workbench/classification.py
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


def compare(classifiers: list[Classifier], examples: list[Example], track: Callable | None = None) -> list[Row]:
    """Every classifier's answers; `track(name)` gives what wraps the batches of the classifier of that name."""
    columns = [item.answer(examples, track(item.name) if track else iter) for item in classifiers]
    may_differ = comparable(classifiers)
    return [
        Row(example, list(answers), len({answer.label.casefold() for answer in answers}) > 1 if may_differ else None)
        for example, *answers in zip(examples, *columns, strict=True)
    ]
