"""study_robustness.py as a person runs it: trained and given runs, resumed, sharded, and refused."""

import csv
import json
from pathlib import Path

import pytest
from support.encoder_folders import write_encoder
from support.transfer_runs import FAST, write_task

from workbench.runs.predictions import read_predictions
from workbench.runs.results import RunResults

# Words that no class has, in place of some.
SPOIL = """
def spoil(text, random, strength):
    return " ".join("w50" if random.random() < strength else word for word in text.split(" "))


def spoil_more(text, random, strength):
    return " ".join("w51" for word in text.split(" "))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("files")
    write_task(root / "mine.csv")
    write_task(root / "other.csv", seed=1, rows=10)
    (root / "mine.py").write_text(SPOIL)
    write_encoder(root / "encoder")
    return root


@pytest.fixture(scope="module")
def study(files) -> tuple[Path, str]:
    """A finished study of one strategy without and with augmentation, and what it printed."""
    import subprocess
    import sys

    folder, scripts = files / "study", Path(__file__).parents[2] / "scripts"
    given = ["--train_file", files / "mine.csv", "--model_name_or_path", files / "encoder", "--output_dir", folder]
    given += ["--seeds", 1, "--augment", 40, "--transforms", "typos", "--transform_file", f"{files / 'mine.py'}:spoil"]
    given += ["--unseen_transforms", "casing", "--ood_file", f"other={files / 'other.csv'}", *FAST]
    command = [sys.executable, scripts / "study_robustness.py", *given]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_a_study_trains_both_ways_and_ends_in_a_page(study, files):
    folder, told = study
    assert told.splitlines()[-1] == str(folder)
    page, numbers = (folder / "README.md").read_text(), json.loads((folder / "robustness.json").read_text())
    rows = {(row["setting"], row["texts"]): row for row in numbers["rows"]}
    names = {"original texts", "typos", "spoil", "casing", "other"}
    assert set(rows) == {(setting, texts) for setting in ("full", "full-augmented") for texts in names}
    assert rows["full", "original texts"]["values"]["0"] > 0.9 > rows["full", "spoil"]["values"]["0"]
    # What the tokenizer does not see costs nothing.
    assert rows["full", "typos"]["drop"]["mean"] == 0 and rows["full", "typos"]["flips"][0]["changed"] == 0
    assert (
        "On casing, which it has not trained on" in page and "With 40 transformed examples more (typos, spoil)" in page
    )
    assert "- other: 30 texts (10 bad, 10 fine, 10 good), other ones" in page
    with (folder / "augmentation.csv").open() as table:
        found = {(row["texts"], row["training"]): row["in the augmentation"] for row in csv.DictReader(table)}
    assert found["spoil", "augmented"] == "yes" and found["casing", "original"] == "no"
    original, augmented = (RunResults.read(folder / f"{name}-seed0") for name in ("full", "full-augmented"))
    assert augmented.splits["train"] == original.splits["train"] + 40
    assert augmented.facts["augmentation"]["transforms"] == ["typos", "spoil"] and "augmentation" not in original.facts
    lines = (folder / "full-augmented-seed0" / "augmented.jsonl").read_text().splitlines()
    assert len(lines) == 40 and json.loads(lines[0])["label"] in ("bad", "fine", "good")


@pytest.mark.slow
def test_all_runs_answer_the_same_texts_and_no_text_twice(study, files, call):
    folder, _ = study
    first, second = (read_predictions(folder / "evaluations" / f"{n}-seed0") for n in ("full", "full-augmented"))
    for name in ("original texts", "spoil", "other"):
        assert first[name].ids == second[name].ids and first[name].labels == second[name].labels
    assert first["spoil"].ids == first["original texts"].ids
    kept = read_predictions(folder / "full-seed0")["test"]
    assert first["original texts"] == kept
    # Given runs: a part of the test split; nothing is trained, and what is answered is not asked for again.
    runs = [f"plain={folder / 'full-seed0'}", folder / "full-augmented-seed0"]
    given = ["--runs", *runs, "--transforms", "casing", "--max_test_examples", 9, "--output_dir", files / "given"]
    code, told = call("study_robustness", *given, "--shard", "0/2")
    assert code == 0 and "1 of 2 runs have not answered" in told.out and not (files / "given" / "README.md").exists()
    code, told = call("study_robustness", *given, "--shard", "1/2")
    assert code == 0 and "The drop of" not in (page := (files / "given" / "README.md").read_text())
    assert "9 texts (3 bad, 3 fine, 3 good)" in page and "casing" in told.out
    stamps = {path: path.stat().st_mtime_ns for path in (files / "given" / "evaluations").rglob("*.parquet")}
    assert len(stamps) == 2 and call("study_robustness", *given)[0] == 0
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    # Other texts are asked for, though.
    assert call("study_robustness", *given, "--strength", 1)[0] == 0
    assert all(path.stat().st_mtime_ns > stamp for path, stamp in stamps.items())


def test_what_is_no_study_is_one_line(files, tmp_path, call):
    start = [
        "--train_file",
        files / "mine.csv",
        "--model_name_or_path",
        files / "encoder",
        "--output_dir",
        tmp_path / "s",
    ]
    for options, says in (
        (["--transforms", "typo_s"], "no transform 'typo_s'; did you mean 'typos'?"),
        (["--augment", 5, "--unseen_transforms", "typos"], "typos is among --transforms"),
        (["--ood_file", "books.tsv"], "give NAME=PATH"),
        (["--max_test_examples", 1], "max_test_examples: 1"),
        (["--strength", 2], "strength: 2; give a number from 0 to 1"),
        (["--strategies", "fool"], "unknown 'fool'"),
        (["--runs", tmp_path / "none"], "no run with a results.json"),
        (["--runs", tmp_path / "none", "--augment", 5], "with --runs nothing is trained"),
    ):
        code, told = call("study_robustness", *start, *options)
        assert code == 2 and says in told.err and told.err.count("\n") == 1, told.err
    assert not (tmp_path / "s").exists()


def test_train_classifier_tells_half_an_augmentation_first(files, tmp_path, call):
    start = ["--train_file", files / "mine.csv", "--output_dir", tmp_path / "run"]
    code, told = call("train_classifier", *start, "--transforms", "typos")
    assert code == 2 and "transforms is given, but not augment" in told.err
    code, told = call("train_classifier", *start, "--augment", 5, "--transforms", "tipos")
    assert code == 2 and "did you mean 'typos'?" in told.err and not (tmp_path / "run").exists()
