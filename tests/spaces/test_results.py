"""The Space `results`: what it shows of a study, what it averages and filters, and which strangers' files it skips."""

import json
import os
import sys
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects
from matplotlib.figure import Figure
from scipy import stats
from support import browsing
from support.browsing import HOSTILE, choose
from support.running_spaces import SPACES, running

browser, page = browsing.browser, browsing.page
FOLDER, MODULES = SPACES / "results", ("checks", "reading", "study", "rows", "drawing", "app")
README = "# How wide?\n\nWider is *better*.\n\n| a | b |\n| - | - |\n\n![x](x.png)\n"
ACCURACIES = {"full": (0.91, 0.93, 0.95), "lora": (0.90, 0.92, 0.91), "frozen": (0.81, 0.80, 0.82)}
pytestmark = pytest.mark.slow


@pytest.fixture
def modules(monkeypatch):
    """The Space's modules, and none of that name left behind."""
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(FOLDER))
    yield {name: __import__(name) for name in MODULES}
    for name in MODULES:
        sys.modules.pop(name, None)


def run_of(metrics: dict, seed: int = 0, **others) -> str:
    facts = {"dataset": {"name": "arithmetic", "metric": "accuracy"}}
    content = {"metrics": metrics, "seed": seed, "parameters": {"total": 1000, "trainable": 20}, "schema": 1}
    return json.dumps({**content, "splits": {"test": 160}, "facts": facts, **others})


def row_of(setting: str, values: tuple, verdict: str = "", difference: dict | None = None, **others) -> dict:
    low, high = map(float, stats.t.interval(0.95, len(values) - 1, loc=stats.tmean(values), scale=stats.sem(values)))
    row = {"setting": setting, "runs": [], "values": {str(seed): value for seed, value in enumerate(values)}}
    row |= {"mean": float(stats.tmean(values)), "sd": float(stats.tstd(values)), "n": len(values)}
    row |= {"low": low, "high": high, "trained": 20, "total": 1000, "difference": difference, "verdict": verdict}
    return row | others


def written_study(**others) -> dict:
    """A `study.json` in which one setting is worse than the baseline and one cannot be told from it."""
    difference = {"mean": -0.02, "low": -0.06, "high": 0.02, "method": "Student's t"}
    far = {"mean": -0.12, "low": -0.16, "high": -0.08, "method": "Student's t"}
    rows = [
        row_of("full", ACCURACIES["full"], trained=1000),
        row_of("frozen", ACCURACIES["frozen"], "worse", far, trained=5),
        row_of("lora", ACCURACIES["lora"], "cannot tell", difference),
    ]
    part = {"name": "arithmetic", "split": "test", "examples": 160, "metric": "accuracy", "metric_name": "accuracy"}
    part |= {"higher_is_better": True, "baseline": "full", "reference": {"name": "majority class", "value": 0.756}}
    parts = [{**part, "detectable": 0.04, "rows": rows}]
    return {"schema": 1, "title": "Three ways", "sentences": ["**Frozen** is worse."], "parts": parts, **others}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> Path:
    """A study with a `study.json`, one of runs alone, and one of a stranger."""
    folder = tmp_path_factory.mktemp("studies")
    for run, seed, accuracy in (
        ("wide-seed0", 0, 0.8),
        ("wide-seed1", 1, 0.9),
        ("wide-seed2", 2, 1.0),
        ("low", 0, 0.25),
    ):
        metrics = {"test": {"word_accuracy": accuracy, "loss": 1 - accuracy}, "validation": {"loss": 0.5}}
        write(folder / "capacity" / run / "results.json", run_of(metrics, seed, facts={}))
    write(
        folder / "capacity" / "README.md", "# How wide?\n\nWider is *better*.\n\n| a | b |\n| - | - |\n\n![x](x.png)\n"
    )
    for setting, values in ACCURACIES.items():
        for seed, value in enumerate(values):
            name = f"arithmetic-{setting}-seed{seed}"
            write(folder / "three" / name / "results.json", run_of({"test": {"loss": 0.5, "accuracy": value}}, seed))
    write(folder / "three" / "study.json", json.dumps(written_study()))
    for name in ("trade_off", "curves"):
        figure = Figure()
        figure.subplots().plot([1, 2])
        figure.savefig(folder / "three" / f"{name}.png")
    write(folder / "<b>evil" / f"<i>{HOSTILE[:8]}" / "results.json", run_of({HOSTILE: {"<i>odd": 0.5}}))
    outside = (
        "![a](https://example.com/a.png) <img src=https://example.com/b.png> ![c][d]\n\n[d]: https://example.com/c"
    )
    markdown = [HOSTILE, outside, "[click](javascript:document.title='owned')", "$$\\href{javascript:alert(1)}{x}$$"]
    markdown += ['```mermaid\ngraph TD; a-->b; click a "https://example.com"\n```']
    hostile = (
        json.dumps(written_study(title=HOSTILE, sentences=markdown))
        .replace("lora", "<u>lora")
        .replace("cannot tell", HOSTILE[:50].replace('"', "'"))
    )
    write(folder / "stranger" / "study.json", hostile)
    write(folder / "stranger" / "<u>half" / "results.json", "{")
    return folder


