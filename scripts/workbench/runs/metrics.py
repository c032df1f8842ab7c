"""Scores of predicted words and labels, by rapidfuzz, scikit-learn and scipy; `spaces/` ships the same as modules.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

import math
from collections.abc import Callable
from functools import partial

METRIC_NAMES = {
    "word_accuracy": "word accuracy",
    "cer": "character error rate",
    "ser": "symbol error rate",
    "loss": "loss",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "f1": "F1",
    "matthews_correlation": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
}


def metric_name(name: str) -> str:
    """A score's name as a reader knows it."""
    return METRIC_NAMES.get(name, name.replace("_", " "))


def diverged_loss(scores: dict) -> str | None:
    """The name of the first loss that is not a finite number, after which training has nothing more to say; or None."""
    losses = {name: value for name, value in scores.items() if name.endswith("loss") and isinstance(value, float)}
    return next((name for name, value in losses.items() if not math.isfinite(value)), None)


def word_scores(predictions: list[str], references: list[str]) -> dict[str, float]:
    """`word_accuracy` (0 to 1) and `cer` (edits per reference character, over all words) of predicted words."""
    from rapidfuzz.distance import Levenshtein

    pairs = list(zip(predictions, references, strict=True))
    edits = sum(Levenshtein.distance(prediction, reference) for prediction, reference in pairs)
    return {
        "word_accuracy": sum(prediction == reference for prediction, reference in pairs) / max(len(pairs), 1),
        "cer": edits / max(sum(map(len, references)), 1),
    }


def label_scores(names: tuple[str, ...], predictions: list, references: list) -> dict[str, float]:
    """The named scores of predicted labels (or, for correlations, numbers).

    Args:
        names: of `label_metrics`.
    """
    metrics = label_metrics()
    scores = {name: float(metrics[name](references, predictions)) for name in names}
    # The same answer to everything correlates with nothing.
    return {name: 0.0 if math.isnan(value) else value for name, value in scores.items()}


def label_metrics() -> dict[str, Callable]:
    """Functions of references and predictions, by name: those of GLUE, and the plain mean of the classes' F1."""
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    return {
        "accuracy": accuracy_score,
        "f1": f1_score,
        "macro_f1": partial(f1_score, average="macro", zero_division=0),
        "matthews_correlation": matthews_corrcoef,
        "pearson": lambda references, predictions: pearsonr(predictions, references).statistic,
        "spearman": lambda references, predictions: spearmanr(predictions, references).statistic,
    }
