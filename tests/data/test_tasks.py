"""Tasks: what is in each split, what is guessed and told, and what is refused, with its line."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas
import pytest
from support import loopback_hub
from support.task_files import load, reviews, write

from workbench.data import known_tasks as registry
from workbench.data.known_tasks import TASKS, Task, register
from workbench.data.verbal_arithmetic import NUMBERS
from workbench.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
hub = loopback_hub.hub


# Verbal arithmetic


def test_verbal_arithmetic_is_right_unique_and_skewed_as_it_says():
    data = load(task="verbal_arithmetic")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 576, "validation": 64, "test": 160}
    rows = [row for split in data.splits.values() for row in split]
    assert len({row["text"] for row in rows}) == 800
    for row in rows:
        left, operator, right = row["text"].split()
        right = NUMBERS.index(right) * (1 if operator == "plus" else -1)
        result = NUMBERS.index(left) + right
        assert data.label_names[row["label"]] == ("negative" if result < 0 else "positive" if result else "zero")
    for part in (data.splits["test"]["label"], [row["label"] for row in rows]):
        shares = Counter(part)
        assert [shares[label] / len(part) for label in range(3)] == pytest.approx([0.22, 0.03, 0.75], abs=0.01)
    assert any("validation: no split of its own; 64 of the 640" in note for note in data.notes)


# Files of known tasks


def glue(folder: Path) -> Path:
    """GLUE's layout: CoLA without a header, RTE with words for labels; tests without a label, or with -1."""
    rows = [("gj04", n % 2, "", f'"sentence {n}"') for n in range(40)]
    write(folder / "CoLA" / "train.tsv", *rows[:30])
    write(folder / "CoLA" / "dev.tsv", *rows[30:])
    write(folder / "CoLA" / "test.tsv", ("index", "sentence"), *[(n, f"unseen {n}") for n in range(5)])
    names = ("entailment", "not_entailment")
    pairs = [(n, f"first {n}", f"second {n}", names[n % 2]) for n in range(40)]
    unknown = [(n, f"new {n}", "so", -1) for n in range(3)]
    for name, part in (("train", pairs[:30]), ("dev", pairs[30:]), ("test", unknown)):
        write(folder / "RTE" / f"{name}.tsv", ("index", "sentence1", "sentence2", "label"), *part)
    return folder


def test_glue_folders_are_read_as_they_are_and_get_no_test_split(tmp_path):
    cola = load(task="cola", data_dir=glue(tmp_path / "glue"))
    assert {name: len(split) for name, split in cola.splits.items()} == {"train": 30, "validation": 10}
    assert cola.splits["train"][1] == {"text": '"sentence 1"', "label": 1}
    assert cola.unlabelled.to_list() == [{"text": f"unseen {n}", "index": n} for n in range(5)]
    for folder in (tmp_path / "glue", tmp_path / "glue" / "RTE"):
        rte = load(task="rte", data_dir=folder)
        assert rte.splits["validation"][0] == {"text": "first 30", "pair": "second 30", "label": 0}
        assert rte.unlabelled[2] == {"text": "new 2", "pair": "so", "index": 2} and "test" not in rte.splits


