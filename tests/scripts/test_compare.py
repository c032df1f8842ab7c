"""compare.py on runs of known answers: tables, verdicts, examples, and what cannot be compared."""

import json
import random
from pathlib import Path

import pytest

from workbench.runs.predictions import Predictions, write_predictions
from workbench.runs.results import RunResults

STUDIES = Path(__file__).resolve().parents[2] / "spaces" / "results" / "studies"


def write_run(
    folder: Path, seed: int, share: float, task: str = "reviews", keep: bool = True, count: int = 200
) -> None:
    """A run that is right on about that share of the examples."""
    draw = random.Random(seed * 1000 + round(share * 100))
    labels = ["bad" if number % 4 else "good" for number in range(count)]
    given = [label if draw.random() < share else "other" for label in labels]
    accuracy = sum(a == b for a, b in zip(labels, given, strict=True)) / count
    folder.mkdir(parents=True)
    if keep:
        ids = [f"id{number}" for number in range(count)]
        write_predictions(folder, {"test": Predictions(ids, labels, given)})
        rows = [
            f"text {number}\t{label}\t{answer}"
            for number, (label, answer) in enumerate(zip(labels, given, strict=True))
        ]
        (folder / "test_predictions.tsv").write_text("\n".join(["text\tlabel\tprediction", *rows]) + "\n")
    facts = {"dataset": {"name": task, "metric": "accuracy", "labels": ["bad", "good", "other"]}}
    facts |= {"majority": {"class": "bad", "test": {"accuracy": 0.75}}}
    RunResults(
        {"test": {"accuracy": accuracy, "loss": 1.0}}, {"test": count}, {"total": 10, "trainable": 5}, {"train": 1.0},
        seed, facts=facts, versions={},
    ).write(folder)  # fmt: skip


@pytest.fixture
def runs(tmp_path) -> Path:
    for seed in range(3):
        write_run(tmp_path / f"full-seed{seed}", seed, 0.80)
        write_run(tmp_path / f"lora-seed{seed}", seed, 0.81)
        write_run(tmp_path / f"frozen-seed{seed}", seed, 0.55)
    return tmp_path


def test_verdicts_table_and_page(runs, call):
    settings = [f"{runs}/full-seed*", f"small={runs}/lora-seed*", runs / "frozen"]
    code, told = call("compare", *settings, "--output_dir", runs / "said", "--examples", 3)
    assert code == 0, told.err
    study = json.loads((runs / "said" / "study.json").read_text())["parts"][0]
    verdicts = {row["setting"]: row["verdict"] for row in study["rows"]}
    assert verdicts == {"full": "", "small": "cannot tell", "frozen": "worse"}
    assert study["reference"]["value"] == 0.75 and 0.02 < study["detectable"] < 0.2 and study["baseline"] == "full"
    frozen = next(row for row in study["rows"] if row["setting"] == "frozen")
    assert frozen["difference"]["low"] < frozen["difference"]["mean"] < frozen["difference"]["high"] < 0
    assert frozen["values"].keys() == {"0", "1", "2"} and len(frozen["runs"]) == 3
    assert "not better than that: frozen" in told.out and "exact McNemar" in told.out
    assert "The settings differ on:\n  text " in told.out
    assert (runs / "said" / "scores.png").stat().st_size > 5000 and "worse: frozen" in (
        runs / "said/README.md"
    ).read_text()


def test_runs_without_answers_are_compared_over_seeds(tmp_path, call):
    for seed in range(3):
        write_run(tmp_path / f"a-seed{seed}", seed, 0.9, keep=False)
        write_run(tmp_path / f"b-seed{seed}", seed, 0.5, keep=False)
    code, told = call("compare", tmp_path / "a", tmp_path / "b")
    assert code == 0 and "paired t over seeds" in told.out and "worse: b" in told.out


def test_the_studies_that_ship_can_be_compared(call):
    folder = STUDIES / "rte_five_seeds"
    code, told = call("compare", f"full={folder}/rte-full-seed*", f"scratch={folder}/rte-scratch-seed*")
    assert code == 0 and "worse: scratch" in told.out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("none", "no runs given"),
        ("nowhere", "no run with a results.json"),
        ("twice", "give each run once"),
        ("task", "other data than"),
        ("metric", "did you mean 'accuracy'"),
        ("baseline", "no setting is called"),
        ("labels", "other labels than"),
        ("list", "not a JSON object but list"),
        ("numbers", "metrics: input should be a valid dictionary"),
        ("page", "is not a comparison's and stays"),
        ("nowhere to write", "is not a folder"),
    ],
)
def test_what_cannot_be_compared_is_one_line(runs, call, change, said):
    settings, options = [runs / "full", runs / "lora"], []
    if change == "none":
        settings = []
    elif change == "nowhere":
        settings[1] = runs / "nowhere"
    elif change == "twice":
        settings[1] = runs / "full-seed0"
    elif change == "task":
        write_run(runs / "other-seed0", 0, 0.8, task="tweets")
        settings[1] = runs / "other"
    elif change in ("list", "numbers"):
        broken = (
            "[1]" if change == "list" else '{"metrics": 3, "splits": {}, "parameters": {}, "seconds": {}, "seed": 0}'
        )
        (runs / "lora-seed1" / "results.json").write_text(broken)
    elif change == "page":
        (runs / "README.md").write_text("mine")
        options = ["--output_dir", runs]
    elif change == "nowhere to write":
        options = ["--output_dir", runs / "full-seed0" / "results.json" / "said"]
    elif change == "labels":
        write_predictions(
            runs / "lora-seed1", {"test": Predictions([f"id{n}" for n in range(200)], ["x"] * 200, ["x"] * 200)}
        )
    else:
        options = {"metric": ["--metric", "acuracy"], "baseline": ["--baseline", "ful"]}[change]
    code, told = call("compare", *settings, *options)
    assert change != "page" or (runs / "README.md").read_text() == "mine"
    assert code == 2 and said in told.err and told.err.startswith("error: ") and told.err.count("\n") == 1
