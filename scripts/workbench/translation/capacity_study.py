"""The capacity study's page: word accuracy with verdicts, and loss curves in panels that share their axes."""

import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt

from workbench.runs.figures import save_figure
from workbench.studies.comparison import Comparison, Setting
from workbench.studies.page import write_study

matplotlib.use("Agg")

STYLES = {"training_loss": ("--", 0.6), "validation_loss": ("-", 1.0)}


@dataclass(frozen=True)
class RunCurves:
    """One run's place in a comparison, and its losses.

    Attributes:
        panel: title of the panel that it is drawn in.
        label: its entry in the legend; runs that share one (seeds) share a colour.
        losses: `training_loss` and `validation_loss`, as (gradient step, nats per symbol) pairs, as in `curves.json`.
    """

    panel: str
    label: str
    losses: dict[str, list[tuple[int, float]]]


def plot_loss_panels(runs: list[RunCurves], path: Path, title: str) -> None:
    """Loss per gradient step: validation solid, training dashed; a dot marks each run's lowest validation loss.

    Writes `path` (.png) and, beside it, what is drawn (.json): panel -> label -> one entry per run.
    """
    panels = list(dict.fromkeys(run.panel for run in runs))
    labels = list(dict.fromkeys(run.label for run in runs))
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.5 * columns, 4 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, panel in zip(axes.flat, panels, strict=False):
        for run in (run for run in runs if run.panel == panel):
            _draw(axis, run, f"C{labels.index(run.label)}")
        axis.set(title=panel, xlabel="gradient step", yscale="log")
        axis.grid(alpha=0.3, which="both")
        _legend(axis)
    for axis in axes[:, 0]:
        axis.set_ylabel("loss (nats per symbol)")
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    figure.suptitle(f"{title} (dots: lowest validation loss)")
    data = {panel: {run.label: [] for run in runs if run.panel == panel} for panel in panels}
    for run in runs:
        data[run.panel][run.label].append(run.losses)
    save_figure(figure, path, data)


def write_page(folder: Path, title: str, settings: dict[str, list[Setting]], more: tuple[str, ...]) -> str:
    """The study's page, its table with verdicts, and every seed's word accuracy; returns the table.

    Args:
        settings: data set -> its settings, of which all others are compared with the last encoder-decoder.
        more: stands at the page's end.
    """
    parts = []
    for size, found in settings.items():
        names = [setting.name for setting in found]
        baseline = next((name for name in reversed(names) if name.startswith("encoder-decoder")), names[-1])
        parts.append(Comparison.of(f"{size} data set", found, baseline, "test", "word_accuracy"))
    return write_study(folder, title, parts, more=more)


def draw_figures(folder: Path, cells: dict) -> list[str]:
    """by_hidden_size.png, by_data_set.png and by_architecture.png; one with nothing to compare is left out.

    Args:
        folder: the study's; its cells hold `curves.json`.
        cells: setting (`dataset_size`, `hidden_size`, `architecture`) -> names of its cells, one per seed.

    Returns:
        The names of the files.
    """
    first = next(iter(cells)).architecture
    views = {
        "by_hidden_size": (
            "{s.dataset_size} data set",
            "hidden size {s.hidden_size}",
            f"Loss by hidden size, {first}",
            first,
        ),
        "by_data_set": (
            "hidden size {s.hidden_size}",
            "{s.dataset_size} data set",
            f"Loss by data set, {first}",
            first,
        ),
        "by_architecture": (
            "{s.dataset_size} data set, beside hidden size {s.hidden_size}",
            "{s.architecture}",
            "Loss by architecture, at equal parameters",
            None,
        ),
    }
    drawn = []
    for name, (panel, label, title, only) in views.items():
        runs = [
            RunCurves(panel.format(s=setting), label.format(s=setting), _read_losses(folder / cell))
            for setting, names in cells.items()
            if only in (None, setting.architecture)
            for cell in names
        ]
        if len({run.label for run in runs}) > 1:
            plot_loss_panels(runs, folder / f"{name}.png", title)
            drawn.append(f"{name}.png")
    return drawn


def _read_losses(folder: Path) -> dict[str, list[tuple[int, float]]]:
    curves = json.loads((folder / "curves.json").read_text(encoding="utf-8"))
    return {name: curves[name] for name in STYLES}


def _draw(axis, run: RunCurves, colour: str) -> None:
    for name, (line, alpha) in STYLES.items():
        drawn = f"{run.label}, {name.removesuffix('_loss')}"
        axis.plot(*zip(*run.losses[name], strict=True), line, color=colour, alpha=alpha, linewidth=1.2, label=drawn)
    axis.plot(*min(run.losses["validation_loss"], key=lambda point: point[1]), "o", color=colour, markersize=5)


def _legend(axis) -> None:
    """Each label once, however many seeds were drawn."""
    handles, labels = axis.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axis.legend(once.values(), once.keys(), fontsize="small")