@pytest.mark.parametrize(
    ("task", "file", "header", "labels"),
    [
        ("mrpc", "MRPC/train.tsv", ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"), (0, 1)),
        ("qqp", "QQP/train.tsv", ("is_duplicate", "qid1", "qid2", "question1", "question2"), (0, 1)),
        ("stsb", "STS-B/train.tsv", ("score", "genre", "year", "sentence1", "sentence2"), (2.5, 3.0)),
        ("qnli", "QNLI/train.tsv", ("label", "index", "i", "question", "sentence"), ("entailment", "not_entailment")),
        ("mnli", "MNLI/train.tsv", ("gold_label", "i", "j", "sentence1", "sentence2"), ("neutral", "contradiction")),
    ],
)
def test_the_headers_of_the_official_files_are_known(tmp_path, task, file, header, labels):
    write(tmp_path / file, header, *[(labels[n % 2], n, n, f"first {n}", f"second {n}") for n in range(40)])
    data = load(task=task, data_dir=tmp_path)
    row = data.splits["train"][1]
    assert row["text"].startswith("first") and row["pair"].startswith("second")
    assert not data.label_names or data.label_names == list(TASKS[task].labels)


def test_both_kinds_of_mnli_train_on_the_same_examples(tmp_path):
    header = ("index", "sentence1", "sentence2", "gold_label")
    names = ("entailment", "neutral", "contradiction")
    for start, name in enumerate(("train", "dev_matched", "dev_mismatched")):
        rows = [(n, f"{name} {n}", "so", names[(n + start) % 3]) for n in range(30)]
        write(tmp_path / "MNLI" / f"{name}.tsv", header, *rows)
    matched, mismatched = (load(task=name, data_dir=tmp_path) for name in ("mnli", "mnli_mismatched"))
    assert matched.splits["train"].to_list() == mismatched.splits["train"].to_list()
    assert matched.splits["validation"][0] == {"text": "dev_matched 0", "pair": "so", "label": 1}
    assert mismatched.splits["validation"][0] == {"text": "dev_mismatched 0", "pair": "so", "label": 2}


def test_a_shifted_test_file_is_scored_with_the_classes_of_the_task(tmp_path):
    folder = write(tmp_path / "SST-2" / "train_1k.tsv", ("sentence", "label"), *[(f"s {n}", n % 2) for n in range(40)])
    shifted = write(tmp_path / "books.tsv", ("review", "stars"), ('"long\nreview"', 1), ("short", 0))
    data = load(task="sst2", data_dir=folder.parent, test_file=shifted)
    assert data.splits["test"].to_list() == [{"text": "long\nreview", "label": 1}, {"text": "short", "label": 0}]
    assert len(data.splits["validation"]) == 4 and data.task.text_column == "sentence"
    assert any("text 'review', label 'stars' (guessed" in note for note in data.notes)


def test_crowdflower_rows_that_nobody_could_decide_are_left_out(tmp_path):
    rows = [(f"tweet, {n}", ("Relevant", "Not Relevant", "Can't Decide")[n % 3]) for n in range(60)]
    content = "text,choose_one\n" + "".join(f'"{text}",{label}\n' for text, label in rows)
    (tmp_path / "disasters_relevant_cols.csv").write_text(content)
    data = load(task="disasters", data_dir=tmp_path)
    assert data.label_names == ["Not Relevant", "Relevant"] and sum(map(len, data.splits.values())) == 40
    assert any("20 row(s) left out: 20 labelled 'Can't Decide'" in note for note in data.notes)


def test_a_task_of_ones_own_is_registered_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "TASKS", dict(TASKS))
    own = register(Task("tickets", "body", None, "queue", files={"train": ("tickets.tsv",)}))
    write(tmp_path / "tickets.tsv", ("id", "body", "queue"), *[(n, f"help {n}", "ab"[n % 2]) for n in range(30)])
    assert load(task="tickets", data_dir=tmp_path).label_names == ["a", "b"]
    with pytest.raises(UserError, match="registered already"):
        register(own)
    with pytest.raises(UserError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        register(Task("other", metrics=("acuracy",)))


def test_data_sets_on_the_hub_are_loaded_with_their_class_names_and_unlabelled_tests(hub, tmp_path):
    script = """
import datasets, dataclasses, json
from huggingface_hub import HfApi
from workbench.errors import UserError
from workbench.data.known_tasks import TASKS
from workbench.data.arguments import TaskArguments
from workbench.data.tasks import load_task
names = datasets.ClassLabel(names=["entailment", "not_entailment"])
api = HfApi()
api.create_repo("tester/glue", repo_type="dataset")
for split, offset in (("train", 0), ("validation", 30), ("test", 60)):
    rows = [{"sentence1": f"a {n}", "sentence2": f"b {n}", "label": -1 if split == "test" else n % 2, "idx": n - offset}
            for n in range(offset, offset + 30)]
    datasets.Dataset.from_list(rows).cast_column("label", names).to_parquet(f"{split}.parquet")
    api.upload_file(path_or_fileobj=f"{split}.parquet", path_in_repo=f"data/{split}.parquet", repo_id="tester/glue",
                    repo_type="dataset")
TASKS["rte"] = dataclasses.replace(TASKS["rte"], hub_id="tester/glue", hub_config=None)
for arguments in (TaskArguments("rte"), TaskArguments(train_file="tester/glue"), TaskArguments(train_file="tester/no")):
    try:
        data = load_task(arguments)
        sizes = {name: len(split) for name, split in data.splits.items()}
        print(json.dumps([data.label_names, sizes, data.splits["train"][1], data.unlabelled[2]]))
    except UserError as error:
        print(json.dumps(str(error)))
"""
    paths = f"{ROOT / 'scripts'}:{ROOT}"
    environment = hub.environment(token=hub.tokens.write) | {"PYTHONPATH": paths}
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
    named, guessed, refused = map(json.loads, done.stdout.splitlines())
    example, unlabelled = {"text": "a 1", "pair": "b 1", "label": 1}, {"text": "a 62", "pair": "b 62", "index": 2}
    names = ["entailment", "not_entailment"]
    assert named == [names, {"train": 30, "validation": 30}, example, unlabelled]
    assert guessed[0] == names and guessed[1] == {"train": 27, "validation": 30, "test": 3} and guessed[3] == unlabelled
    assert re.match("tester/no: the Hub did not give this data set: .*; there is no such file either$", refused)


# Refusals


def two_classes(count: int) -> list[tuple]:
    return [(f"text {n}", "ab"[n % 2]) for n in range(count)]


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        (
            ("text", "label"),
            two_classes(2),
            r"2 different text\(s\) are too few to hold out validation and test",
        ),
        (("text", "label"), [(f"t {n}", "abc"[n % 3]) for n in range(6)], r"6 different text\(s\) are too few"),
        (("text", "label"), [(f"t {n}", "a") for n in range(20)], "every training label is 'a'"),
        (("text", "label"), [("", "a")] * 5, r"no row has both a text and a label \(5 without a text\)"),
        (
            ("text", "label"),
            [*two_classes(20), ("x", 3)],
            r"'a' \(.*line 2\) is text but '3' \(.*line 22\) is",
        ),
        (("id", "note"), two_classes(9), "no column looks like the text; there are id, note. Give --text_column and"),
        (
            ("review", "tweet", "label"),
            [("a", "b", 1)],
            "the text, review or tweet. Give --text_column .and --pair_column",
        ),
        (
            ("text", "topic", "stance"),
            [("a", "b", 1)],
            "the label, topic or stance. Give --label_column",
        ),
    ],
)
def test_a_file_that_cannot_be_learnt_from_is_refused(tmp_path, header, rows, says):
    with pytest.raises(UserError, match=says):
        load(train_file=write(tmp_path / "r.tsv", header, *rows))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "neither task nor train_file is given"),
        ({"task": "airlin"}, "unknown task 'airlin'; did you mean 'airline'"),
        ({"task": "emotion"}, "emotion is not on the Hub: give --data_dir, a folder with its file .*text_emotion.csv"),
        ({"task": "rte", "data_dir": "nowhere"}, "data_dir: nowhere is no folder"),
        ({"task": "rte", "data_dir": "."}, r"data_dir: no train.tsv or train\*.tsv in RTE or ., where rte would be"),
        ({"data_dir": "."}, "data_dir is given, but neither task nor train_file"),
        (
            {"train_file": "r.tsv", "label_column": "lable"},
            "no column 'lable'; did you mean 'label'.; there are text, label",
        ),
        ({"train_file": "r.tsv", "test_file": "new.tsv"}, "new.tsv, line 3: .* 'ugly' is not in the training split"),
        ({"train_file": "r.tsv", "test_file": "01.tsv"}, "01.tsv, line 2: the label '0' is not in the training split"),
        ({"train_file": "12.tsv", "test_file": "01.tsv"}, "01.tsv, line 2: the label '0' is not in the training split"),
        ({"train_file": "r.tsv", "test_file": "r.tsv"}, "the train split: no example is left"),
        ({"task": "sst2", "train_file": "one.tsv", "test_file": "both.tsv"}, "every training label is 'negative'"),
        ({"task": "mnli", "train_file": "two.tsv", "test_file": "three.tsv"}, "three.tsv, line 4: .*'contradiction'"),
        ({"task": "stsb", "train_file": "word.tsv"}, "word.tsv, line 3: the label 'high' is no number"),
        ({"task": "rte", "train_file": "r.tsv"}, "r.tsv: no column 'sentence2'"),
    ],
)
def test_wrong_options_and_files_that_do_not_fit_are_refused(tmp_path, monkeypatch, options, says):
    monkeypatch.chdir(tmp_path)
    reviews(Path("r.tsv"), 40)
    write(Path("new.tsv"), ("text", "label"), ("x", "good"), ("y", "ugly"))
    write(Path("12.tsv"), ("text", "label"), *[(f"s {n}", 1 + n % 2) for n in range(40)])
    write(Path("01.tsv"), ("text", "label"), ("x", 0), ("y", 1))
    write(Path("one.tsv"), ("sentence", "label"), *[(f"s {n}", 0) for n in range(40)])
    write(Path("both.tsv"), ("sentence", "label"), ("x", 0), ("y", 1))
    write(Path("two.tsv"), ("premise", "hypothesis", "label"), *[(f"p {n}", "h", n % 2) for n in range(40)])
    write(Path("three.tsv"), ("premise", "hypothesis", "label"), *[(f"q {n}", "h", n) for n in range(3)])
    write(Path("word.tsv"), ("sentence1", "sentence2", "score"), ("a", "b", 1.5), ("c", "d", "high"))
    with pytest.raises(UserError, match=says):
        load(**options)


