"""Labelled examples: which labels are classes and which are numbers, and what is no label or no text."""

import json

import pytest
from support.task_files import load, write

from workbench.data.arguments import TaskArguments
from workbench.data.tasks import load_task
from workbench.errors import UserError


def test_many_different_fractions_are_a_regression(tmp_path):
    rows = [(f"first {n}", f"second {n}", n / 8) for n in range(40)]
    data = load(train_file=write(tmp_path / "r.tsv", ("sentence1", "sentence2", "score"), *rows))
    assert data.task.is_regression and data.task.metrics == ("pearson", "spearman") and data.label_names == []
    assert data.splits["train"].column_names == ["text", "pair", "label"]
    assert all(row["label"] == int(row["text"].split()[1]) / 8 for row in data.splits["test"])
    assert any("40 different numbers: a number is predicted" in note for note in data.notes)


@pytest.mark.parametrize("spelling", [("0", "1"), ("0.0", "1.0"), ("entailment", "not_entailment")])
def test_labels_of_a_known_task_are_names_or_ids(tmp_path, spelling):
    rows = [(f"a {n}", f"b {n}", spelling[n % 2]) for n in range(20)]
    path = write(tmp_path / "r.tsv", ("sentence1", "sentence2", "label"), *rows)
    data = load(task="rte", train_file=path)
    assert data.label_names == ["entailment", "not_entailment"]
    assert all(row["label"] == int(row["text"].split()[1]) % 2 for row in data.splits["train"])


def test_numbers_as_classes_are_in_the_order_of_their_values(tmp_path):
    rows = [(f"text {n}", n % 11) for n in range(110)]
    data = load(train_file=write(tmp_path / "r.tsv", ("text", "label"), *rows))
    assert data.label_names == [str(n) for n in range(11)]


@pytest.mark.parametrize("labels", [("3.10", "3.1"), ("1.20", "1.2"), ("1e1", "10"), ("007", "7")])
def test_names_that_are_numbers_of_one_value_are_two_classes(tmp_path, labels):
    rows = [(f"text {n}", labels[n % 2]) for n in range(40)]
    assert set(load(train_file=write(tmp_path / "r.tsv", ("text", "label"), *rows)).label_names) == set(labels)


def test_whole_numbers_are_the_same_classes_however_they_were_exported(tmp_path):
    train = write(tmp_path / "r.tsv", ("text", "label"), *[(f"text {n}", f"{n % 2}.0") for n in range(40)])
    lines = [json.dumps({"text": f"other {n}", "label": label}) for n, label in enumerate((0, 1.0, "1", "0.00"))]
    (tmp_path / "test.jsonl").write_text("\n".join(lines))
    data = load(train_file=train, test_file=tmp_path / "test.jsonl")
    assert data.label_names == ["0", "1"] and data.splits["test"]["label"] == [0, 1, 1, 0]


def test_decimal_commas_are_read_as_numbers_and_said(tmp_path):
    rows = [(f"text {n}", f"{n / 8:.3f}".rstrip("0").rstrip(".").replace(".", ",")) for n in range(40)]
    path = tmp_path / "r.csv"
    path.write_text("text;score\n" + "".join(f"{text};{label}\n" for text, label in rows))
    data = load(train_file=path)
    assert data.task.is_regression and any("commas are read as decimal points" in note for note in data.notes)
    assert all(row["label"] == int(row["text"].split()[1]) / 8 for row in data.splits["train"])
    part = load_task(TaskArguments(train_file=str(path), max_train_examples=10))
    assert any("10 of 32 examples, the values in their proportions" in note for note in part.notes)


@pytest.mark.parametrize("spell", ["{},5", "{},250"])
def test_commas_that_need_not_be_decimal_points_stay(tmp_path, spell):
    """A few classes, and thousands."""
    rows = [(f"text {n}", spell.format(1 + n % (4 if spell == "{},5" else 12))) for n in range(120)]
    rows += [(f"none {n}", "none") for n in range(5 if spell == "{},5" else 0)]
    data = load(train_file=write(tmp_path / "r.tsv", ("text", "label"), *rows))
    assert not data.task.is_regression and spell.format(3) in data.label_names


@pytest.mark.parametrize("name", ["label", "Label"])
def test_the_column_of_the_very_name_wins(tmp_path, name):
    rows = [(f"text {n}", "ab"[n % 2], "xy"[n % 2]) for n in range(40)]
    path = write(tmp_path / "r.tsv", ("text", "label", "Label"), *rows)
    assert load(train_file=path, label_column=name).label_names == (["a", "b"] if name == "label" else ["x", "y"])


@pytest.mark.parametrize("spell", ["2020-01-{:02}", "{}", "{},250"])
def test_a_guessed_label_that_differs_in_every_row_is_no_label(tmp_path, spell):
    path = write(tmp_path / "r.tsv", ("text", "date"), *[(f"text {n}", spell.format(n + 1)) for n in range(60)])
    with pytest.raises(UserError, match="'date' was guessed, but has 60 different labels in 60 rows, such as"):
        load(train_file=path)
    with pytest.raises(UserError, match=r"too few to hold out .* train on the rest, of 60 class\(es\)"):
        load(train_file=path, label_column="date")


def test_what_is_no_unicode_is_refused_with_its_line(tmp_path):
    for broken in ({"text": "so \ud83d", "label": "a"}, {"text": "so", "label": "a \udc00"}):
        path = tmp_path / "r.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in [{"text": "x", "label": "b"}, broken]))
        with pytest.raises(UserError, match=r"r.jsonl, line 2: no valid Unicode at character [34] of a text \(U\+D"):
            load(train_file=path)
