"""What a run answered comes back as it was, and the same example is the same in every run."""

import pytest

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


def test_what_is_no_file_of_answers_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot read these predictions"):
        read_predictions(tmp_path)
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="cannot read these predictions"):
        read_predictions(tmp_path)