@pytest.fixture(scope="module")
def results(studies, tmp_path_factory):
    with running(FOLDER, tmp_path_factory.mktemp("space") / "log.txt", RESULTS_DIR=studies) as space:
        yield space


def test_results_are_averaged_over_seeds_and_filtered(results):
    answer = results.call("results", "capacity", "test", "word_accuracy", "")
    means = {row["setting"]: (row["mean"], row["sd"], row["n"]) for row in answer["means"]}
    assert means == {"wide": (pytest.approx(0.9), pytest.approx(0.1), 3), "low": (0.25, None, 1)}
    assert len(answer["runs"]) == 4 and {row["parameters"] for row in answer["runs"]} == {1000}
    assert [row["run"] for row in results.call("results", "all", "validation", "loss", "SEED1")["runs"]] == [
        "wide-seed1"
    ]
    assert len(results.call("results", "all", "all", "all", "")["runs"]) == 12 + 18 + 1


def test_a_study_that_was_written_is_answered_as_it_is(results):
    answer = results.call("study", "three")
    expected = written_study()
    assert {name: answer[name] for name in ("title", "sentences", "parts")} == {
        name: expected[name] for name in ("title", "sentences", "parts")
    }
    assert answer["figures"] == ["curves.png", "trade_off.png"]
    with pytest.raises(RuntimeError, match="capacity"):
        results.call("study", "none")


def test_a_study_of_runs_alone_is_measured_with_students_interval(results):
    answer = results.call("study", "capacity")
    assert (answer["title"], answer["sentences"]) == ("How wide?", ["Wider is *better*."])
    (part,) = answer["parts"]
    assert (part["split"], part["metric"], part["examples"]) == ("test", "word_accuracy", 160)
    rows = {row["setting"]: row for row in part["rows"]}
    expected = row_of("wide", (0.8, 0.9, 1.0), runs=[f"wide-seed{seed}" for seed in range(3)])
    assert rows["wide"] == {name: pytest.approx(value) for name, value in expected.items()}
    assert (rows["low"]["n"], rows["low"]["sd"], rows["low"]["low"]) == (1, None, None)


@pytest.mark.parametrize(
    ("metrics", "dataset", "expected"),
    [
        ({"validation": {"accuracy": 0.5, "f1": 0.6}}, {"name": "mrpc", "metric": "f1"}, ("validation", "f1", True)),
        ({"validation": {"f1": 0.6, "loss": 1}, "test": {"loss": 1}}, {}, ("validation", "f1", True)),
        ({"validation": {"a": 0.6}, "test": {"a": 0.6}}, {}, ("test", "a", True)),
        ({"test": {"perplexity": 3.5, "loss": 1}}, {}, ("test", "perplexity", False)),
        ({"train": {"cer": 0.1}}, {}, ("train", "cer", False)),
    ],
)
def test_each_task_chooses_its_split_and_metric(modules, tmp_path, metrics, dataset, expected):
    write(tmp_path / "runs" / "a" / "results.json", run_of(metrics, facts={"dataset": dataset}))
    (part,) = modules["study"].Library(tmp_path, "x").studies["runs"].describe()["parts"]
    assert (part["split"], part["metric"], part["higher_is_better"]) == expected


