"""A course notebook's own way to the same translator, in plain PyTorch: what igpay is measured against.

One attention head without an output projection, no LayerNorm, one Linear + ReLU after each attention, batches of words
that are equally long on both sides, Adam with a rate that shrinks from epoch to epoch, and greedy decoding of one
word at a time that computes all it has written so far again for each new symbol. Mathematically its model is our
`notebook` preset. Shapes: B words, S symbols read, T symbols written, H hidden size, V vocabulary.
"""

import math
import random
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

BATCH_SIZE = 64
LEARNING_RATE = 5e-4
DECAY_PER_EPOCH = 0.99
LONGEST = 512


@dataclass(frozen=True)
class NotebookSettings:
    """The notebook's choices, and the symbols that its models need to know."""

    vocab_size: int
    start: int
    end: int
    hidden_size: int
    layers: int
    epochs: int
    architecture: str = "encoder-decoder"


class NotebookAttention(nn.Module):
    """softmax(Q K^T / sqrt(H)) V with one head: (B, T, H) and (B, S, H) to (B, T, H)."""

    def __init__(self, hidden_size: int, is_causal: bool):
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.is_causal = is_causal

    def forward(self, states: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
        query, key, value = self.query(states), self.key(read), self.value(read)
        scores = query @ key.transpose(1, 2) / math.sqrt(states.shape[-1])
        if self.is_causal:
            later = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, -1e7)
        return scores.softmax(dim=-1) @ value


class NotebookLayer(nn.Module):
    """Self-attention, attention to what was read where `crosses`, Linear + ReLU; each added to what came in."""

    def __init__(self, hidden_size: int, is_causal: bool, crosses: bool):
        super().__init__()
        self.attention = NotebookAttention(hidden_size, is_causal)
        self.cross_attention = NotebookAttention(hidden_size, False) if crosses else None
        self.feed_forward = nn.Sequential(nn.Linear(hidden_size, hidden_size), nn.ReLU())

    def forward(self, states: torch.Tensor, read: torch.Tensor | None) -> torch.Tensor:
        states = states + self.attention(states, states)
        if self.cross_attention is not None:
            states = states + self.cross_attention(states, read)
        return states + self.feed_forward(states)


class NotebookStack(nn.Module):
    """Embeddings, sinusoidal positions and layers: (B, T) symbols to (B, T, H) states."""

    def __init__(self, settings: NotebookSettings, is_causal: bool, crosses: bool = False):
        super().__init__()
        width = settings.hidden_size
        self.embedding = nn.Embedding(settings.vocab_size, width)
        self.layers = nn.ModuleList(NotebookLayer(width, is_causal, crosses) for _ in range(settings.layers))
        angles = torch.arange(LONGEST)[:, None] / 10000.0 ** (torch.arange(0, width, 2) / width)
        self.register_buffer("positions", torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)[:, :width])

    def forward(self, symbols: torch.Tensor, read: torch.Tensor | None = None) -> torch.Tensor:
        states = self.embedding(symbols) + self.positions[: symbols.shape[1]]
        for layer in self.layers:
            states = layer(states, read)
        return states


