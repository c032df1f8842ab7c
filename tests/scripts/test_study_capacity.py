"""The capacity study: what it compares, what it says about the numbers, and one small study from end to end."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import study_capacity
from study_capacity import CapacityArguments, Setting
from workbench.arguments import parse_arguments
from workbench.errors import UserError
from workbench.runs.results import RunResults
from workbench.translation.capacity_study import draw_figures

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "scripts" / "recipes" / "capacity.yaml"
TINY = {
    "hidden_sizes": [8, 32],
    "dataset_sizes": ["small"],
    "architectures": ["encoder-decoder"],
    "layers": 2,
    "train_batch_size": 64,
    "num_train_epochs": 5,
    "learning_rate": 0.003,
}


def test_the_recipe_is_the_defaults():
    recipe = parse_arguments(CapacityArguments, "", argv=["--config", str(RECIPE)])
    assert recipe == CapacityArguments()
    assert recipe.learning_rate == 5e-4 and recipe.num_train_epochs == [100, 50]


def test_published_settings_reach_each_run():
    arguments = CapacityArguments()
    small = study_capacity.cell_options(Setting("small", 32, "encoder-decoder"), arguments)
    large = study_capacity.cell_options(Setting("large", 64, "encoder-decoder"), arguments)
    assert (small["train_batch_size"], small["num_train_epochs"], small["hidden_size"]) == (64, 100, 32)
    assert (large["train_batch_size"], large["num_train_epochs"], large["hidden_size"]) == (512, 50, 64)
    for options in (small, large):
        assert options["preset"] == "notebook" and options["learning_rate"] == 5e-4
        assert (options["lr_decay_per_epoch"], options["max_grad_norm"], options["weight_decay"]) == (0.99, 0, 0)
        assert (options["warmup_steps"], options["adam_beta2"]) == (0, 0.999)


@pytest.mark.parametrize("hidden_size", [32, 64])
def test_the_decoder_only_model_has_most_nearly_the_same_parameters(hidden_size):
    beside = study_capacity.model_size(Setting("small", hidden_size, "encoder-decoder"), 4)
    found = study_capacity.model_size(Setting("small", hidden_size, "decoder-only"), 4)
    total = study_capacity.count_parameters("encoder-decoder", 32, **beside)
    off = {
        width: abs(study_capacity.count_parameters("decoder-only", 32, **{**found, "hidden_size": width}) - total)
        for width in range(found["hidden_size"] - 2, found["hidden_size"] + 3)
    }
    assert found["decoder_layers"] == beside["encoder_layers"] + beside["decoder_layers"]
    assert min(off, key=off.get) == found["hidden_size"]
    assert off[found["hidden_size"]] < 0.02 * total


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train_batch_size": [64], "dataset_sizes": []}, "dataset_sizes: got []"),
        ({"dataset_sizes": ["smal"]}, "dataset_sizes: got ['smal']; give one or more of small and large"),
        ({"architectures": []}, "architectures: got []"),
        ({"hidden_sizes": [0, 32]}, "hidden_sizes: 0; give a whole number from 1"),
        ({"hidden_sizes": [32, 32]}, "hidden_sizes: got [32, 32]"),
        ({"num_train_epochs": [1, 2, 3]}, "num_train_epochs: got [1.0, 2.0, 3.0]; give one value for all"),
        ({"shard": "2/2"}, "shard: '2/2' is not i/n"),
        ({"seeds": 0}, "seeds: 0; give a whole number from 1"),
        ({"hiden_sizes": [32]}, "unknown option 'hiden_sizes'; did you mean 'hidden_sizes'?"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path, monkeypatch, given, said):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"architectures": ["encoder-decoder"], **given}))
    monkeypatch.setattr(sys, "argv", ["study", "--config", str(recipe), "--output_dir", str(tmp_path / "study")])
    with pytest.raises(UserError) as failure:
        study_capacity.main()
    assert said in str(failure.value)


def fake_runs(seeds=1):
    """Loss 1 / width, halved by the large data set, and 10 % higher for decoder-only; later seeds a little higher."""
    runs = {}
    for size, words in (("small", 2560), ("large", 17922)):
        for width in (32, 64):
            for kind, factor in (("encoder-decoder", 1.0), ("decoder-only", 1.1)):
                losses = [32 / width * 2560 / words * factor + 0.01 * seed for seed in range(seeds)]
                runs[Setting(size, width, kind)] = [
                    RunResults(
                        metrics={
                            "validation": {"loss": loss},
                            "test": {"word_accuracy": 1 - loss / 2, "cer": loss / 4},
                        },
                        splits={"train": words},
                        parameters={"total": 1000 * width},
                        seconds={"train": 1.0},
                        seed=seed,
                    )
                    for seed, loss in enumerate(losses)
                ]
    return runs


def test_the_sentences_are_computed_from_the_numbers():
    width, data, kind = study_capacity.sentences(fake_runs(), CapacityArguments()).split("\n\n")
    assert width == (
        "Doubling the encoder-decoder's hidden size from 32 to 64 lowered the lowest validation loss from 1.000 to "
        "0.500 and raised the test word accuracy from 50.0% to 75.0% on small; lowered the lowest validation loss "
        "from 0.143 to 0.071 and raised the test word accuracy from 92.9% to 96.4% on large (n = 1 seed each)."
    )
    assert data.startswith(
        "For the encoder-decoder, 17,922 training words (large) instead of 2,560 (small) lowered the lowest validation "
        "loss from 1.000 to 0.143"
    )
    assert "decoder-only instead of encoder-decoder raised the lowest validation loss from 1.000 to 1.100" in kind


def test_over_seeds_the_table_has_mean_and_spread():
    runs = fake_runs(seeds=3)
    setting = Setting("small", 32, "encoder-decoder")
    sizes = {"hidden_size": 32, "encoder_layers": 4, "decoder_layers": 4}
    row = study_capacity.row(setting, sizes, runs[setting])
    assert row["seeds"] == "0, 1, 2" and row["layers"] == "4 + 4" and row["parameters"] == 32000
    assert row["lowest validation loss"].show() == "1.010 ± 0.010" and row["lowest validation loss"].n == 3
    text = study_capacity.sentences(runs, CapacityArguments(seeds=3))
    assert "from 1.010 ± 0.010 to 0.510 ± 0.010 (paired difference -0.500 ± 0.000)" in text and "n = 3 seeds" in text


def test_the_figures_hold_every_run(tmp_path):
    cells = {}
    for setting in fake_runs():
        cells[setting] = [f"{setting.name}-seed{seed}" for seed in (0, 1)]
        for name in cells[setting]:
            losses = [[step, setting.hidden_size / step] for step in (10, 20, 30)]
            (tmp_path / name).mkdir()
            curves = {"training_loss": losses, "validation_loss": losses, "validation_word_accuracy": []}
            (tmp_path / name / "curves.json").write_text(json.dumps(curves))
    draw_figures(tmp_path, cells)
    by_width = json.loads((tmp_path / "by_hidden_size.json").read_text())
    by_data = json.loads((tmp_path / "by_data_set.json").read_text())
    by_kind = json.loads((tmp_path / "by_architecture.json").read_text())
    assert list(by_width) == ["small data set", "large data set"]
    assert list(by_width["small data set"]) == ["hidden size 32", "hidden size 64"]
    assert list(by_data) == ["hidden size 32", "hidden size 64"]
    assert list(by_data["hidden size 64"]) == ["small data set", "large data set"]
    assert len(by_kind) == 4 and all(list(panel) == list(study_capacity.BOTH) for panel in by_kind.values())
    for figure in (by_width, by_data, by_kind):
        assert all(len(runs) == 2 for panel in figure.values() for runs in panel.values())
    assert by_width["large data set"]["hidden size 64"][0]["validation_loss"] == [[10, 6.4], [20, 3.2], [30, 64 / 30]]
    for name in ("by_hidden_size", "by_data_set", "by_architecture"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def start_script(name, *arguments):
    """In a process of its own, as a person would."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "scripts" / name), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.slow
