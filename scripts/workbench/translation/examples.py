"""From word pairs to training examples and their scores."""

from functools import partial

import torch
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

from workbench.data import arrow

IGNORE_INDEX = -100


def encode_pairs(pairs, tokenizer: PreTrainedTokenizerFast, architecture: str):
    """A `datasets.Dataset` of `input_ids`, `labels` and `length`, of one whose columns are source and target words.

    Encoder-decoder: `source </s>` and `target </s>`. Decoder-only: `<s> source <eop> target </s>`, and the same with
    -100 up to `<eop>`.
    """
    encode = partial(_encode_words, tokenizer=tokenizer, architecture=architecture)
    return arrow.encode(pairs, encode, pairs.column_names)


def _encode_words(columns: dict[str, list[str]], tokenizer: PreTrainedTokenizerFast, architecture: str) -> dict:
    sources, targets = columns.values()
    if architecture == "encoder-decoder":
        encoded, labels = tokenizer(sources)["input_ids"], tokenizer(targets)["input_ids"]
    else:
        prompts = tokenizer(sources)["input_ids"]
        encoded = tokenizer(sources, targets)["input_ids"]
        labels = [
            [IGNORE_INDEX] * len(prompt) + whole[len(prompt) :] for prompt, whole in zip(prompts, encoded, strict=True)
        ]
    return {"input_ids": encoded, "labels": labels, "length": list(map(len, encoded))}


class PairCollator:
    """Pads examples to `input_ids`, `attention_mask` and `labels`, each (B, longest of the batch)."""

    def __init__(self, pad_token_id: int):
        self.pad_token_id = pad_token_id

    def __call__(self, examples: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        lengths = torch.tensor([len(example["input_ids"]) for example in examples])
        input_ids = _pad([example["input_ids"] for example in examples], self.pad_token_id)
        return {
            "input_ids": input_ids,
            "attention_mask": (torch.arange(input_ids.shape[1]) < lengths[:, None]).long(),
            "labels": _pad([example["labels"] for example in examples], IGNORE_INDEX),
        }


def _pad(rows: list[list[int]], value: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def score_words(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(B, T, V) and (B, T) to (B, 3): summed loss in nats, target symbols, and whether the word is right (1 or 0).

    Right means that greedy decoding would write the whole target: it would exactly if each symbol is the likeliest
    after the right ones before it, so one teacher-forced pass tells.
    """
    counted = labels != IGNORE_INDEX
    losses = F.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=IGNORE_INDEX, reduction="none")
    right = ((logits.argmax(dim=-1) == labels) | ~counted).all(dim=-1)
    return torch.stack((losses.sum(dim=-1), counted.sum(dim=-1), right), dim=-1)


def score_continuations(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """`score_words` of a decoder-only model: labels stand one place to the right of the logits that predict them."""
    return score_words(logits[:, :-1], labels[:, 1:])


def summarise_scores(prediction) -> dict[str, float]:
    """`loss` in nats per target symbol and `word_accuracy`, of a whole split's scores (words, 3).

    Trainer's own loss is a mean of its batches' means, which depends on how words are batched.
    """
    losses, symbols, right = prediction.predictions.astype("float64").sum(axis=0)
    return {"loss": losses / symbols, "word_accuracy": right / len(prediction.predictions)}
