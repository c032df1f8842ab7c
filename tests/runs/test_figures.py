"""Figures: what is written in them is what was given, and they stay small enough to look at."""

import json

import pytest
from PIL import Image

from workbench.runs.figures import plot_confusion, plot_curves

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
