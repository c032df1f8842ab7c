"""Figures: what is written in them is what was given, and they stay small enough to look at."""

import json

import pytest
from PIL import Image

import workbench.runs.figures
from workbench.runs.figures import plot_ablation, plot_attention, plot_confusion, plot_curves

HISTORY = [{"step": 1, "loss": 1.0}, {"step": 1, "eval_loss": 0.5, "eval_accuracy": 0.5}]


def test_dollar_signs_are_no_formulas(tmp_path):
    names = ["$", "$$", "$5-$10"]
    plot_confusion([[1, 0, 0], [0, 2, 0], [0, 1, 3]], names, tmp_path / "c.png", "costs $x^{$")
    plot_curves(HISTORY, tmp_path / "curves.png", "$\\frac{$", "accuracy")
    assert json.loads((tmp_path / "c.json").read_text())["classes"] == names


@pytest.mark.parametrize("count", [2, 300])
def test_a_confusion_matrix_of_any_number_of_classes_can_be_looked_at(tmp_path, count):
    counts = [[int(row == column) for column in range(count)] for row in range(count)]
    plot_confusion(counts, [f"class {place}" for place in range(count)], tmp_path / "c.png", "many")
    with Image.open(tmp_path / "c.png") as image:
        assert 400 < image.width < 4000
    assert len(json.loads((tmp_path / "c.json").read_text())["counts"]) == count


@pytest.fixture
def drawn(monkeypatch) -> list:
    """The figures that are drawn, before they are written and closed."""
    figures, save = [], workbench.runs.figures.save_figure
    monkeypatch.setattr(
        workbench.runs.figures, "save_figure", lambda figure, *rest: figures.append(figure) or save(figure, *rest)
    )
    return figures


@pytest.mark.parametrize("layers", range(1, 9))
def test_the_attention_of_any_number_of_layers_is_drawn_in_even_rows(tmp_path, drawn, layers):
    panels = {f"layer {number}": [[0.5, 0.5]] * 3 for number in range(layers)}
    plot_attention(panels, ["a", "b"], ["c", "d", "e"], tmp_path / "word.png")
    *maps, bar = drawn[0].axes
    assert [axis.get_title() for axis in maps] == list(panels) and bar.get_ylabel() == "attention weight"
    rows = [axis.get_subplotspec().rowspan.start for axis in maps]
    counts = [rows.count(row) for row in sorted(set(rows))]
    assert max(counts) <= 4 and max(counts) - min(counts) <= 1


def test_a_single_evaluation_can_be_seen(tmp_path, drawn):
    plot_curves(HISTORY, tmp_path / "curves.png", "one epoch", "accuracy")
    lines = [line for axis in drawn[0].axes for line in axis.get_lines()]
    assert len(lines) == 3 and all(line.get_marker() == "o" for line in lines)


@pytest.mark.parametrize(("change", "limit"), [(-0.01, 0.1), (-0.4, 0.4)])
def test_an_ablation_is_white_at_zero_and_pale_where_little_changes(tmp_path, drawn, change, limit):
    changes = {(0, 0): 0.0, (0, 1): change, (1, 1): change / 2}
    scores = {span: 0.8 * (1 + value) for span, value in changes.items()} | {None: 0.8}
    plot_ablation(changes, 2, tmp_path / "ablation.png", "removed", scores, "accuracy")
    axis, bar = drawn[0].axes
    image = axis.get_images()[0]
    assert (image.norm.vmin, image.norm.vmax) == (-limit, limit)
    red, green, blue, _ = image.cmap(image.norm(0.0))
    assert min(red, green, blue) > 0.95
    assert bar.get_ylabel() == "change of the accuracy, relative to all adapters' 0.8000"
    assert [text.get_text() for text in axis.texts][0] == "0%"
