"""Metrics are `evaluate` modules on disk, the same that ship as Spaces; nothing is fetched."""

import math
import os
from functools import cache
from itertools import count
from pathlib import Path

from workbench.processes import is_main_process, process_count

# Calls are numbered, for a process may be a call ahead of another: their files must not mix.
CALLS = count()
SPACES = Path(__file__).resolve().parents[3] / "spaces"

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


@cache
def load_metric(name: str, task: str | None = None):
    """The `evaluate` module `spaces/NAME/NAME.py`; `task` is a name of the module's own, as in `("glue", "cola")`."""
    import evaluate

    return evaluate.load(str(SPACES / name / f"{name}.py"), task)


def score_together(
    name: str, predictions: list, references: list, folder: str | Path, task: str | None = None, **options
) -> dict[str, float] | None:
    """A metric over what all processes hold, each its own part; the values are those of one process with all of it.

    Every process calls it.

    Args:
        folder: one that all processes see; they exchange their parts there.
        options: the metric's own, as `separator` of word accuracy.

    Returns:
        The scores in the main process, None in the others.
    """
    if process_count() == 1:
        return load_metric(name, task).compute(predictions=predictions, references=references, **options)
    import evaluate

    metric = evaluate.load(
        str(SPACES / name / f"{name}.py"),
        task,
        num_process=process_count(),
        process_id=int(os.environ["RANK"]),
        experiment_id=f"{name}-{next(CALLS)}",
        cache_dir=str(folder),
    )
    scores = metric.compute(predictions=predictions, references=references, **options)
    return scores if is_main_process() else None


def word_scores(predictions: list[str], references: list[str]) -> dict[str, float]:
    """`word_accuracy` (0 to 1) and `cer` (edits per reference character) of predicted words."""
    scores = load_metric("word_accuracy").compute(predictions=predictions, references=references)
    return {name: scores[name] for name in ("word_accuracy", "cer")}


# Which of GLUE's own configurations gives a score, and under what name.
GLUE_SCORES = {
    "accuracy": ("sst2", "accuracy"),
    "f1": ("mrpc", "f1"),
    "matthews_correlation": ("cola", "matthews_correlation"),
    "pearson": ("stsb", "pearson"),
    "spearman": ("stsb", "spearmanr"),
}


def label_scores(names: tuple[str, ...], predictions: list, references: list) -> dict[str, float]:
    """The named scores of predicted labels (or, for correlations, numbers).

    Args:
        names: of `GLUE_SCORES`, or `macro_f1`, the plain mean of the classes' F1.
    """
    scores = {}
    for name in names:
        if name == "macro_f1":
            from sklearn.metrics import f1_score

            scores[name] = float(f1_score(references, predictions, average="macro", zero_division=0))
        else:
            task, key = GLUE_SCORES[name]
            value = load_metric("glue", task).compute(predictions=predictions, references=references)[key]
            # The same answer to everything correlates with nothing.
            scores[name] = 0.0 if math.isnan(value) else value
    return scores
