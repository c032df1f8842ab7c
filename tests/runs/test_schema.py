"""A stranger's results are checked before anything is made of them: wrong is one line that names the key."""

import json
import os

import pytest

from workbench.errors import UserError
from workbench.runs.folder import read_run_config
from workbench.runs.results import RunResults

FINE = {
    "metrics": {"test": {"accuracy": 0.5}},
    "splits": {"test": 10},
    "parameters": {"total": 3, "trainable": 2},
    "seconds": {"train": 1.5},
    "seed": 4,
    "schema": 1,
}
DEEP = json.loads("[" * 50 + "]" * 50)


def write(folder, content) -> None:
    (folder / "results.json").write_text(content if isinstance(content, str) else json.dumps(FINE | content))


def test_what_is_not_known_yet_is_kept(tmp_path):
    write(tmp_path, {"facts": {"later": {"a": [1]}, "dataset": {"name": "x", "rows": 3}}, "more": 1})
    assert RunResults.read(tmp_path).facts == {"later": {"a": [1]}, "dataset": {"name": "x", "rows": 3}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"metrics": {"test": {"accuracy": float("nan")}}}, "metrics.test.accuracy: a number that is not finite"),
        ({"metrics": {"test": {"accuracy": float("inf")}}}, "metrics.test.accuracy: a number that is not finite"),
        ({"metrics": {"test": {"accuracy": 10**400}}}, "metrics.test.accuracy: a number that is too large"),
        ({"metrics": {"test": {"accuracy": True}}}, "metrics.test.accuracy: input should be a valid number"),
        ({"metrics": {"test": {"accuracy": "1"}}}, "metrics.test.accuracy: input should be a valid number"),
        ({"metrics": {"test": {"<b>": 1}}}, "metrics.test.<b>.[key]: string should match pattern"),
        ({"metrics": {"test": {"m" * 300_000: 1}}}, "300,000 characters; at most 5,000"),
        ({"metrics": {"a": {"m" * 300: 1}}}, "string should have at most 200 characters"),
        ({"metrics": {"\ud800": {}}}, "metrics.?: a control character, or half of a character"),
        ({"metrics": {"\x1b[31m": {}}}, "a control character, or half of a character"),
        ({"seed": 0.5}, "seed: input should be a valid integer"),
        ({"seed": True}, "seed: input should be a valid integer"),
        ({"splits": {"test": -1}}, "splits.test: input should be greater than or equal to 0"),
        ({"parameters": {}}, "parameters.total: field required"),
        ({"parameters": {"total": "many"}}, "parameters.total: input should be a valid integer"),
        ({"seconds": 3}, "seconds: input should be a valid dictionary"),
        ({"versions": {"torch": ["2"]}}, "versions.torch: input should be a valid string"),
        ({"facts": {"curve": [{"step": 1, "loss": "low"}]}}, "facts.curve.0.loss: input should be a valid number"),
        ({"facts": {"curve": [{"loss": 1.0}]}}, "facts.curve.0.step: field required"),
        ({"facts": {"examples": [["a", "b"]]}}, "facts.examples.0: list should have at least 3 items"),
        ({"facts": {"dataset": {"labels": [1]}}}, "facts.dataset.labels.0: input should be a valid string"),
        ({"facts": {"dataset": {"id": "../../etc"}}}, "facts.dataset.id: string should match pattern"),
        ({"facts": {"date": "today"}}, "facts.date: string should match pattern"),
        ({"facts": {"hardware": {"processor": 3}}}, "facts.hardware.processor: input should be a valid string"),
        ({"facts": {"majority": {"test": 3}}}, "facts.majority.test: input should be a valid dictionary"),
        ({"facts": {"deep": DEEP}}, "nested too deeply"),
        ({"facts": {"many": [0] * 1_000_001}}, "more than 1,000,000 values"),
        ("[1]", "not a JSON object but list"),
        ("[" * 100_000, "cannot read this JSON: nested too deeply"),
        ('{"seed": ' + "1" * 5000 + "}", "cannot read this JSON: Exceeds the limit"),
        ("{}", "metrics: field required"),
        (" " * 10_000_001, "10,000,001 bytes; at most 10,000,000"),
    ],
)
def test_results_of_another_form_are_refused_by_file_and_key(tmp_path, content, says):
    write(tmp_path, content)
    with pytest.raises(UserError) as refusal:
        RunResults.read(tmp_path)
    message = str(refusal.value)
    assert message.startswith(f"{tmp_path / 'results.json'}: ") and says in message and len(message) < 600


@pytest.mark.parametrize("name", ["results.json", "config.yaml"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match="not a regular file|has no config.yaml"):
        (RunResults.read if name == "results.json" else read_run_config)(tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("seed: .nan\n", "seed: a number that is not finite"),
        ('text: "\\x1b[2J"\n', "text: a control character"),
        (f"a: {'[' * 15}{']' * 15}\n", "nested too deeply"),
        ("a: " + "x" * 6_000, "6,000 characters; at most 5,000"),
    ],
)
def test_options_of_a_strangers_run_have_limits(tmp_path, content, says):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError) as refusal:
        read_run_config(tmp_path)
    assert says in str(refusal.value) and "config.yaml" in str(refusal.value)
