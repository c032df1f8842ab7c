"""Splits: by class, without a common text, the same whatever the seed; and what was left out is told."""

from collections import Counter

import pytest
from support.task_files import load, reviews, texts, write

from workbench.data.arguments import TaskArguments
from workbench.data.tasks import load_task
from workbench.errors import UserError


def test_one_file_is_split_by_class_and_the_same_for_every_seed(tmp_path):
    path = reviews(tmp_path / "r.tsv", 200)
    data, again = load(train_file=path), load(train_file=path)
    assert {name: Counter(split["label"]) for name, split in data.splits.items()} == {
        "train": {0: 40, 1: 120},
        "validation": {0: 5, 1: 15},
        "test": {0: 5, 1: 15},
    }
    assert data.label_names == ["bad", "good"] and data.task.metrics == ("accuracy", "macro_f1")
    assert all(data.splits[name].to_list() == again.splits[name].to_list() for name in data.splits)
    told = " | ".join(data.notes)
    assert "text 'text', label 'label' (guessed from the header)" in told
    assert "test: no split of its own; 20 of the 200" in told


def test_rare_classes_can_be_trained_on(tmp_path):
    rows = [(f"text {n}", f"class {min(n, 12)}") for n in range(60)]
    data = load(train_file=write(tmp_path / "r.tsv", ("text", "label"), *rows))
    assert set(data.splits["train"]["label"]) == set(range(13))


def test_a_rare_class_stays_in_training_where_its_texts_have_other_labels_too(tmp_path):
    for place in range(40):
        rows = [(f"text {n}", "ab"[n % 2]) for n in range(40)] + [(f"text {place}", "rare")]
        data = load(train_file=write(tmp_path / "r.tsv", ("text", "label"), *rows))
        assert data.label_names.index("rare") in data.splits["train"]["label"], place


def test_no_text_is_in_two_splits_whatever_its_case_and_spaces(tmp_path):
    train = reviews(tmp_path / "train.tsv", 40)
    validation = write(tmp_path / "v.tsv", ("text", "label"), ("Review  NUMBER 3", "good"), ("v", "bad"), ("t", "bad"))
    test = write(tmp_path / "t.tsv", ("text", "label"), ("review number 4 ", "bad"), ("T", "bad"))
    data = load(train_file=train, validation_file=validation, test_file=test)
    assert texts(data, "train") == {f"review number {n}" for n in range(40)} - {"review number 3", "review number 4"}
    assert texts(data, "validation") == {"Review  NUMBER 3", "v"}
    told = " | ".join(data.notes)
    assert "train: 1 example(s) left out whose text is in the test split too" in told
    assert "train: 1 example(s) left out whose text is in the validation split too" in told
    assert "validation: 1 example(s) left out whose text is in the test split too" in told


def test_equal_texts_stay_together_when_a_split_is_made_and_contradictions_are_told(tmp_path):
    rows = [(f"text {n % 50}", "a" if n % 2 else "b") for n in range(150)]
    rows += [("text 0", "a")]
    data = load(train_file=write(tmp_path / "r.tsv", ("text", "label"), *rows))
    assert sum(map(len, data.splits.values())) == 151
    assert not texts(data, "train") & texts(data, "test") and not texts(data, "validation") & texts(data, "test")
    assert sum("occur more than once with different labels" in note for note in data.notes) == 1


def test_rows_without_text_or_label_are_left_out_and_counted(tmp_path):
    rows = [(f"text {n}", n % 2) for n in range(30)] + [("", 1), (" ", 0), ("lost", "nan"), ("lost too", "")]
    data = load(train_file=write(tmp_path / "r.tsv", ("text", "label"), *rows))
    assert sum(map(len, data.splits.values())) == 30
    assert any("4 row(s) left out: 2 without a text, 2 without a label" in note for note in data.notes)


def test_a_part_of_training_keeps_proportions_and_lies_in_every_larger_part(tmp_path):
    path = reviews(tmp_path / "r.tsv", 500, share=5)
    parts = [load_task(TaskArguments(train_file=str(path), max_train_examples=most)) for most in (20, 100)]
    assert [Counter(part.splits["train"]["label"]) for part in parts] == [{0: 4, 1: 16}, {0: 20, 1: 80}]
    assert texts(parts[0], "train") < texts(parts[1], "train")
    assert parts[0].splits["test"]["text"] == parts[1].splits["test"]["text"]
    with pytest.raises(UserError, match="max_train_examples: 1 is too few; 2 or more"):
        load_task(TaskArguments(train_file=str(path), max_train_examples=1))
