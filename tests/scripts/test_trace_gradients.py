"""trace_gradients.py as a person runs it."""

import json
import re
from pathlib import Path

RECIPE = Path(__file__).parents[2] / "scripts" / "recipes" / "gradients.yaml"


def test_the_recipe_ends_in_a_page_a_graph_and_its_numbers(tmp_path, call):
    code, told = call("trace_gradients", RECIPE, "--output_dir", tmp_path)
    assert code == 0 and told.out.splitlines()[-1] == str(tmp_path)
    assert (tmp_path / "graph.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "graph.json").read_text())["H"]["shape"] == [2, 3]
    content = json.loads((tmp_path / "gradients.json").read_text())
    means = [sum(content[name]) / 3 for name in ("losses", "losses_after")]
    # What the recipe says of itself, and what the page shows.
    assert re.search(r"from (\S+) to (\S+) in one", RECIPE.read_text()).groups() == tuple(f"{m:.4f}" for m in means)
    assert f"| mean | {means[0]:.4f} | {means[1]:.4f} |" in (tmp_path / "README.md").read_text()
    assert content["largest_distance_to_autograd"] < 1e-12


def test_another_page_stays_and_a_ragged_matrix_is_one_line(tmp_path, call):
    (tmp_path / "README.md").write_text("mine")
    code, told = call("trace_gradients", RECIPE, "--output_dir", tmp_path)
    assert code == 2 and "another page and stays" in told.err and told.err.count("\n") == 1
    (tmp_path / "bad.yaml").write_text(RECIPE.read_text().replace("[1.0, 0.5, -0.5]", "[1.0]"))
    code, told = call("trace_gradients", tmp_path / "bad.yaml", "--output_dir", tmp_path / "new")
    assert code == 2 and "H, row 2 has 1 numbers" in told.err and not (tmp_path / "new").exists()
