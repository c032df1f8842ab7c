"""Figures: PNG, with the data behind them as JSON beside."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from .results import write_whole


def save_figure(figure, path: Path, data) -> None:
    """Writes `path` (.png) and the numbers shown in it (.json)."""
    beside = path.with_name(f".{path.name}")
    figure.savefig(beside, format="png", dpi=150, bbox_inches="tight")
    beside.replace(path)
    plt.close(figure)
    write_whole(path.with_suffix(".json"), json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def plot_curves(log_history: list[dict], path: Path, title: str) -> None:
    """Training and validation loss per step, and validation word accuracy where it was measured.

    Args:
        log_history: `trainer.state.log_history`.
    """
    train = [(entry["step"], float(entry["loss"])) for entry in log_history if "loss" in entry]
    losses = [(entry["step"], float(entry["eval_loss"])) for entry in log_history if "eval_loss" in entry]
    accuracies = [
        (entry["step"], float(entry["eval_word_accuracy"])) for entry in log_history if "eval_word_accuracy" in entry
    ]
    figure, axis = plt.subplots(figsize=(7, 4))
    axis.plot(*zip(*train, strict=True), label="training loss", color="tab:blue", alpha=0.6)
    axis.plot(*zip(*losses, strict=True), label="validation loss", color="tab:orange", marker=".")
    axis.set(xlabel="optimiser step", ylabel="loss (nats per symbol)", yscale="log", title=title)
    handles = axis.get_lines()
    if accuracies:
        right = axis.twinx()
        right.plot(*zip(*accuracies, strict=True), label="validation word accuracy", color="tab:green", ls="--")
        right.set(ylabel="word accuracy", ylim=(0, 1.02))
        handles = [*handles, *right.get_lines()]
    axis.legend(handles=handles, loc="center right")
    data = {"training_loss": train, "validation_loss": losses, "validation_word_accuracy": accuracies}
    save_figure(figure, path, data)


def plot_attention(panels: dict[str, list[list[float]]], source: list[str], output: list[str], path: Path) -> None:
    """Heatmaps of attention weights: output symbols (rows) by source symbols (columns), one panel per layer.

    Args:
        panels: title -> weights (output, source), 0 to 1.
    """
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
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
    figure.colorbar(image, ax=axes, label="attention weight")
    save_figure(figure, path, {"source": source, "output": output, "weights": panels})
