"""The Space `results`: what it averages, filters and shows, and what of a visitor's files it skips."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from support import browsing
from support.browsing import choose
from support.running_spaces import SPACES, running

browser, page = browsing.browser, browsing.page
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> Path:
    """Three seeds of one setting and one of another; a broken file, a newer one; figures, one of them broken."""
    folder = tmp_path_factory.mktemp("studies")
    for run, seed, accuracy in (
        ("wide-seed0", 0, 0.8),
        ("wide-seed1", 1, 0.9),
        ("wide-seed2", 2, 1.0),
        ("low", 0, 0.25),
    ):
        metrics = {"test": {"word_accuracy": accuracy, "loss": 1 - accuracy}, "validation": {"loss": 0.5}}
        content = {"metrics": metrics, "seed": seed, "parameters": {"total": 1234}, "schema": 1}
        write(folder / "capacity" / run / "results.json", json.dumps(content))
    write(folder / "<b>evil" / "run" / "results.json", json.dumps({**content, "metrics": {"test": {"<i>odd": 0.5}}}))
    write(folder / "capacity" / "half" / "results.json", '{"metrics": ')
    write(folder / "capacity" / "list" / "results.json", "[]")
    write(folder / "capacity" / "newer" / "results.json", json.dumps({**content, "schema": 99}))
    Figure().savefig(folder / "capacity" / "curves.png")
    write(folder / "capacity" / "broken.png", "no picture")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def results(studies, tmp_path_factory):
    with running(SPACES / "results", tmp_path_factory.mktemp("space") / "log.txt", RESULTS_DIR=studies) as space:
        yield space


def test_results_are_averaged_over_seeds_and_filtered(results):
    answer = results.call("results", "capacity", "test", "word_accuracy", "")
    means = {row["setting"]: (row["mean"], row["sd"], row["n"]) for row in answer["means"]}
    assert means == {"wide": (pytest.approx(0.9), pytest.approx(0.1), 3), "low": (0.25, None, 1)}
    assert len(answer["runs"]) == 4 and {row["parameters"] for row in answer["runs"]} == {1234}
    assert [row["run"] for row in results.call("results", "all", "validation", "loss", "SEED1")["runs"]] == [
        "wide-seed1"
    ]
    assert len(results.call("results", "all", "all", "all", "")["runs"]) == 13
    skipped = " ".join(answer["skipped"])
    assert (
        len(answer["skipped"]) == 3
        and "half/results.json: broken" in skipped
        and "list/results.json: broken: not" in skipped
    )
    assert "newer/results.json: schema 99 is newer" in skipped


def test_without_a_variable_its_own_studies_are_shown(tmp_path):
    with running(SPACES / "results", tmp_path / "log.txt") as space:
        answer = space.call("results", "strategies", "validation", "accuracy", "rte-full")
    (mean,) = answer["means"]
    assert (mean["setting"], mean["n"]) == ("rte-full", 3) and not answer["skipped"]


def test_the_endpoint_is_documented(results):
    assert results.endpoints() == {"/results"}


def test_a_visitor_filters_and_sorts_results_and_sees_the_figures(page, results):
    page.goto(results.url)
    means, runs = page.locator("#means tbody tr"), page.locator("#runs tbody tr")
    runs.nth(3).wait_for()
    assert "0.9" in means.filter(has_text="wide").inner_text() and "0.1" in means.filter(has_text="wide").inner_text()
    assert "newer/results.json" in page.locator("#skipped").inner_text()
    images = page.locator("#comparison img, #figures img")
    assert all(images.evaluate_all("images => images.map(image => image.naturalWidth > 100)")) and images.count() == 2
    assert "broken.png: not shown" in page.locator("#figures").inner_text()
    choose(page, "Sort by", "value")
    page.get_by_label("Largest first").check()
    page.locator("#runs tbody tr:first-child", has_text="wide-seed2").wait_for()
    page.get_by_label("Name contains").fill("low")
    page.wait_for_function("document.querySelectorAll('#runs tbody tr').length === 1")
    page.get_by_label("Name contains").fill("evil")
    choose(page, "Metric", "all")
    page.locator("#runs tbody tr", has_text="<i>odd").wait_for()
    assert page.locator("#runs i").count() == 0
