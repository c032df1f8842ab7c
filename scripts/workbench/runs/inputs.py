"""What a run is made from: the files and models that its options name, and whether they are still what they were."""

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from workbench.data.known_tasks import TASKS
from workbench.errors import UserError
from workbench.files import file_size

from .schema import read_json

INPUTS_FILE = "inputs.json"
# Options that name models or adapters: a folder, or a name on the Hub.
MODEL_OPTIONS = ("model_name_or_path", "adapters")
# What of a model's folder makes the model.
MODEL_FILES = ("*.safetensors", "*.bin", "*config.json", "tokenizer*", "vocab*", "merges.txt", "*.py")


def check_inputs(folder: Path, options: dict) -> None:
    """UserError if the run in `folder` had other data, or began from another model."""
    changed = find_changed_input(folder, options)
    if changed is not None:
        raise UserError(
            f"{folder}: cannot go on with other data: {changed} has changed since; choose another --output_dir"
        )


def find_changed_input(folder: Path, options: dict) -> str | None:
    """The first of the run's inputs that is not what it was, by option or path; None if all are or it did not say."""
    path = folder / INPUTS_FILE
    try:
        earlier = read_json(path) if os.path.lexists(path) else {}
    except UserError as error:
        raise UserError(
            f"{path}: damaged, so that nobody knows on which data this run began; choose another folder"
        ) from error
    now = digest_inputs(options)
    return next((name for name in earlier if name in now and earlier[name] != now[name]), None)


def digest_inputs(options: dict) -> dict[str, str]:
    """SHA-256 of each of the inputs, by option (by path where an option names several); a model's is of its files."""
    files = {
        name if name.endswith("_file") else str(path): [path]
        for name, path in existing_paths(options)
        if (name.endswith("_file") or name == "tasks") and path.is_file()
    }
    files |= {str(path): [path] for path in _task_files(options)}
    for name in MODEL_OPTIONS:
        several = isinstance(options.get(name), list)
        files |= {model if several else name: _model_files(model) for model in _texts(options.get(name))}
    return {name: _digest_all(paths) for name, paths in files.items() if paths}


def existing_paths(options: dict) -> Iterator[tuple[str, Path]]:
    """(option, path) for each value, or member of a list, that is the path of something; never the output folder."""
    for name, value in options.items():
        for part in _texts(value):
            # os.path.exists is False for what cannot be a path.
            if name != "output_dir" and os.path.exists(part):  # noqa: PTH110
                yield name, Path(part)


def _texts(value) -> list[str]:
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, str) and part]


def _task_files(options: dict) -> Iterator[Path]:
    """The usual files of the tasks that are read from a `data_dir`."""
    named = [(options.get("intermediate_task"), options.get("intermediate_data_dir"))]
    own = options.get("task_options") or {}
    for task in (options.get("task"), *_texts(options.get("tasks"))):
        named.append((task, (own.get(task) or {}).get("data_dir") or options.get("data_dir")))
    for task, data_dir in named:
        if task in TASKS and data_dir:
            patterns = [pattern for patterns in TASKS[task].files.values() for pattern in patterns]
            for folder in (Path(data_dir), Path(data_dir) / (TASKS[task].folder or "")):
                yield from (path for pattern in patterns for path in folder.glob(pattern))


def _model_files(name: str) -> list[Path]:
    """What makes a model or an adapter: of a folder, or of the version on the Hub that was last loaded."""
    from huggingface_hub import try_to_load_from_cache

    if os.path.isdir(name):  # noqa: PTH112, False for what cannot be a path
        folder = Path(name)
    else:
        try:
            configs = [try_to_load_from_cache(name, config) for config in ("config.json", "adapter_config.json")]
        except ValueError:  # not a name that the Hub would take
            return []
        folder = next((Path(config).parent for config in configs if isinstance(config, str)), None)
    return sorted(path for pattern in MODEL_FILES for path in folder.glob(pattern)) if folder else []


def _digest_all(paths: list[Path]) -> str:
    stats = [path.stat() for path in paths]
    parts = [_digest(path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(paths, stats, strict=True)]
    if len(parts) == 1:
        return parts[0]
    named = (f"{path.name} {part}\n" for path, part in zip(paths, parts, strict=True))
    return hashlib.sha256("".join(named).encode()).hexdigest()


@cache
def _digest(path: Path, size: int, modified: int) -> str:
    """Of a file as it is; a study asks for the same one before each of its runs."""
    file_size(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
