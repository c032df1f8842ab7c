"""The run's folder: written whole, never mixed with another run, and read back."""

import json
from dataclasses import dataclass

import pytest

from workbench.arguments import RunArguments, parse_arguments
from workbench.errors import UserError
from workbench.files import write_whole
from workbench.locks import take_lock
from workbench.runs.claims import LOCK_FILE, release
from workbench.runs.folder import open_run, read_run_config
from workbench.runs.results import RunResults, count_parameters
from workbench.values import Value


@dataclass
class Arguments(RunArguments):
    learning_rate: float = 0.1
    train_file: str | None = None
    model_name_or_path: str = ""


def results() -> RunResults:
    return RunResults(
        metrics={"test": {"word_accuracy": 0.5}},
        splits={"test": 10},
        parameters={"total": 3, "trainable": 2},
        seconds={"train": 1.5},
        seed=4,
    )


def test_results_are_read_back_as_written(tmp_path):
    results().write(tmp_path)
    assert RunResults.read(tmp_path) == results()
    assert "torch" in RunResults.read(tmp_path).versions


@pytest.mark.parametrize(
    ("content", "says"), [("", "cannot read this JSON"), ("{", "cannot read"), (None, "no such file")]
)
def test_missing_or_broken_results_are_one_error(tmp_path, content, says):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=f"results.json: {says}"):
        RunResults.read(tmp_path)


def test_results_of_a_newer_schema_are_refused(tmp_path):
    results().write(tmp_path)
    content = json.loads((tmp_path / "results.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps({**content, "schema": 99}))
    with pytest.raises(UserError, match="schema 99 is newer"):
        RunResults.read(tmp_path)


def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_whole(path, "old")

    def disk_full(self, *_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", disk_full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old" and [entry.name for entry in tmp_path.iterdir()] == ["results.json"]


def test_a_folder_of_another_run_is_left_alone(tmp_path):
    folder = open_run(Arguments(output_dir=str(tmp_path / "run")))
    (folder / "model.safetensors").write_text("weights")
    with pytest.raises(UserError, match="holds another run; add --resume_from_checkpoint"):
        open_run(Arguments(output_dir=str(folder)))
    assert (folder / "model.safetensors").exists()
    open_run(Arguments(output_dir=str(folder), overwrite_output_dir=True))
    assert not (folder / "model.safetensors").exists()


def test_a_folder_that_is_no_run_is_never_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UserError, match="not empty and not a run's folder"):
        open_run(Arguments(output_dir=str(tmp_path), overwrite_output_dir=True))
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_folder_that_only_looks_like_a_run_is_never_touched(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    with pytest.raises(UserError, match="not a run's folder"):
        open_run(Arguments(output_dir=str(tmp_path), overwrite_output_dir=True))
    assert (tmp_path / "config.yaml").read_text() == "a: 1\n"


def test_overwriting_never_deletes_what_is_needed(tmp_path, monkeypatch):
    folder = open_run(Arguments(output_dir=str(tmp_path / "run")))
    (folder / "mine.csv").write_text("text,label\n")
    again = Arguments(output_dir=str(folder), overwrite_output_dir=True, train_file=str(folder / "mine.csv"))
    with pytest.raises(UserError, match=r"train_file is in it: .*mine\.csv"):
        open_run(again)
    with pytest.raises(UserError, match="model_name_or_path is in it"):
        open_run(Arguments(output_dir=str(folder), overwrite_output_dir=True, model_name_or_path=str(folder)))
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match="the directory that you are in"):
        open_run(Arguments(output_dir=".", overwrite_output_dir=True))
    assert (folder / "mine.csv").exists()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    (folder / "mine.csv").unlink()
    open_run(Arguments(output_dir="link", overwrite_output_dir=True))
    assert (folder / "config.yaml").exists()


def test_a_run_goes_on_with_the_same_data_only(tmp_path):
    (tmp_path / "mine.csv").write_text("text,label\n")
    options = {"output_dir": str(tmp_path / "run"), "train_file": str(tmp_path / "mine.csv")}
    open_run(Arguments(**options))
    open_run(Arguments(**options, resume_from_checkpoint=True))
    (tmp_path / "mine.csv").write_text("text,label\nmore,yes\n")
    with pytest.raises(UserError, match="other data: train_file has changed since"):
        open_run(Arguments(**options, resume_from_checkpoint=True))


def test_a_runs_config_is_a_recipe_for_the_same_run(tmp_path):
    arguments = Arguments(output_dir=str(tmp_path / "run"), learning_rate=0.5)
    arguments.extra = {"adam_beta1": 0.8}
    config = str(open_run(arguments) / "config.yaml")
    again = parse_arguments(Arguments, "", {"adam_beta1": Value(float)}, ["--config", config])
    assert again == arguments and again.extra == arguments.extra


def test_a_run_resumes_with_the_same_options_only(tmp_path):
    folder = str(tmp_path / "run")
    open_run(Arguments(output_dir=folder))
    open_run(Arguments(output_dir=folder, resume_from_checkpoint=True, report_to="tensorboard"))
    with pytest.raises(UserError, match="learning_rate was 0.1 and is 0.2 now"):
        open_run(Arguments(output_dir=folder, resume_from_checkpoint=True, learning_rate=0.2))
    assert read_run_config(folder)["learning_rate"] == 0.1


def test_a_run_killed_as_it_wrote_its_first_file_can_be_started_again(tmp_path):
    (tmp_path / ".config.yaml.123").write_text("seed")
    open_run(Arguments(output_dir=str(tmp_path)))
    assert read_run_config(tmp_path)["seed"] == 0


def test_a_run_keeps_its_folder_and_touches_none_that_another_process_keeps(tmp_path):
    folder = open_run(Arguments(output_dir=str(tmp_path / "run")))
    (folder / "model.safetensors").write_text("weights")
    with (folder / LOCK_FILE).open() as file:
        assert not take_lock(file)
        release(folder)
        assert take_lock(file)
        for options in ({}, {"resume_from_checkpoint": True}, {"overwrite_output_dir": True}):
            with pytest.raises(UserError, match="another process is at work in this folder"):
                open_run(Arguments(output_dir=str(folder), **options))
    assert (folder / "model.safetensors").exists()
    open_run(Arguments(output_dir=str(folder), overwrite_output_dir=True))
    assert {path.name for path in folder.iterdir()} == {LOCK_FILE, "config.yaml", "inputs.json"}


def test_only_the_main_process_writes(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    open_run(Arguments(output_dir=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_parameters_are_counted_with_their_training_state():
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    model[0].requires_grad_(False)
    assert count_parameters(model) == {"total": 26, "trainable": 10}
