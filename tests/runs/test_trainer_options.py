"""The fields of transformers.TrainingArguments: each is taken in its range, or refused before anything is written."""

import inspect
import math
import os
from dataclasses import dataclass

import pytest
import torch
import yaml
from accelerate.state import AcceleratorState
from datasets import Dataset
from transformers import TrainingArguments
from transformers.utils import logging

from workbench.arguments import OptimisationArguments, RunArguments, parse_arguments
from workbench.errors import UserError
from workbench.runs.folder import open_run
from workbench.runs.trainer import make_trainer, make_training_arguments
from workbench.runs.trainer_options import REFUSED, TAKEN, TRAINER_OPTIONS

PRESENT = frozenset(inspect.signature(TrainingArguments).parameters)
MUTATIONS = (math.nan, -1, 0, 1, 0.5, 10**30, "x", "", [], {}, {"a": 1}, None, True)
OWN_VALUES = {
    "optim": ("sgd", "adafactor", "lomo", "galore_adamw"),
    "optim_args": ("a=1,b", "a=1"),
    "lr_scheduler_kwargs": ({"num_cycles": 0.5}, {"num_cycles": "x"}),
    "gradient_checkpointing_kwargs": ({"use_reentrant": False}, {"use_reentrant": 3}),
}
# What compiles or starts processes.
SLOW = {"torch_compile", "torch_compile_backend", "torch_compile_mode", "dataloader_num_workers"}


@pytest.fixture(autouse=True)
def undo():
    """Some fields act on the whole process."""
    environment = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(environment)
    torch.use_deterministic_algorithms(False)
    logging.set_verbosity_warning()
    AcceleratorState._reset_state(reset_partial_state=True)


@dataclass
class Arguments(RunArguments, OptimisationArguments):
    """A run."""


class Line(torch.nn.Module):
    """One weight, as the Trainer sees a model."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, labels):
        logits = self.layer(inputs)
        return {"loss": (logits - labels).square().mean(), "logits": logits}

    def gradient_checkpointing_enable(self, **options):
        pass


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([[float(row[name])] for row in rows]) for name in ("inputs", "labels")}


def train(tmp_path, name: str, options: dict):
    """Eight examples and two epochs with a recipe's options; returns the Trainer."""
    recipe = tmp_path / f"{name}.yaml"
    own = {"output_dir": str(tmp_path / name), "num_train_epochs": 2, "train_batch_size": 4, "warmup_steps": 0}
    recipe.write_text(yaml.safe_dump(own | options))
    arguments = parse_arguments(Arguments, "A run.", TRAINER_OPTIONS, [str(recipe)])
    rows = Dataset.from_dict({"inputs": range(8), "labels": range(8), "length": [1] * 8})
    made = make_training_arguments(arguments, 8)
    open_run(arguments)
    trainer = make_trainer(arguments, made, Line(), None, collate, {"train": rows, "validation": rows})
    trainer.fit()
    return trainer


def values_of(name: str) -> list:
    """The mutations that are not read as the same value, and the choices."""
    kept, values = [], []
    for value in (*MUTATIONS, *(TAKEN[name].choices or ()), *OWN_VALUES.get(name, ())):
        try:
            meant = TAKEN[name].read(name, value)
        except UserError:
            meant = [len(values)]
        if not any(meant == other and type(meant) is type(other) for other in kept):
            kept.append(meant)
            values.append(value)
    return values


@pytest.mark.parametrize("name", [name for name in TAKEN if name not in SLOW])
def test_a_field_is_trained_with_or_refused_before_anything_is_written(tmp_path, name):
    outcomes = []
    for place, value in enumerate(values_of(name)):
        try:
            outcomes.append(train(tmp_path, f"run{place}", {name: value}).state.global_step > 0)
        except UserError as refusal:
            assert not (tmp_path / f"run{place}").exists()
            assert name in str(refusal) and "\n" not in str(refusal)
            outcomes.append(None)
    assert None in outcomes and False not in outcomes
    assert True in outcomes or name not in PRESENT or name == "fp16"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"dataloader_prefetch_factor": 2}, "dataloader_prefetch_factor: needs workers"),
        ({"dataloader_persistent_workers": True}, "dataloader_persistent_workers: needs workers"),
        ({"eval_delay": 2}, "eval_delay: 2, but the run ends at 2"),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "lr_scheduler_type cosine_with_min_lr"),
        ({"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"far": 1}}, "warmup_stable_decay"),
        ({"label_smoothing_factor": 0.1}, "label_smoothing_factor: transformers has this option, igpay has not"),
        ({"per_device_train_batch_size": 8}, "give train_batch_size"),
        ({"deepspeed": "x"}, "it is said to the launcher"),
        ({"push_to_hub": True}, "scripts/publish.py"),
        ({"torch_compile_backend": "eagre"}, "torch_compile_backend: unknown value 'eagre'; did you mean 'eager'"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_written(tmp_path, options, says):
    with pytest.raises(UserError) as refusal:
        train(tmp_path, "run", options)
    assert says in str(refusal.value) and not (tmp_path / "run").exists()


def test_a_compiler_that_is_not_there_is_told_before_anything_is_written(tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("no C++ compiler\nfound")

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(UserError, match="torch_compile with eager: cannot be used here: no C.. compiler$"):
        train(tmp_path, "run", {"torch_compile_backend": "eager"})
    assert not (tmp_path / "run").exists()


def test_every_field_of_transformers_is_taken_or_refused_with_a_reason():
    assert set(TRAINER_OPTIONS) >= PRESENT
    assert not set(TAKEN) & {name for names in REFUSED.values() for name in names.split()}
