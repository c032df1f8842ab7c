"""Scores of runs under resamples of their examples: a resample is a weight per example, a score a formula of weights.

All formulas give, for weights of 1, what `workbench.runs.metrics` gives for the examples themselves.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from workbench.runs.predictions import Predictions

# Weights held at once: 8 million, 64 MiB.
CHUNK = 8_000_000
SEED = 20261124


def resampled_weights(examples: int, resamples: int, seed: int = SEED) -> Iterator[np.ndarray]:
    """How often each example was drawn: (chunk, examples) at a time; the same for all runs on as many examples."""
    draw = np.random.default_rng(seed)
    left, rows = resamples, max(1, CHUNK // examples)
    while left:
        count = min(left, rows)
        places = draw.integers(examples, size=(count, examples)) + examples * np.arange(count)[:, None]
        yield np.bincount(places.ravel(), minlength=count * examples).reshape(count, examples).astype(float)
        left -= count


Score = Callable[[np.ndarray], np.ndarray]


def make_score(metric: str, answers: Predictions, label_names: Sequence[str] | None = None) -> Score | None:
    """Weights (resamples, examples) -> scores (resamples,); None for a metric that these answers do not give.

    Args:
        label_names: classes in the order of their ids: F1 is that of the class 1.
    """
    if metric in ("accuracy", "word_accuracy"):
        return _mean_of(np.equal(answers.labels, answers.predictions))
    if metric == "cer":
        return _error_rate(answers)
    if metric in ("pearson", "spearman"):
        return _correlation(answers, in_ranks=metric == "spearman")
    if metric in ("f1", "macro_f1", "matthews_correlation"):
        given = {*answers.labels, *answers.predictions}
        classes = list(label_names or sorted(given, key=str))
        if not given <= set(classes) or (metric == "f1" and len(classes) != 2):
            return None
        return _of_counts(metric, answers, classes)
    return None


def resampled_scores(scores: Sequence[Score], examples: int, resamples: int, seed: int = SEED) -> np.ndarray:
    """Each run's score under each resample: (resamples, runs)."""
    chunks = resampled_weights(examples, resamples, seed)
    return np.concatenate([np.stack([score(weights) for score in scores], axis=1) for weights in chunks])


def _mean_of(values: np.ndarray) -> Score:
    return lambda weights: weights @ values / weights.sum(axis=1)


def _error_rate(answers: Predictions) -> Score:
    from rapidfuzz.distance import Levenshtein

    pairs = zip(answers.predictions, answers.labels, strict=True)
    edits = np.array([Levenshtein.distance(ours, right) for ours, right in pairs], float)
    symbols = np.array([len(right) for right in answers.labels], float)
    return lambda weights: weights @ edits / np.maximum(1, weights @ symbols)


def _of_counts(metric: str, answers: Predictions, classes: list) -> Score:
    """A score of the confusion counts, whose cells are summed as weights."""
    places = {name: place for place, name in enumerate(classes)}
    size = len(classes)
    cells = np.array(
        [places[right] * size + places[ours] for right, ours in zip(answers.labels, answers.predictions, strict=True)]
    )
    members = np.zeros((len(cells), size * size))
    members[np.arange(len(cells)), cells] = 1
    formula = {"f1": _f1, "macro_f1": _macro_f1, "matthews_correlation": _matthews}[metric]
    return lambda weights: formula((weights @ members).reshape(-1, size, size))


def _class_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F1 of each class (0 where undefined), and whether it occurs; counts are (resamples, right, answered)."""
    hits, total = np.einsum("rcc->rc", counts), counts.sum(axis=1) + counts.sum(axis=2)
    return np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0), total > 0


def _f1(counts: np.ndarray) -> np.ndarray:
    return _class_f1(counts)[0][:, 1]


def _macro_f1(counts: np.ndarray) -> np.ndarray:
    values, occurs = _class_f1(counts)
    return values.sum(axis=1) / np.maximum(1, occurs.sum(axis=1))


def _matthews(counts: np.ndarray) -> np.ndarray:
    """Of any number of classes (Gorodkin 2004); 0 where one side is constant, as `label_scores` has it."""
    total, hits = counts.sum(axis=(1, 2)), np.einsum("rcc->r", counts)
    right, ours = counts.sum(axis=2), counts.sum(axis=1)
    below = np.sqrt((total**2 - (ours**2).sum(axis=1)) * (total**2 - (right**2).sum(axis=1)))
    above = hits * total - (right * ours).sum(axis=1)
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _correlation(answers: Predictions, in_ranks: bool) -> Score:
    """Pearson's, of the values or (Spearman's) of their ranks within each resample; 0 where one side is constant."""
    sides = [np.asarray(side, float) for side in (answers.predictions, answers.labels)]

    def score(weights: np.ndarray) -> np.ndarray:
        x, y = ((_ranks(side, weights) if in_ranks else side - side.mean()) for side in sides)
        total = weights.sum(axis=1, keepdims=True)
        x, y = (side - (weights * side).sum(axis=1, keepdims=True) / total for side in (x, y))
        above = (weights * x * y).sum(axis=1)
        below = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
        return np.divide(above, below, out=np.zeros_like(above), where=below > 1e-12)

    return score


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean rank of each value within each resample, ties sharing theirs: (resamples, examples)."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    sizes = np.add.reduceat(weights[:, order], starts, axis=1)
    return (np.cumsum(sizes, axis=1) - (sizes - 1) / 2)[:, group]
