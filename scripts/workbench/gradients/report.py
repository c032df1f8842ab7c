"""The page of traced gradients: the computation graph, every value and derivative, and the update."""

import json
from pathlib import Path

import torch
from matplotlib.patches import FancyBboxPatch

from workbench.files import write_whole
from workbench.runs.figures import plt, save_figure

from .network import SHAPES, Derivative, forward, jacobian_distance, show_shape, softmax_jacobian, update

GRAPH, NUMBERS = "graph.png", "gradients.json"
JACOBIAN = "∂P_j/∂O_k = e^{O_j}/s · (δ_jk − e^{O_k}/s), s = Σ_i e^{O_i}"
# Name -> (column, row) of the graph, and what it is made of.
PLACES = {
    "X": (0, 0), "H": (0, 1), "b_H": (0, 2), "Z": (1, 0), "A": (2, 0), "U": (2, 1), "b_U": (2, 2), "O": (3, 0),
    "P": (4, 0), "Y": (4, 1), "L": (5, 0),
}  # fmt: skip
EDGES = {"Z": ("X", "H", "b_H"), "A": ("Z",), "O": ("A", "U", "b_U"), "P": ("O",), "L": ("P", "Y")}
WORDS = {
    "Z": "Z = X H + b_H",
    "A": "A = ReLU(Z)",
    "O": "O = A U + b_U",
    "P": "P = softmax(O)",
    "L": "L = mean of −Σ Y log P",
}


def draw_graph(values: dict[str, torch.Tensor], path: Path) -> None:
    """The computation graph: what is given in blue, what is computed in orange, each with its dimensions."""
    figure, axis = plt.subplots(figsize=(13, 4), layout="constrained")
    for target, sources in EDGES.items():
        for source in sources:
            (x, y), (to_x, to_y) = PLACES[source], PLACES[target]
            ends = {"xytext": (2.2 * x + 0.8, -y), "xy": (2.2 * to_x - 0.85, -to_y)}
            axis.annotate("", **ends, arrowprops={"arrowstyle": "-|>", "color": "#555555"})
    for name, (x, y) in PLACES.items():
        colour = "#cfe3f3" if name in SHAPES else "#fbe3c8"
        box = FancyBboxPatch((2.2 * x - 0.8, -y - 0.27), 1.6, 0.54, boxstyle="round,pad=0.04", fc=colour, ec="#555555")
        axis.add_patch(box)
        size = show_shape(values[name]) or "a number"
        axis.text(2.2 * x, -y, f"{WORDS.get(name, name)}\n{size}", ha="center", va="center", fontsize=8.5)
    axis.set(xlim=(-1, 12), ylim=(-2.5, 0.5))
    axis.axis("off")
    data = {name: {"shape": list(values[name].shape), "from": list(EDGES.get(name, ()))} for name in PLACES}
    save_figure(figure, path, data)


def show_matrix(matrix: torch.Tensor) -> str:
    """Rows of numbers with four digits behind the point."""
    rows = matrix.reshape(1, -1).tolist() if matrix.dim() < 2 else matrix.tolist()
    return "\n".join("  ".join(f"{cell + 0.0:9.4f}" for cell in row) for row in rows)


def write_page(folder: Path, matrices: dict[str, torch.Tensor], found: list[Derivative], rate: float) -> str:
    """Writes README.md, graph.png and gradients.json; returns the page."""
    values = forward(matrices)
    after = update(matrices, found, rate)
    jacobian, distance = softmax_jacobian(values["O"]), jacobian_distance(values["O"])
    later = forward(after)
    draw_graph(values, folder / GRAPH)
    parts = [
        "# Every gradient of a classifier with one hidden layer",
        f"![The computation graph]({GRAPH})",
        "## Forward",
    ]
    parts += [_block(f"{WORDS[name]}  ({show_shape(values[name]) or 'a number'})", values[name]) for name in WORDS]
    parts.append("## Backward")
    parts += [_block(f"∂L/∂{one.name} = {one.formula}  ({show_shape(one.value)})", one.value) for one in found]
    parts.append(f"## The Jacobian of softmax, in terms of O\n\n{JACOBIAN}")
    parts += [_block(f"Item {number}", its) for number, its in enumerate(jacobian, start=1)]
    largest = max([distance, *(one.distance for one in found)])
    parts.append(
        f"All {len(found)} derivatives and the Jacobian are autograd's: the largest distance is {largest:.1e}."
    )
    parts.append(f"## One update at rate {rate:g}")
    parts += [_block(f"{name} − {rate:g} · ∂L/∂{name}", after[name]) for name in after if name not in ("X", "Y")]
    parts.append(_losses(values, later))
    page = "\n\n".join(parts) + "\n"
    write_whole(folder / "README.md", page)
    content = {name: tensor.tolist() for name, tensor in values.items()} | {"softmax_jacobian": jacobian.tolist()}
    content["derivatives"] = {one.name: {"formula": one.formula, "value": one.value.tolist()} for one in found}
    content |= {"rate": rate, "largest_distance_to_autograd": largest, "losses_after": later["losses"].tolist()}
    content["updated"] = {name: after[name].tolist() for name in after if name not in ("X", "Y")}
    write_whole(folder / NUMBERS, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return page


def _block(title: str, matrix: torch.Tensor) -> str:
    return f"{title}\n\n```text\n{show_matrix(matrix)}\n```"


def _losses(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> str:
    """A table of the loss of each item, in nats."""
    rows = list(zip(before["losses"].tolist(), after["losses"].tolist(), strict=True))
    lines = ["| item | loss before | loss after |", "| ---: | ---: | ---: |"]
    lines += [f"| {number} | {was:.4f} | {now:.4f} |" for number, (was, now) in enumerate(rows, start=1)]
    return "\n".join([*lines, f"| mean | {before['L']:.4f} | {after['L']:.4f} |"])
