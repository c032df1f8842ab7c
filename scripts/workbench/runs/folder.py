"""A run is a folder: opened, resumed, replaced, and what it was asked for."""

import dataclasses
import json
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from workbench.arguments import option_values
from workbench.errors import UserError
from workbench.files import write_whole
from workbench.processes import is_main_process

from .claims import LOCK_FILE, claim
from .inputs import INPUTS_FILE, check_inputs, digest_inputs, existing_paths
from .leftovers import foreign_file

CONFIG_FILE = "config.yaml"
# Options that may differ between a run and its continuation.
FREE_OPTIONS = frozenset(
    {"output_dir", "resume_from_checkpoint", "overwrite_output_dir", "report_to", "push_to_hub", "hub_private"}
)


def open_run(arguments) -> Path:
    """Makes the run's folder, with its `config.yaml` and what its input files were; the main process acts.

    To be called when all else has been checked: with `overwrite_output_dir`, it deletes an earlier run.

    The folder is this process's alone until it ends.

    Raises:
        UserError: the folder holds another run, other files, or a run on other data or with other options than the one
            to resume; another process works in it; or what is to be deleted is needed.
    """
    folder = Path(arguments.output_dir)
    if not is_main_process():
        return folder
    import yaml

    resolved = dataclasses.asdict(arguments) | getattr(arguments, "extra", {})
    _check_is_ours(folder)
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder)
    if not _is_new(folder):
        _check_existing(folder, resolved, arguments)
    write_whole(folder / CONFIG_FILE, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
    write_whole(folder / INPUTS_FILE, json.dumps(digest_inputs(resolved), indent=1) + "\n")
    return folder


def _is_new(folder: Path) -> bool:
    """Whether there is nothing in it; what a process left that was killed as it wrote its first file is nothing."""
    return not folder.exists() or all(
        path.name == LOCK_FILE or path.name.startswith(f".{CONFIG_FILE}.") for path in folder.iterdir()
    )


def _check_is_ours(folder: Path) -> None:
    """UserError if the folder holds other things than a run."""
    if _is_new(folder):
        return
    if not (folder / CONFIG_FILE).is_file() or not read_run_config(folder).keys() >= {"output_dir", "seed"}:
        raise UserError(f"{folder}: not empty and not a run's folder; choose another --output_dir")


def _check_existing(folder: Path, resolved: dict, arguments) -> None:
    _check_is_ours(folder)
    earlier = read_run_config(folder)
    if arguments.overwrite_output_dir:
        delete_run(folder, resolved)
        return
    if not arguments.resume_from_checkpoint:
        raise UserError(
            f"{folder}: holds another run; add --resume_from_checkpoint to go on with it, "
            "--overwrite_output_dir to replace it, or choose another --output_dir"
        )
    check_inputs(folder, resolved)
    changed = [name for name, value in resolved.items() if name not in FREE_OPTIONS and earlier.get(name) != value]
    if changed:
        name = changed[0]
        raise UserError(
            f"{folder}: cannot resume with other options: {name} was {earlier.get(name)} and is {resolved[name]} now"
        )


def delete_run(folder: Path, options: dict) -> None:
    """Empties a run's folder.

    Raises:
        UserError: what one of the options names, the present directory, or a file that is not a run's lies in it.
    """
    folder = folder.resolve()
    if folder in (here := Path.cwd().resolve(), *here.parents):
        raise UserError(f"{folder}: would be deleted, with the directory that you are in")
    for name, path in existing_paths(options):
        if folder in (path.resolve(), *path.resolve().parents):
            raise UserError(f"{folder}: would be deleted, and {name} is in it: {path}; choose another --output_dir")
    stray = foreign_file(folder)
    if stray is not None:
        raise UserError(
            f"{folder}: would be deleted, with {stray}, which is not a run's; move it, or choose another folder"
        )
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK_FILE:
            path.unlink()


def check_is_one_run(name: str) -> None:
    """UserError if a folder holds runs (one per seed, task or cell) and no model of its own; says which there are."""
    folder = Path(name)
    if not folder.is_dir() or any(has_weights(folder)):
        return
    others = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("checkpoint-"))
    runs = sorted(path for path in others if any(has_weights(path)))
    if runs:
        rest = f" or {runs[1].name}" if len(runs) == 2 else f", or one of {len(runs) - 1} others" if runs[2:] else ""
        raise UserError(f"{name}: a folder of runs, not one of them: name {runs[0]}{rest}")


def has_weights(folder: Path) -> Iterator[Path]:
    """The files with weights of a model or an adapter, as training leaves them."""
    return folder.glob("*model*.safetensors*")


def read_run_config(folder: str | Path) -> dict:
    """The resolved options of the run in `folder`."""
    from workbench.recipes import read_recipe

    from .schema import check_plain

    path = Path(folder) / CONFIG_FILE
    if not path.is_file():
        raise UserError(f"{folder}: not a run's folder; it has no {CONFIG_FILE}")
    config = read_recipe(str(path))
    check_plain(config, str(path))
    return config


def read_run_options(folder: str | Path, arguments_class: type, names: Collection[str]) -> dict[str, object]:
    """The named options of the run in `folder`, held against what a script takes; its defaults where none is told."""
    values, config = option_values(arguments_class), read_run_config(folder)
    defaults = arguments_class()
    try:
        return {
            name: values[name].read(name, config[name]) if name in config else getattr(defaults, name) for name in names
        }
    except UserError as error:
        raise UserError(f"{Path(folder) / CONFIG_FILE}: {error}") from error
