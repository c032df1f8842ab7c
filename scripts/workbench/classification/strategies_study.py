"""What a study of strategies says: its tables, its figure, and the page that shows them."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.files import write_whole
from workbench.runs.metrics import metric_name
from workbench.runs.results import RunResults
from workbench.studies.report import Spread

FULL, FROZEN = "full", "frozen"
COUNTS = dict.fromkeys(("n", "trained parameters", "peak memory (MiB)"), ",.0f")
FORMS = {"value": ".4f", "share": ".2%", "seconds per epoch": ".1f", FROZEN: ".4f", FULL: ".4f", **COUNTS}
CONFIDENCE = 0.95

Runs = dict[tuple[str, str], list[RunResults]]


@dataclass(frozen=True)
class Difference:
    """The mean of differences paired by seed, and its 95 % confidence interval (Student's t; nan for one pair)."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float], baseline: Iterable[float]) -> "Difference":
        pairs = [value - other for value, other in zip(values, baseline, strict=True)]
        mean = statistics.fmean(pairs)
        if len(pairs) < 2:
            return cls(mean, math.nan, math.nan)
        from scipy.stats import t

        half = t.ppf((1 + CONFIDENCE) / 2, len(pairs) - 1) * statistics.stdev(pairs) / math.sqrt(len(pairs))
        return cls(mean, mean - half, mean + half)

    def __str__(self) -> str:
        interval = "" if math.isnan(self.low) else f" [{self.low:+.4f}, {self.high:+.4f}]"
        return f"{self.mean:+.4f}{interval}"


def reported(runs: list[RunResults]) -> str:
    """The split that is shown: test where it has labels, else validation."""
    return "test" if "test" in runs[0].metrics else "validation"


def score_name(runs: list[RunResults]) -> str:
    """The metric that is shown: the first of the task's."""
    metrics = [name for name in runs[0].metrics[reported(runs)] if name != "loss"]
    return runs[0].facts["dataset"].get("metric", metrics[0])


def values_of(runs: list[RunResults]) -> list[float]:
    """The shown score of each run."""
    split, name = reported(runs), score_name(runs)
    return [run.metrics[split][name] for run in runs]


def table_rows(runs: Runs) -> list[dict[str, object]]:
    """A row per task and strategy, in the order of the study."""
    return [_row(task, strategy, found, runs) for (task, strategy), found in runs.items()]


def _row(task: str, strategy: str, found: list[RunResults], runs: Runs) -> dict[str, object]:
    full = runs.get((task, FULL))
    scores, parameters = values_of(found), found[0].parameters
    against = "" if full is None or strategy == FULL else str(Difference.of(scores, values_of(full)))
    return {
        "task": task,
        "strategy": strategy,
        "score": f"{metric_name(score_name(found))}, {reported(found)}",
        "value": Spread.of(scores),
        "n": len(found),
        "difference to full [95 %]": against,
        "trained parameters": parameters["trainable"],
        "share": parameters["trainable"] / parameters["total"],
        "seconds per epoch": Spread.of(run.seconds["epoch"] for run in found),
        "peak memory (MiB)": max(run.facts["peak_memory_mib"] for run in found),
    }


def frozen_rows(runs: Runs) -> list[dict[str, object]]:
    """A row per task that was run frozen and fully fine-tuned (Peters et al. 2019, "To Tune or Not to Tune?")."""
    tasks = [task for task, strategy in runs if strategy == FULL and (task, FROZEN) in runs]
    rows = []
    for task in tasks:
        frozen, full = (values_of(runs[task, strategy]) for strategy in (FROZEN, FULL))
        difference = str(Difference.of(full, frozen))
        rows.append({"task": task, FROZEN: Spread.of(frozen), FULL: Spread.of(full), "Δ (full - frozen)": difference})
    return rows


def draw_trade_off(runs: Runs, path: Path) -> None:
    """Score against trained parameters, a panel per task; bars are the standard deviation over the seeds."""
    from workbench.runs.figures import plain, plt, save_figure

    tasks = list(dict.fromkeys(task for task, _ in runs))
    columns = min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(5.5 * columns, 4 * rows), squeeze=False, layout="constrained")
    data = []
    for axis, task in zip(axes.flat, tasks, strict=False):
        found = {strategy: runs[name, strategy] for name, strategy in runs if name == task}
        for strategy, its_runs in found.items():
            spread, trained = Spread.of(values_of(its_runs)), its_runs[0].parameters["trainable"]
            bar = None if math.isnan(spread.sd) else spread.sd
            axis.errorbar(trained, spread.mean, yerr=bar, fmt="o", capsize=3, label=strategy)
            point = {"task": task, "strategy": strategy, "trained_parameters": trained}
            data.append({**point, "mean": spread.mean, "sd": bar, "n": spread.n})
        any_runs = next(iter(found.values()))
        name = f"{metric_name(score_name(any_runs))} ({reported(any_runs)})"
        axis.set(xscale="log", xlabel="trained parameters", ylabel=name, title=plain(f"{task}, n = {len(any_runs)}"))
        axis.legend(fontsize=8)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(tasks) :]:
        axis.remove()
    save_figure(figure, path, data)


def write_page(folder: Path, runs: Runs, model: str, table: str, frozen_table: str) -> None:
    """`README.md` of the study: what was compared, the tables and the figure."""
    tasks, strategies = (list(dict.fromkeys(point[place] for point in runs)) for place in (0, 1))
    seeds = [run.seed for run in next(iter(runs.values()))]
    sizes = [
        f"- {task}: "
        + ", ".join(f"{size:,} {split}" for split, size in runs[task, strategies[0]][0].splits.items())
        + f" examples; shown is the {metric_name(score_name(runs[task, strategies[0]]))} "
        + f"on the {reported(runs[task, strategies[0]])} split"
        for task in tasks
    ]
    name = Path(model).name if Path(model).is_dir() else model
    text = [
        f"# {len(strategies)} ways of reusing {name} on {len(tasks)} task{'s' if len(tasks) > 1 else ''}",
        "\n".join(sizes),
        table,
        f"Mean ± sample standard deviation over the seeds {', '.join(map(str, seeds))}. The weights are those of the "
        "best epoch on the validation split; where that is also the split shown, all scores are a little high. "
        "Differences are paired by seed; in brackets the 95 % interval of their mean (Student's t). Memory is of the "
        "whole process.",
        *(["## Frozen or fine-tuned?", frozen_table] if frozen_table else []),
        "![Score against trained parameters](trade_off.png)",
    ]
    write_whole(folder / "README.md", "\n\n".join(part.strip() for part in text) + "\n")
