"""What holds for every Space, and the pages of the metrics."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support import browsing
from support.running_spaces import COMMAND, SPACES, environment, running

NAMES = sorted(folder.name for folder in SPACES.iterdir() if (folder / "app.py").is_file())
browser, page = browsing.browser, browsing.page
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", NAMES)
def test_a_space_is_complete_and_its_pins_agree(name):
    folder = SPACES / name
    card = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    lines = (folder / "requirements.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith(("#", "--")))
    assert card["sdk"] == "gradio" and card["sdk_version"] == pins["gradio"]
    assert card["python_version"] == "3.11"  # the Hub's default, 3.10, is too old for scipy and matplotlib
    assert {"title", "emoji", "colorFrom", "colorTo"} <= card.keys() and card["license"] == "apache-2.0"
    assert len(card["short_description"]) <= 60  # the Hub refuses more
    imported = {top for path in folder.rglob("*.py") for top in imports(path)}
    siblings = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    packages = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
    tops = {packages.get(top, top) for top in imported - siblings - set(sys.stdlib_module_names)}
    assert tops == pins.keys()


def imports(path: Path) -> set[str]:
    """The top-level modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0}
    return {name.split(".")[0] for name in names}


def test_all_spaces_share_one_gradio():
    pins = {re.search(r"^gradio==\S+", (SPACES / name / "requirements.txt").read_text(), re.M)[0] for name in NAMES}
    assert len(pins) == 1


@pytest.mark.parametrize(
    ("name", "variables", "says"),
    [
        ("translator", {}, "MODEL_ID"),
        ("results", {"RESULTS_DIR": "/nowhere"}, "RESULTS_DIR is no folder: /nowhere"),
        ("results", {"RESULTS_REPO": "no name"}, "no name could not be fetched"),
    ],
)
def test_a_space_that_finds_nothing_says_so_in_one_line(name, variables, says, refused):
    place = environment(**variables)
    done = subprocess.run(COMMAND, cwd=SPACES / name, env=place, capture_output=True, text=True, timeout=120)
    assert says in refused(done)


@pytest.mark.parametrize(
    ("name", "example", "typed", "shown"),
    [
        ("word_accuracy", "Example: words", {"Written": "ab\ncd", "Right": "ab\ncx"}, ["0.5", "0.25", "0.25"]),
        ("glue", "Example: mrpc", {"Predictions": "1\n0\n1\n1", "References": "1\n0\n0\n1"}, ["0.75", "0.8"]),
    ],
)
def test_a_visitor_scores_on_the_page_of_a_metric(page, tmp_path, name, example, typed, shown):
    with running(SPACES / name, tmp_path / "log.txt", HF_HOME=tmp_path) as space:
        page.goto(space.url)
        page.get_by_role("button", name="Score").wait_for()
        page.get_by_role("button", name=example).click()
        page.wait_for_function("document.querySelector('textarea')?.value.length > 3")
        for label, text in typed.items():
            page.get_by_label(label, exact=True).fill(text)
        page.get_by_role("button", name="Score").click()
        if name == "glue":
            page.get_by_text("accuracy").first.wait_for()
            assert all(value in page.locator("body").inner_text() for value in shown)
        else:
            page.wait_for_function(
                "[...document.querySelectorAll('input[type=number]')].some(box => box.value === '0.25')"
            )
            assert [box.input_value() for box in page.locator("input[type=number]").all()] == shown
