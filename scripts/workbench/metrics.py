"""Metrics are `evaluate` modules on disk, the same that ship as Spaces; nothing is fetched."""

from functools import cache
from pathlib import Path

SPACES = Path(__file__).resolve().parents[2] / "spaces"


@cache
def load_metric(name: str):
    """The `evaluate` module `spaces/NAME/NAME.py`."""
    import evaluate

    return evaluate.load(str(SPACES / name / f"{name}.py"))


def word_scores(predictions: list[str], references: list[str]) -> dict[str, float]:
    """`word_accuracy` (0 to 1) and `cer` (edits per reference character) of predicted words."""
    scores = load_metric("word_accuracy").compute(predictions=predictions, references=references)
    return {name: scores[name] for name in ("word_accuracy", "cer")}