def test_settings_of_a_task_drop_its_name_and_seeds_that_repeat_are_kept_apart(modules, tmp_path):
    for task in ("rte", "cola"):
        for name in ("full-seed0", "full-seed1"):
            content = run_of({"test": {"accuracy": 0.5}}, facts={"dataset": {"name": task}})
            write(tmp_path / "runs" / f"{task}-{name}" / "results.json", content)
    parts = modules["study"].Library(tmp_path, "x").studies["runs"].describe()["parts"]
    assert [(part["name"], [row["setting"] for row in part["rows"]]) for part in parts] == [
        ("cola", ["full"]),
        ("rte", ["full"]),
    ]
    assert parts[1]["rows"][0]["values"] == {"rte-full-seed0": 0.5, "rte-full-seed1": 0.5}


def test_every_study_of_its_own_is_shown_without_a_variable(tmp_path):
    names = sorted(folder.name for folder in (FOLDER / "studies").iterdir())
    with running(FOLDER, tmp_path / "log.txt") as space:
        answers = {name: space.call("study", name) for name in names}
        skipped = space.call("results", "strategies", "validation", "accuracy", "rte-full")["skipped"]
    assert skipped == []
    for name, answer in answers.items():
        assert answer["parts"] and all(part["rows"] for part in answer["parts"]), name


def test_the_endpoints_are_documented(results):
    assert results.endpoints() == {"/results", "/study"}


def test_a_snapshot_holds_all_that_is_shown(modules):
    files = ["s/study.json", "s/README.md", "s/run/results.json", "s/figure.png", "s/run/model.safetensors"]
    assert list(filter_repo_objects(files, allow_patterns=modules["app"].PATTERNS)) == files[:4]


