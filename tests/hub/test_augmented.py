"""Transformed training examples as a data set: the file as it is, with a card of the transforms in it."""

import json

import pytest

from workbench.classification.augmentation import AUGMENTED_FILE
from workbench.errors import UserError
from workbench.hub.packages import dataset_package, read_front_matter


def test_a_runs_transformed_examples_are_a_data_set(tmp_path):
    rows = [{"text": "a", "label": "bad", "transforms": names} for names in (["typos"], ["casing", "typos"])]
    (tmp_path / AUGMENTED_FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    package = dataset_package(str(tmp_path / AUGMENTED_FILE), "you/changed")
    assert package.kind == "dataset" and package.files[AUGMENTED_FILE] == tmp_path / AUGMENTED_FILE
    card = package.files["README.md"].decode()
    assert "2 of them, made by\ncasing, typos." in card and 'load_dataset("you/changed", split="train")' in card
    (tmp_path / "README.md").write_text(card)
    assert read_front_matter(tmp_path / "README.md")["license"] == "other"


def test_what_is_no_such_file_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot be read as transformed examples"):
        dataset_package(str(tmp_path / AUGMENTED_FILE), "you/changed")
    (tmp_path / AUGMENTED_FILE).write_text('{"text": "a"}\n')
    with pytest.raises(UserError, match="cannot be read as transformed examples"):
        dataset_package(str(tmp_path / AUGMENTED_FILE), "you/changed")
