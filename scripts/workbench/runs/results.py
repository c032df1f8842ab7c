"""A run is a folder: `config.yaml` says what was asked for, `results.json` what came out."""

import dataclasses
import json
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from workbench.files import write_whole

SCHEMA = 1
PARTS = ("metrics", "splits", "parameters", "seconds")
RESULTS_FILE = "results.json"
LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "tokenizers")


class RunFacts(TypedDict, total=False):
    """The part of `results.json` beside the numbers, for cards, tables and the results Space; all of it may be missing.

    Attributes:
        date: of the training's end, UTC.
        dataset: its name or Hub id, columns, labels and `metric` (the one that chose the best epoch).
        majority: of the training split's commonest class: its name (`class`), and split -> scores of always giving it.
        hyperparameters, hardware, energy_kwh, processes: of the training.
        steps, epochs, best_step: how far it came, and which weights were kept.
        curve: a dictionary per evaluation: step, and the validation scores.
        examples, wrong: some (source, target, written) of a translator's test split.
        base_model: the encoder that was reused.
        strategy: how.
        peak_memory_mib: of the whole process or, with an accelerator, of torch on it.
        layer_weights: of a learned mix of layers, from the embeddings up.
        forgetting: of intermediate training; see `measure_forgetting`.
        tasks, shares: of multi-task training: sizes of the splits, and shares of the batches.
        augmentation: the number of transformed `examples` that were added, their `transforms` and `strength`.
        evaluation: of answers without training: the `run`, what it was given, and a `digest` of each split's texts.
    """

    date: str
    dataset: dict
    majority: dict
    hyperparameters: dict
    hardware: dict
    energy_kwh: float
    processes: int
    steps: int
    epochs: float
    best_step: int
    curve: list[dict[str, float]]
    examples: list[list[str]]
    wrong: list[list[str]]
    base_model: str
    strategy: str
    peak_memory_mib: float
    layer_weights: list[float]
    forgetting: dict
    tasks: dict[str, dict[str, int]]
    shares: dict[str, float]
    augmentation: dict
    evaluation: dict


@dataclass
class RunResults:
    """The content of `results.json`; everything downstream (tables, figures, cards, Spaces) reads it.

    Attributes:
        metrics: split -> name -> value, e.g. `metrics["test"]["word_accuracy"]`; losses are in nats per symbol.
        splits: split -> number of examples.
        parameters: `total` and `trainable`.
        seconds: phase -> wall-clock seconds; `train` counts all sessions of a resumed run.
        fit: of scaling-law fits alone: E, A, B, alpha, beta and `ci`.
        facts: what the model card tells beside this.
    """

    metrics: dict[str, dict[str, float]]
    splits: dict[str, int]
    parameters: dict[str, int]
    seconds: dict[str, float]
    seed: int
    fit: dict | None = None
    facts: RunFacts | None = None
    versions: dict[str, str] = field(default_factory=lambda: library_versions())
    schema: int = SCHEMA

    def write(self, folder: str | Path) -> None:
        """Writes `folder/results.json`, whole or not at all."""
        content = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        write_whole(Path(folder) / RESULTS_FILE, json.dumps(content, indent=2, sort_keys=True) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> "RunResults":
        """Reads `folder/results.json`; UserError if it is missing, broken, of a newer schema or not of any."""
        from .schema import read_results

        path = Path(folder) / RESULTS_FILE
        content = read_results(path, SCHEMA)
        known = {item.name for item in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in content.items() if key in known})


def is_whole(content) -> bool:
    """Whether this is what `RunResults` wrote, with a table in each of its parts."""
    if not isinstance(content, dict) or not isinstance(content.get("seed"), int):
        return False
    tables = [content.get(part) for part in PARTS]
    return all(isinstance(table, dict) for table in tables) and all(
        isinstance(scores, dict) for scores in content["metrics"].values()
    )


def library_versions() -> dict[str, str]:
    """Version of Python and of the libraries that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def count_parameters(model) -> dict[str, int]:
    """`total` and `trainable` parameters of a torch module."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return {"total": sum(n for n, _ in sizes), "trainable": sum(n for n, trains in sizes if trains)}
