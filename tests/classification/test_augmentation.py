"""Augmentation: which examples are added, that no held-out text is among them, and that a seed says which."""

import json
from types import SimpleNamespace

import pytest
from support.task_files import load, reviews

from workbench.classification.augmentation import augment, check_augmentation, names_of, write_augmented
from workbench.data.examples import text_key
from workbench.errors import UserError
from workbench.robustness.shifts import make_named


def asked(**options):
    given = {"augment": 10, "transforms": ["typos"], "strength": 1.0, "transform_file": None, "seed": 0}
    return SimpleNamespace(**given | {"streaming": False} | options)


@pytest.fixture
def data(tmp_path):
    return load(train_file=reviews(tmp_path / "reviews.tsv", 60))


@pytest.fixture
def numbered(tmp_path):
    """A transform that turns every review into another one, which is there already or held out."""
    path = tmp_path / "mine.py"
    path.write_text("def other(text, random, strength):\n    return f'review number {random.randrange(120)}'\n")
    return f"{path}:other"


def test_transformed_examples_are_added_with_their_labels_and_their_source(data, tmp_path):
    more, records = augment(data, asked(), make_named)
    before, after = (list(its.splits["train"]) for its in (data, more))
    assert after[: len(before)] == before and len(after) == len(before) + 10 == len(before) + len(records)
    labels = {row["text"]: row["label"] for row in before}
    for record, row in zip(records, after[len(before) :], strict=True):
        assert row["text"] == record["text"] != record["source"]["text"]
        assert row["label"] == record["label"] == labels[record["source"]["text"]]
        assert record["transforms"] == ["typos"] and record["changes"]["text"]
    for split in ("validation", "test"):
        assert list(more.splits[split]) == list(data.splits[split])
    write_augmented(tmp_path, records, data.label_names)
    kept = [json.loads(line) for line in (tmp_path / "augmented.jsonl").read_text().splitlines()]
    assert [row["label"] for row in kept] == [data.label_names[record["label"]] for record in records]
    assert "10 transformed examples added (typos)" in more.notes[-1]


def test_no_text_of_a_held_out_split_and_none_twice_is_added(data, numbered):
    more, records = augment(data, asked(transforms=None, transform_file=numbered, augment=40), make_named)
    keys = [text_key(row["text"]) for row in more.splits["train"]]
    held_out = {text_key(row["text"]) for name in ("validation", "test") for row in data.splits[name]}
    assert len(set(keys)) == len(keys) and not set(keys) & held_out and len(records) == 40
    assert "that a held-out split has" in more.notes[-1] and "that were there already" in more.notes[-1]


def test_a_seed_says_which_and_what_changes_nothing_is_refused(data):
    first, again, other = (augment(data, asked(seed=seed), make_named)[1] for seed in (0, 0, 1))
    assert first == again != other
    with pytest.raises(UserError, match="typos changed none of the"):
        augment(data, asked(strength=0.0), make_named)


def test_more_than_the_training_split_has_takes_other_draws_of_the_same_examples(data):
    records = augment(data, asked(augment=150), make_named)[1]
    assert len({record["text"] for record in records}) == len(records) == 150
    assert len({record["source"]["text"] for record in records}) <= 48


def test_transforms_are_drawn_for_each_example(data):
    records = augment(data, asked(augment=30, transforms=["typos+casing"], strength=0.9), make_named)[1]
    assert {tuple(record["transforms"]) for record in records} == {("typos",), ("casing",), ("typos", "casing")}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"augment": None}, "transforms is given, but not augment"),
        ({"transforms": None}, "name the transforms"),
        ({"streaming": True}, "not with streaming"),
    ],
)
def test_half_an_augmentation_is_said(options, says):
    with pytest.raises(UserError, match=says):
        check_augmentation(asked(**options))
    assert names_of(asked(transforms=["a,b", "c+b"], transform_file="m.py:d")) == ["a", "b", "c", "m.py:d"]