def test_a_study_learns_and_killed_it_ends_the_same(tmp_path):
    folder, recipe = tmp_path / "study", tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(TINY))
    cell = folder / "small-32-encoder-decoder-seed0"
    study = start_script("study_capacity.py", "--config", recipe, "--output_dir", folder)
    wait_for_checkpoints(cell, 2)
    study.kill()
    study.communicate()
    assert not (folder / "table.md").exists() and not (cell / "results.json").exists()
    study = start_script("study_capacity.py", "--config", recipe, "--output_dir", folder)
    said, _ = study.communicate()
    assert study.returncode == 0 and said.splitlines()[-1] == str(folder)
    assert "2 runs, 2 of them in shard 0/1, 1 finished" in said
    check_learned(folder, said)

    whole = tmp_path / "whole"
    uninterrupted = folder / "cells" / f"{cell.name}.yaml"
    assert start_script("train_translator.py", "--config", uninterrupted, "--output_dir", whole).wait() == 0
    assert RunResults.read(cell).metrics == RunResults.read(whole).metrics
    curves, unbroken = (json.loads((folder / "curves.json").read_text()) for folder in (cell, whole))
    # The loss in training is a mean since it was last written, which it is where a run is told to end, too.
    assert curves.keys() == unbroken.keys() and curves["validation_loss"] == unbroken["validation_loss"]


def wait_for_checkpoints(folder, count, seconds=300):
    limit = time.monotonic() + seconds
    while len(list(folder.glob("checkpoint-*/whole.json"))) < count:
        assert time.monotonic() < limit, f"{folder} has no {count} checkpoints"
        time.sleep(0.02)


def check_learned(folder, said):
    rows = list(csv.DictReader((folder / "settings.csv").open()))
    losses = {int(row["hidden size"]): float(row["lowest validation loss"]) for row in rows}
    assert 1.2 < losses[8] < 2.8 and losses[32] < 0.8 * losses[8]
    curves = json.loads((folder / "by_hidden_size.json").read_text())["small data set"]
    for width in (8, 32):
        validation = curves[f"hidden size {width}"][0]["validation_loss"]
        assert [step for step, _ in validation] == [40, 80, 120, 160, 200]
        assert min(loss for _, loss in validation) == pytest.approx(losses[width], rel=1e-5)
    sentence = "Changing the encoder-decoder's hidden size from 8 to 32 lowered the lowest validation loss from"
    assert sentence in said and sentence in (folder / "README.md").read_text()
    assert (folder / "by_hidden_size.png").exists() and not (folder / "by_data_set.png").exists()


@pytest.mark.parametrize(
    ("axes", "epochs", "batch"),
    [
        ({"dataset_sizes": ["large"]}, [100, 50], [512]),
        ({"dataset_sizes": ["large", "small"], "hidden_sizes": [64]}, [50], [512, 64]),
        ({"dataset_sizes": ["small"], "train_batch_size": [8]}, [100, 50], [8]),
    ],
)
def test_defaults_follow_the_sizes_that_are_asked_for(axes, epochs, batch):
    arguments = study_capacity.CapacityArguments(**axes)
    study_capacity.follow_axes(arguments)
    assert (arguments.num_train_epochs, arguments.train_batch_size) == (epochs, batch)
