"""Small labelled files and trained runs for tests of fusion, intermediate and multi-task training."""

import random
import sys
from pathlib import Path

LABELS = ("bad", "fine", "good")
FAST = ["--num_train_epochs", 6, "--train_batch_size", 16, "--learning_rate", 1e-2, "--max_length", 16]


def write_task(path: Path, classes: int = 3, first: int = 2, seed: int = 0, rows: int = 50) -> Path:
    """A file of texts in which each class has eight words of its own, from w`first` on."""
    draw = random.Random(seed)
    texts = {
        " ".join(f"w{first + 8 * place + draw.randrange(8)}" for _ in range(4 + number % 3)): LABELS[place]
        for number in range(rows)
        for place in range(classes)
    }
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in texts.items()))
    return path


def run_here(monkeypatch, name: str, *arguments) -> None:
    """A script's `main` in this process: starting one costs more than training these models."""
    module = __import__(name)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
    module.main()
