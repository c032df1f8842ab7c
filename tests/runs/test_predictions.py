"""What a run answered comes back as it was, and the same example is the same in every run."""

import os

import pyarrow
import pytest
from pyarrow import parquet

from workbench.errors import UserError
from workbench.runs.predictions import Predictions, example_ids, read_predictions, write_predictions


def test_answers_come_back_as_they_were(tmp_path):
    splits = {
        "validation": Predictions(["a", "b"], ["no", "yes"], ["yes", "yes"], [[0.25, 0.75], [0.5, 0.5]]),
        "test": Predictions(["c"], ["no"], ["no"], [[1.0, 0.0]]),
    }
    write_predictions(tmp_path, splits)
    assert read_predictions(tmp_path) == splits
    numbers = {"test": Predictions(["a", "b"], [1.5, 2.0], [1.25, 3.0])}
    write_predictions(tmp_path, numbers)
    assert read_predictions(tmp_path) == numbers


def test_ids_tell_examples_apart_and_repeat_from_run_to_run():
    ids = example_ids(["one", "two", "one", "one"])
    assert len(set(ids)) == 4 and ids[2].startswith(ids[0])
    assert example_ids(["two", "one"]) == [ids[1], ids[0]]


ANSWERS = {
    "split": ["test"] * 2,
    "id": ["a", "b"],
    "label": ["no", "yes"],
    "prediction": ["no", "no"],
    "probabilities": [[0.5, 0.5]] * 2,
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"label": [b"no", b"yes"]}, "the column 'label' is of binary"),
        ({"label": [1, 2]}, "the column 'label' is of int64"),
        ({"prediction": [0.5, float("inf")]}, "'prediction' has a number that is not finite"),
        ({"id": ["a", None]}, "the column 'id' is of string, or has gaps"),
        ({"split": [["test"]] * 2}, "'split'"),
        ({"probabilities": [["high"]] * 2}, "the column 'probabilities' is of list"),
        ({"probabilities": [0.5, 0.5]}, "the column 'probabilities' is of double"),
        (dict.fromkeys(ANSWERS, pyarrow.nulls(5_000_001, pyarrow.string())), "5,000,001 rows"),
    ],
)
def test_answers_of_another_form_are_refused(tmp_path, change, says):
    parquet.write_table(pyarrow.table(ANSWERS | change), tmp_path / "predictions.parquet")
    with pytest.raises(UserError) as refusal:
        read_predictions(tmp_path)
    assert "predictions.parquet: cannot read these predictions" in str(refusal.value) and says in str(refusal.value)


def test_a_pipe_of_answers_is_refused(tmp_path):
    os.mkfifo(tmp_path / "predictions.parquet")
    with pytest.raises(UserError, match="not a regular file"):
        read_predictions(tmp_path)


def test_what_is_no_file_of_answers_is_refused(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_predictions(tmp_path)
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot read these predictions"):
        read_predictions(tmp_path)