class NotebookTransformer(nn.Module):
    """Either architecture; what is read is `source </s>`, or `<s> source <eop>` for the decoder-only one."""

    def __init__(self, settings: NotebookSettings):
        super().__init__()
        self.settings = settings
        crosses = settings.architecture == "encoder-decoder"
        self.encoder = NotebookStack(settings, is_causal=False) if crosses else None
        self.decoder = NotebookStack(settings, is_causal=True, crosses=crosses)
        self.output = nn.Linear(settings.hidden_size, settings.vocab_size)

    def read(self, prompt: torch.Tensor) -> torch.Tensor:
        """(B, S) symbols to what `write` takes: (B, S, H) states, or without an encoder the symbols themselves."""
        return prompt if self.encoder is None else self.encoder(prompt)

    def write(self, read: torch.Tensor, written: torch.Tensor) -> torch.Tensor:
        """Logits (B, T + 1, V) of the symbols after each of the `written` ones (B, T), the first included."""
        if self.encoder is None:
            states = self.decoder(torch.cat((read, written), dim=1))[:, read.shape[1] - 1 :]
        else:
            start = written.new_full((len(written), 1), self.settings.start)
            states = self.decoder(torch.cat((start, written), dim=1), read)
        return self.output(states)

    def forward(self, prompt: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V) for `target` (B, T), each symbol from the right ones before it."""
        return self.write(self.read(prompt), target[:, :-1])


def equal_length_batches(
    examples: list[dict[str, list[int]]], size: int = BATCH_SIZE
) -> list[tuple[torch.Tensor, ...]]:
    """Batches (prompt (B, S), target (B, T)) of words that need no padding, of at most `size` words.

    Args:
        examples: as `translation.encode_pairs` makes them, for either architecture.
    """
    buckets: dict[tuple[int, int], list[tuple[list[int], list[int]]]] = {}
    for example in examples:
        prompt, target = split_example(example)
        buckets.setdefault((len(prompt), len(target)), []).append((prompt, target))
    parts = [bucket[at : at + size] for bucket in buckets.values() for at in range(0, len(bucket), size)]
    return [tuple(map(torch.tensor, zip(*part, strict=True))) for part in parts]


def split_example(example: dict[str, list[int]]) -> tuple[list[int], list[int]]:
    """The symbols to read and those to write; a decoder-only example has both in `input_ids`."""
    ids, labels = example["input_ids"], example["labels"]
    hidden = sum(label < 0 for label in labels)
    return (ids[:hidden], ids[hidden:]) if hidden else (ids, labels)


@dataclass
class NotebookRun:
    """A trained model, and per epoch the seconds of training so far and the validation loss (nats per symbol)."""

    model: NotebookTransformer
    history: list[tuple[float, float]]

    @property
    def best(self) -> tuple[float, float]:
        """Seconds to the lowest validation loss, and that loss."""
        return min(self.history, key=lambda point: point[1])


def train_notebook(settings: NotebookSettings, splits: dict, seed: int) -> NotebookRun:
    """Trains on `splits["train"]` with teacher forcing, and looks at `splits["validation"]` after each epoch.

    The batches are drawn in a new order each epoch; evaluation does not count as training time.
    """
    torch.manual_seed(seed)
    model, order = NotebookTransformer(settings), random.Random(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, DECAY_PER_EPOCH)
    batches = equal_length_batches(splits["train"])
    validation = equal_length_batches(splits["validation"])
    history, elapsed = [], 0.0
    for _ in range(settings.epochs):
        started = time.perf_counter()
        order.shuffle(batches)
        for prompt, target in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(prompt, target).flatten(0, 1), target.flatten())
            loss.backward()
            optimizer.step()
            loss.item()
        schedule.step()
        elapsed += time.perf_counter() - started
        history.append((elapsed, validation_loss(model, validation)))
    return NotebookRun(model, history)


@torch.inference_mode()
def validation_loss(model: NotebookTransformer, batches: list[tuple[torch.Tensor, ...]]) -> float:
    """Mean over all target symbols of -log p(symbol), in nats: what our Trainer's evaluation reports."""
    total = sum(
        F.cross_entropy(model(prompt, target).flatten(0, 1), target.flatten(), reduction="sum").item()
        for prompt, target in batches
    )
    return total / sum(target.numel() for _, target in batches)


@torch.inference_mode()
def greedy_word(model: NotebookTransformer, prompt: list[int], max_new_symbols: int) -> list[int]:
    """One word, symbol by symbol: the whole of what was written goes through the model again for each new one."""
    read = model.read(torch.tensor([prompt]))
    written: list[int] = []
    while len(written) < max_new_symbols:
        logits = model.write(read, torch.tensor([written], dtype=torch.long))
        symbol = logits[0, -1].argmax().item()
        if symbol == model.settings.end:
            break
        written.append(symbol)
    return written