FINE = {"test": {"accuracy": 0.5}}
SKIPPED = {
    "half": ('{"metrics": ', "broken"),
    "list": ("[]", "not a JSON object"),
    "newer": (run_of(FINE, schema=99), "schema 99 is newer"),
    "nan": (run_of({"test": {"accuracy": float("nan")}}), "metrics.test.accuracy is not finite"),
    "infinite": (run_of({"test": {"accuracy": float("-inf")}}), "metrics.test.accuracy is not finite"),
    "digits": (run_of({"test": {"accuracy": 10**400}}), "metrics.test.accuracy is too large"),
    "more_digits": ('{"metrics": ' + "1" * 5000, "broken"),
    "parameters": (run_of(FINE, parameters={"total": 10**400}), "parameters.total is too large"),
    "negative": (run_of(FINE, parameters={"total": -1}), "parameters.total is negative"),
    "seed": (run_of(FINE, seed=0.5), "seed is not a whole number"),
    "text": (run_of({"test": {"accuracy": "high"}}), "metrics.test.accuracy is not a number"),
    "flat": (run_of({"test": 0.5}), "metrics.test is not an object"),
    "missing": ("{}", "metrics is missing"),
    "surrogate": (run_of({"test": {"\ud800": 0.5}}), "lone surrogate"),
    "long": (run_of({"test": {"m" * 300_000: 0.5}}), "300,000 characters"),
    "many": (run_of({"test": {f"m{number}": 0.5 for number in range(2000)}}), "at most 100 names"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "large": (" " * 1_000_001, "larger than 1,000,000 bytes"),
}
PART = written_study()["parts"][0]
UNWRITTEN = {
    "newer": (written_study(schema=2), "schema 2 is newer"),
    "no_title": (written_study(title=None), "title is missing"),
    "sentence": (written_study(sentences=["a" * 6000]), "sentences[0] has 6,000 characters"),
    "no_part": (written_study(parts=[{}]), "parts[0].name is missing"),
    "interval": (written_study(parts=[PART | {"rows": [row_of("a", (1, 2), low=3.0, high=1.0)]}]), "has no interval"),
}


def test_files_that_cannot_be_shown_are_named_with_the_reason(tmp_path):
    root = tmp_path / "studies"
    reasons = {f"bad/{name}/results.json": reason for name, (_, reason) in SKIPPED.items()}
    for name, (text, _) in SKIPPED.items():
        write(root / "bad" / name / "results.json", text)
    for name, (content, reason) in UNWRITTEN.items():
        write(root / name / "study.json", json.dumps(content))
        reasons[f"{name}/study.json"] = reason
    write(root / "bad" / "fine" / "results.json", run_of({"test": {"accuracy": 1e99, "tiny": 5e-324, "zero": 0}}))
    Figure().savefig(root / "bad" / "whole.png")
    (root / "bad" / "half.png").write_bytes((root / "bad" / "whole.png").read_bytes()[:-100])
    write(root / "bad" / "text.png", "no picture")
    (root / "bad" / "README.md").write_bytes(b"\xff\xfe")
    os.mkfifo(root / "bad" / "pipe.png")
    (root / "bad" / "pipe").mkdir()
    os.mkfifo(root / "bad" / "pipe" / "results.json")
    (root / "bad" / "device").mkdir()
    (root / "bad" / "device" / "results.json").symlink_to("/dev/zero")
    write(Path(os.fsdecode(os.fsencode(root / "bad") + b"/\xff")) / "results.json", run_of(FINE))
    write(root.joinpath(*"abcdefgh") / "results.json", run_of(FINE))
    reasons |= {"bad/half.png": "not a whole PNG", "bad/text.png": "not a whole PNG", "bad/README.md": "not UTF-8"}
    reasons |= {
        f"bad/{name}": "not a regular file" for name in ("pipe.png", "pipe/results.json", "device/results.json")
    }
    reasons |= {"bad/\\xff/results.json": "not UTF-8", "a/b/c/d/e/f": "too deep"}
    with running(FOLDER, tmp_path / "log.txt", RESULTS_DIR=root) as space:
        answer, study = space.call("results", "all", "all", "all", ""), space.call("study", "bad")
    skipped = dict(line.split(": ", 1) for line in answer["skipped"])
    assert skipped.keys() == reasons.keys()
    assert {name for name, reason in reasons.items() if reason not in skipped[name]} == set()
    assert {run["run"] for run in answer["runs"]} == {"fine"} and study["figures"] == ["whole.png"]
    assert "Traceback" not in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("values", [(0.0,), (5e-324, 0.0), (1e99, -1e99), (0.1, 0.1 + 1e-17), (-3.0, 1e15), (1e-99, 0)])
def test_any_numbers_have_an_axis(modules, values):
    values = [modules["checks"].number(value, "") for value in values]
    row = row_of("a", (1.0, 2.0), mean=values[0], low=None, high=None) | {"values": dict(enumerate(values))}
    part = {**PART, "reference": None, "rows": [row]}
    drawn = modules["drawing"].draw_parts([part], "score")
    assert "nan" not in drawn and drawn.count("<circle cx=") == len(values) and '<div class="axis"><span' in drawn


def test_an_interval_that_would_press_the_dots_together_goes_on_beyond_the_axis(modules):
    rows = [row_of("two", (0.90, 0.91)), row_of("three", (0.90, 0.91, 0.92))]
    part = {**PART, "reference": {"name": "chance", "value": 0.1}}
    axis = modules["drawing"].Axis.around(part, rows)
    assert rows[0]["high"] - rows[0]["low"] > 0.1 and 0.87 < axis.low < 0.9 and 0.92 < axis.high < 0.95
    drawn = modules["drawing"].dot_plot(part, rows)
    assert drawn.count(modules["drawing"].LEFT) == 1 and "chance 0.1000 (beyond the axis)" in drawn


def names(page) -> list[str]:
    return page.locator("#parts .row > b").all_inner_texts()


def opened(page, space, study: str | None = None):
    """The page, on a study."""
    page.goto(space.url)
    page.locator("#parts .row").first.wait_for()
    if study:
        choose(page, "Study", study)


def test_a_visitor_reads_compares_and_sorts_a_study(page, results):
    opened(page, results)
    page.get_by_role("heading", name="Three ways").wait_for()  # a study that was written comes first
    assert page.locator("#sentences strong").inner_text() == "Frozen"
    assert names(page) == ["full", "lora", "frozen"] and page.locator("#parts .row circle").count() == 9
    assert min(float(tick) for tick in page.locator("#parts .axis span").all_inner_texts()) > 0.5
    assert page.locator("#parts .lines .reference").count() == page.locator("#parts .lines .baseline").count() == 1
    assert "majority class 0.7560" in page.locator("#parts .key").inner_text()
    tip = page.locator("#parts .row.worse .tip")
    assert not tip.is_visible()
    page.locator("#parts .row.worse").focus()
    tip.wait_for()
    assert "−0.1200 [−0.1600, −0.0800]" in tip.inner_text() and "seeds 0: 0.8100" in tip.inner_text()
    choose(page, "Sort by", "trained parameters")
    page.wait_for_function("document.querySelector('#parts .row > b').innerText === 'frozen'")
    assert names(page) == ["frozen", "lora", "full"]
    choose(page, "Score", "loss, test")
    page.wait_for_function("document.querySelector('#parts summary').innerText.includes('loss')")
    choose(page, "Study", "capacity")
    page.get_by_role("heading", name="How wide?").wait_for()
    page.wait_for_function("document.querySelector('#parts .row > b').innerText === 'low'")
    assert page.get_by_label("Score", exact=True).input_value() == "as reported"
    assert not page.locator("#figures").is_visible()


def test_the_table_has_the_verdicts_and_is_folded_on_a_phone(page, results):
    opened(page, results)
    lora = page.locator("#parts tbody tr", has_text="lora")
    if page.viewport_size["width"] < 640:
        assert not lora.is_visible()
        page.get_by_label("Show the table").check()
    lora.wait_for()
    said = ("0.9100 ± 0.0100", "20", "2.00%", "−0.0200 [−0.0600, +0.0200]", "cannot tell")
    assert all(text in lora.inner_text() for text in said)
    assert page.evaluate("document.documentElement.scrollHeight") < 2000


def test_a_figure_enlarges_on_a_click(page, results):
    opened(page, results)
    images = page.locator("#figures .thumbnail-item img")
    images.nth(1).wait_for()
    page.wait_for_function("[...document.querySelectorAll('#figures img')].every(image => image.naturalWidth > 100)")
    before = images.first.bounding_box()["width"]
    page.locator("#figures button", has_text="trade_off.png").click()
    large = page.locator("#figures .preview img").first
    large.wait_for()
    page.wait_for_function(
        "before => document.querySelector('#figures .preview img').getBoundingClientRect().width >= before", arg=before
    )


def test_runs_are_folded_away_and_found_by_name(page, results):
    opened(page, results)
    runs = page.locator("#runs tbody tr")
    assert not page.locator("#runs").is_visible()
    page.get_by_role("button", name="Runs").click()
    page.wait_for_function("document.querySelectorAll('#runs tbody tr').length === 9")
    page.get_by_label("Name contains").fill("LORA seed2")
    page.wait_for_function("document.querySelectorAll('#runs tbody tr').length === 1")
    assert "0.9100" in runs.inner_text()


def test_strangers_texts_are_shown_and_do_nothing(page, results):
    opened(page, results, "stranger")
    page.locator("#sentences", has_text="{{value}} stop").wait_for()
    page.locator("#parts .row > b", has_text="<u>lora").wait_for()
    assert page.locator("#parts :is(u, img, script), #sentences :is(img, script)").count() == 0
    page.get_by_text("click", exact=True).click()
    choose(page, "Study", "<b>evil")
    page.locator("#parts summary", has_text="<i>odd").wait_for()
    page.get_by_role("button", name="Runs").click()
    page.locator("#runs td", has_text="<i>").wait_for()
    assert page.locator("#parts :is(i[onerror], img, script), #runs :is(i, img, script)").count() == 0
    page.locator("#skipped summary", has_text="Skipped: 1").click()
    page.locator("#skipped li", has_text="stranger/<u>half/results.json: broken").wait_for()
    assert page.title() == "Results"


def test_nothing_is_white_in_the_dark(page, results):
    page.goto(f"{results.url}?__theme=dark")
    page.locator("#figures img").first.wait_for()
    bright = page.evaluate("""() => [...document.querySelectorAll('.gradio-container *')].filter(element => {
        const [red, green, blue, alpha] = getComputedStyle(element).backgroundColor.match(/[0-9.]+/g).map(Number);
        const box = element.getBoundingClientRect();
        return alpha !== 0 && (red + green + blue) / 3 > 128 && box.width * box.height > 10000;
    }).map(element => element.className)""")
    assert bright == []
    assert "invert" in page.locator("#figures img").first.evaluate("image => getComputedStyle(image).filter")


def test_a_folder_without_results_says_so(page, tmp_path):
    (tmp_path / "empty").mkdir()
    with running(FOLDER, tmp_path / "log.txt", RESULTS_DIR=tmp_path / "empty") as space:
        page.goto(space.url)
        page.get_by_text("There are no results.").wait_for()
