"""Encoded examples and padded batches."""

import sys
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from workbench.data import arrow
from workbench.errors import UserError


def encode_examples(examples, tokenizer, max_length: int):
    """A split with `text`, perhaps `pair` and `label`, as what `TextCollator` pads, in a column each, with `length`.

    Args:
        examples: a `datasets.Dataset`; the result is one too.
        max_length: in tokens; what is longer is cut off at the end, of a pair the longer text first.
    """
    encode = partial(encode_texts, tokenizer=tokenizer, max_length=max_length)
    return arrow.encode(examples, encode, examples.column_names)


def encode_texts(columns: dict[str, list], tokenizer, max_length: int) -> dict[str, list]:
    """`encode_examples` for lists of texts, and perhaps pairs and labels."""
    encoded = dict(tokenizer(columns["text"], columns.get("pair"), truncation=True, max_length=max_length))
    encoded["length"] = [len(ids) for ids in encoded["input_ids"]]
    return encoded | ({"labels": columns["label"]} if "label" in columns else {})


@dataclass
class TextCollator:
    """Pads a batch of `encode_examples` to its longest; `labels` (B,) become int64, or float32 for regression."""

    tokenizer: object
    is_regression: bool = False

    def __call__(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        names = [name for name in examples[0] if name not in ("labels", "length")]
        inputs = [{name: example[name] for name in names} for example in examples]
        # transformers advises against padding apart from tokenizing; but the texts are tokenized once, not every epoch.
        self.tokenizer.deprecation_warnings["Asking-to-pad-a-fast-tokenizer"] = True
        # A tokenizer without special tokens makes nothing of an empty text, and no model reads nothing.
        longest = max(1, *(len(example["input_ids"]) for example in examples))
        batch = dict(self.tokenizer.pad(inputs, padding="max_length", max_length=longest, return_tensors="pt"))
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