def test_what_was_left_out_is_told_with_the_refusal_that_it_causes(tmp_path):
    rows = [(f"a {n}", "" if n % 4 else "b", "xy"[n % 4 > 0]) for n in range(40)]
    path = write(tmp_path / "r.tsv", ("text1", "text2", "label"), *rows)
    with pytest.raises(UserError, match=r"every training label is 'x'.*30 row\(s\) left out: 30 without a second text"):
        load(train_file=path)
    rows = [("same" if n % 2 else f"text {n}", "ab"[n % 2]) for n in range(40)]
    path, test = write(tmp_path / "r.tsv", ("text", "label"), *rows), tmp_path / "test.tsv"
    write(test, ("text", "label"), ("same", "b"), ("other", "a"))
    with pytest.raises(UserError, match="every training label is 'a'.*left out whose text is in the test split too"):
        load(train_file=path, test_file=test)


@pytest.mark.parametrize("option", ["train_file", "validation_file", "data_dir"])
@pytest.mark.parametrize("suffix", ["", ".parquet", "/x.csv"])
def test_a_name_that_is_too_long_is_no_file(tmp_path, option, suffix):
    known = {"task": "rte"} if option == "data_dir" else {"train_file": reviews(tmp_path / "r.tsv", 40)}
    with pytest.raises(UserError, match="xxx"):
        load(**known | {option: "x" * 300 + suffix})


def test_numbers_beyond_all_measure_are_names(tmp_path):
    rows = [{"text": f"text {n}", "label": 10 ** (400 + n % 2)} for n in range(40)]
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load(train_file=path).label_names == [f"1{'0' * 400}", f"1{'0' * 401}"]
    task = {"sentence1": "a", "sentence2": "b", "index": 10**30}
    for name, label in (("train", "entailment"), ("dev", "not_entailment"), ("test", None)):
        rows = [task | {"sentence1": f"{name} {n}", "label": label or -1} for n in range(20)]
        rows[0] |= {"label": "not_entailment" if name == "train" else "entailment"} if label else {}
        pandas.DataFrame(rows).astype(str).to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
    assert load(task="rte", data_dir=tmp_path).unlabelled["index"] == list(range(20))
