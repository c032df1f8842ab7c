"""Metrics are `evaluate` modules on disk, the same that ship as Spaces; nothing is fetched."""

import os
from functools import cache
from itertools import count
from pathlib import Path

from .results import is_main_process, process_count

# Calls are numbered, for a process may be a call ahead of another: their files must not mix.
CALLS = count()
SPACES = Path(__file__).resolve().parents[2] / "spaces"


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
