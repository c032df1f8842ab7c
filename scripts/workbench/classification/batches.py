"""Encoded examples and padded batches."""

import sys
from dataclasses import dataclass

import torch
from torch import nn

from workbench.errors import UserError


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
