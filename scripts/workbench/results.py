"""A run is a folder: `config.yaml` says what was asked for, `results.json` what came out."""

import dataclasses
import json
import os
import platform
import shutil
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from .errors import UserError

SCHEMA = 1
CONFIG_FILE = "config.yaml"
RESULTS_FILE = "results.json"
LIBRARIES = ("torch", "transformers", "datasets", "accelerate", "tokenizers")
# Options that may differ between a run and its continuation.
FREE_OPTIONS = frozenset(
    {"output_dir", "resume_from_checkpoint", "overwrite_output_dir", "report_to", "push_to_hub", "hub_private"}
)


@dataclass
class RunResults:
    """The content of `results.json`; everything downstream (tables, figures, cards, Spaces) reads it.

    Attributes:
        metrics: split -> name -> value, e.g. `metrics["test"]["word_accuracy"]`; losses are in nats per symbol.
        splits: split -> number of examples.
        parameters: `total` and `trainable`.
        seconds: phase -> wall-clock seconds; `train` counts all sessions of a resumed run.
        fit: of scaling-law fits alone: E, A, B, alpha, beta and `ci`.
        facts: what the model card tells beside this; see `facts.FactsCollector`.
    """

    metrics: dict[str, dict[str, float]]
    splits: dict[str, int]
    parameters: dict[str, int]
    seconds: dict[str, float]
    seed: int
    fit: dict | None = None
    facts: dict | None = None
    versions: dict[str, str] = field(default_factory=lambda: library_versions())
    schema: int = SCHEMA

    def write(self, folder: str | Path) -> None:
        """Writes `folder/results.json`, whole or not at all."""
        content = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        write_whole(Path(folder) / RESULTS_FILE, json.dumps(content, indent=2, sort_keys=True) + "\n")

    @classmethod
    def read(cls, folder: str | Path) -> "RunResults":
        """Reads `folder/results.json`; UserError if it is missing, broken or of a newer schema."""
        path = Path(folder) / RESULTS_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot read these results: {error}") from error
        if content.get("schema", 0) > SCHEMA:
            raise UserError(f"{path}: schema {content['schema']} is newer than this igpay's ({SCHEMA}); update igpay")
        known = {item.name for item in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in content.items() if key in known})


def library_versions() -> dict[str, str]:
    """Version of Python and of the libraries that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def count_parameters(model) -> dict[str, int]:
    """`total` and `trainable` parameters of a torch module."""
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return {"total": sum(n for n, _ in sizes), "trainable": sum(n for n, trains in sizes if trains)}


def write_whole(path: Path, text: str) -> None:
    """Writes beside, then renames, so that nobody ever reads half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def is_main_process() -> bool:
    """Whether this is the process (of those a launcher started) that writes files and talks."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """How many processes a launcher started for this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def open_run(arguments) -> Path:
    """Makes the run's folder and writes its `config.yaml`; called by every process, acts in the main one.

    Raises:
        UserError: the folder holds another run, other files, or a run with other options than the one to resume.
    """
    folder = Path(arguments.output_dir)
    if not is_main_process():
        return folder
    import yaml

    resolved = dataclasses.asdict(arguments) | {"extra": getattr(arguments, "extra", {})}
    # What a process left that was killed as it wrote its first file is no run.
    if folder.exists() and any(not path.name.startswith(f".{CONFIG_FILE}.") for path in folder.iterdir()):
        _check_existing(folder, resolved, arguments)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CONFIG_FILE, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
    return folder


def _check_existing(folder: Path, resolved: dict, arguments) -> None:
    if not (folder / CONFIG_FILE).exists():
        raise UserError(f"{folder}: not empty and not a run's folder; choose another --output_dir")
    if arguments.overwrite_output_dir:
        shutil.rmtree(folder)
        return
    if not arguments.resume_from_checkpoint:
        raise UserError(
            f"{folder}: holds another run; add --resume_from_checkpoint to go on with it, "
            "--overwrite_output_dir to replace it, or choose another --output_dir"
        )
    earlier = read_run_config(folder)
    changed = [name for name, value in resolved.items() if name not in FREE_OPTIONS and earlier.get(name) != value]
    if changed:
        name = changed[0]
        raise UserError(
            f"{folder}: cannot resume with other options: {name} was {earlier.get(name)} and is {resolved[name]} now"
        )


def read_run_config(folder: str | Path) -> dict:
    """The resolved options of the run in `folder`."""
    from .arguments import read_recipe

    return read_recipe(str(Path(folder) / CONFIG_FILE))


def write_table(path: Path, header: tuple[str, ...], rows: list[tuple]) -> None:
    """Writes tab-separated rows, whole or not at all."""
    write_whole(path, "".join("\t".join(map(str, row)) + "\n" for row in (header, *rows)))
