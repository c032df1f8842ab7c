"""Figures: PNG, with the data behind them as JSON beside."""

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

from workbench.files import write_whole

from .metrics import metric_name

matplotlib.use("Agg")

# Classes that a confusion matrix has room to name.
MOST_CELLS = 25
# Heatmaps of attention side by side.
MOST_COLUMNS = 4
# Points of a curve that are marked one by one.
MOST_MARKED = 50
# A change of a score up to which an ablation's colours stay pale, however small all changes are.
PALE_CHANGE = 0.1


def save_figure(figure, path: Path, data) -> None:
    """Writes `path` (.png) and the numbers shown in it (.json)."""
    beside = path.with_name(f".{path.name}")
    figure.savefig(beside, format="png", dpi=150, bbox_inches="tight")
    beside.replace(path)
    plt.close(figure)
    write_whole(path.with_suffix(".json"), json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def plain(text: str) -> str:
    """A text for a figure as it is: matplotlib takes what is between two dollar signs for a formula."""
    return text.replace("$", r"\$")


def plot_curves(
    log_history: list[dict], path: Path, title: str, score: str = "word_accuracy", unit: str = "nats per symbol"
) -> None:
    """Training and validation loss per step, and a validation score where it was measured.

    Args:
        log_history: `trainer.state.log_history`.
        score: what the evaluations' entries call it, without `eval_`.
        unit: of the loss.
    """
    train = [(entry["step"], float(entry["loss"])) for entry in log_history if "loss" in entry]
    losses = [(entry["step"], float(entry["eval_loss"])) for entry in log_history if "eval_loss" in entry]
    scores = [(entry["step"], float(entry[f"eval_{score}"])) for entry in log_history if f"eval_{score}" in entry]
    figure, axis = plt.subplots(figsize=(7, 4))
    axis.plot(*zip(*train, strict=True), label="training loss", color="tab:blue", alpha=0.6, marker=_marker(train))
    axis.plot(*zip(*losses, strict=True), label="validation loss", color="tab:orange", marker=_marker(losses))
    axis.set(xlabel="optimiser step", ylabel=f"loss ({unit})", yscale="log", title=plain(title))
    handles = axis.get_lines()
    if scores:
        name, right = metric_name(score), axis.twinx()
        right.plot(
            *zip(*scores, strict=True), label=f"validation {name}", color="tab:green", ls="--", marker=_marker(scores)
        )
        right.set(ylabel=name, ylim=(min(0, *(value for _, value in scores)), 1.02))
        handles = [*handles, *right.get_lines()]
    axis.legend(handles=handles, loc="center right")
    data = {"training_loss": train, "validation_loss": losses, f"validation_{score}": scores}
    save_figure(figure, path, data)


def _marker(points: list) -> str:
    """A single point has no line to be seen by."""
    return "o" if len(points) == 1 else "." if len(points) <= MOST_MARKED else ""


def plot_attention(panels: dict[str, list[list[float]]], source: list[str], output: list[str], path: Path) -> None:
    """Heatmaps of attention weights: output symbols (rows) by source symbols (columns), one panel per layer.

    Args:
        panels: title -> weights (output, source), 0 to 1.
    """
    rows = -(-len(panels) // MOST_COLUMNS)
    columns = -(-len(panels) // rows)
    width, height = 1 + 0.28 * len(source), 1 + 0.28 * len(output)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * width + 1, rows * height), squeeze=False, layout="constrained"
    )
    image = None
    for axis, (title, weights) in zip(axes.flat, panels.items(), strict=False):
        image = axis.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        axis.set(title=title, xlabel="source", ylabel="output")
        axis.set_xticks(range(len(source)), source)
        axis.set_yticks(range(len(output)), output)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    figure.colorbar(image, ax=list(axes.flat[: len(panels)]), label="attention weight")
    save_figure(figure, path, {"source": source, "output": output, "weights": panels})


def plot_confusion(counts: list[list[int]], names: list[str], path: Path, title: str) -> None:
    """A confusion matrix: right classes (rows) by answers (columns), coloured by the share of the row.

    Of many classes, only some are named and no cell is written out: the numbers are in the JSON beside.

    Args:
        counts: examples, (right, answered).
    """
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    shown, every = len(names) <= MOST_CELLS, -(-len(names) // MOST_CELLS)
    size = 2.5 + 0.55 * min(len(names), MOST_CELLS)
    figure, axis = plt.subplots(figsize=(size + 1.5, size), layout="constrained")
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(len(names), len(names)) if shown else ():
        colour = "white" if shares[row][column] > 0.5 else "black"
        axis.text(column, row, f"{counts[row][column]:,}", ha="center", va="center", color=colour, fontsize=8)
    axis.set(xlabel="answer", ylabel="right class")
    figure.suptitle(plain(title), fontsize=10)
    places, labels = range(0, len(names), every), [plain(name) for name in names[::every]]
    axis.set_xticks(places, labels, rotation=45 if len(names) > 2 else 0, ha="right" if len(names) > 2 else "center")
    axis.set_yticks(places, labels)
    figure.colorbar(image, ax=axis, label="share of the right class")
    save_figure(figure, path, {"classes": names, "counts": counts})


def plot_layer_weights(weights: list[float], path: Path, title: str) -> None:
    """Bars of how much of each layer a learned mix takes, the embeddings first; a line where all would be equal."""
    figure, axis = plt.subplots(figsize=(2.5 + 0.35 * len(weights), 3), layout="constrained")
    axis.bar(range(len(weights)), weights, color="tab:blue")
    axis.axhline(1 / len(weights), color="black", ls="--", lw=1)
    axis.text(len(weights) - 0.5, 1 / len(weights), " equal", va="center", fontsize=8)
    axis.set(xlabel="layer (0: embeddings)", ylabel="share of the mix", title=plain(title))
    axis.set_xticks(range(len(weights)))
    save_figure(figure, path, {"layer_weights": weights})


def plot_ablation(
    changes: dict[tuple[int, int], float], layers: int, path: Path, title: str, scores: dict, score: str
) -> None:
    """Upper triangle of relative changes of a score, first removed layer (rows) by last removed layer (columns).

    Zero is white, and losses and gains of one size have equally strong colours.

    Args:
        changes: (first, last), counted from 0 -> change relative to the whole model's score.
        scores: (first, last) and, under None, the whole model's: the values behind the changes, for the JSON.
    """
    grid = np.full((layers, layers), np.nan)
    for span, change in changes.items():
        grid[span] = change
    size = 2.5 + 0.55 * layers
    figure, axis = plt.subplots(figsize=(size + 1.5, size), layout="constrained")
    largest = max(map(abs, changes.values()))
    limit, digits = max(PALE_CHANGE, largest), 0 if largest > PALE_CHANGE else 1
    image = axis.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit)
    for (first, last), change in changes.items():
        colour = "white" if abs(change) > 0.6 * limit else "black"
        shown = f"{change:+.{digits}%}" if round(change, 2 + digits) else "0%"
        axis.text(last, first, shown, ha="center", va="center", fontsize=8, color=colour)
    names = range(1, layers + 1)
    axis.set(xlabel="last removed layer", ylabel="first removed layer")
    figure.suptitle(plain(title), wrap=True, fontsize=10)
    axis.set_xticks(range(layers), names)
    axis.set_yticks(range(layers), names)
    label = f"change of the {metric_name(score)}, relative to all adapters' {scores[None]:.4f}"
    figure.colorbar(image, ax=axis, label=label, format="{x:+.0%}", ticks=np.linspace(-limit, limit, 5))
    cells = [
        {"first": first + 1, "last": last + 1, score: scores[first, last], "change": change}
        for (first, last), change in changes.items()
    ]
    save_figure(figure, path, {"score": score, "whole": scores[None], "spans": cells})
