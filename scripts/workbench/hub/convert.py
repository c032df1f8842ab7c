"""Weights that only a `pytorch_model.bin` holds, as safetensors in the cache: no pickled code ever runs."""

import hashlib
import json
import re
import sys
import tempfile
import warnings
from pathlib import Path

from workbench.errors import UserError
from workbench.processes import is_main_process

from . import door

TORCH_WEIGHTS, TORCH_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
ZIP_MAGIC = b"PK\x03\x04"  # torch's format since 1.6, the one that can be memory-mapped
# Tied weights are written once for each of their names; a file of honest tensors does not grow more than this.
MOST_GROWTH = 8


def safetensors_folder(name: str, folder: Path) -> Path:
    """A folder in the cache with the torch weights of `folder` as safetensors; made at the first call.

    Args:
        name: what errors call the model.

    Raises:
        UserError: what torch's restricted reader refuses, weights that are no tensors, or a cache without room.
        RefusedError: links that lead outside, or an index of other files.
    """
    parts = _torch_parts(folder)
    place = cache_folder() / _content_key(parts)
    if not place.is_dir():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as draft:
                _convert(name, parts, Path(draft) / "model")
                _take_place(Path(draft) / "model", place)
        except OSError as error:
            raise UserError(f"{name}: cannot write its weights as safetensors: {error}") from error
        if is_main_process():
            print(f"{name}: read {parts[0].name} with torch's restricted reader into {place}", file=sys.stderr)
    return place


def cache_folder() -> Path:
    """Where converted models are kept, below HF_HOME."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "igpay" / "safetensors"


def _torch_parts(folder: Path) -> list[Path]:
    parts = [folder / TORCH_WEIGHTS]
    if not door.is_there(parts[0]):
        parts = door.index_parts(folder / TORCH_INDEX, ".bin")
    for part in parts:
        door.regular(part)
    return parts


def _content_key(paths: list[Path]) -> str:
    """A name for these files and what is in them."""
    key = hashlib.sha256()
    for path in paths:
        key.update(f"{path.name} {_content_of(path)}\n".encode())
    return key.hexdigest()[:32]


def _content_of(path: Path) -> str:
    # A snapshot of the Hub links to blobs that are named by their content: no need to read them.
    if path.is_symlink() and path.resolve().parent.name == "blobs":
        return path.resolve().name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(name: str, parts: list[Path], target: Path) -> None:
    """Writes a folder of safetensors from torch's files, one after the other."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    target.mkdir()
    places, total = {}, 0
    for number, part in enumerate(parts, start=1):
        file = "model.safetensors" if len(parts) == 1 else f"model-{number:05}-of-{len(parts):05}.safetensors"
        tensors = _read_tensors(name, part)
        try:
            save_file(tensors, target / file, metadata={"format": "pt"})
        except (SafetensorError, ValueError, KeyError) as error:
            raise UserError(f"{name}: {part.name} cannot be written as safetensors: {error}") from error
        places |= dict.fromkeys(tensors, file)
        total += sum(map(_size, tensors.values()))
    if len(parts) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (target / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")


def _read_tensors(name: str, path: Path) -> dict:
    """The tensors of one file, each with memory of its own; UserError for anything else that is in it."""
    import torch

    with path.open("rb") as file:
        mapped = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # the reader's own refusal, or whatever a broken file makes of it
        raise UserError(f"{name}: {path.name} is refused, for {_reason(error)}") from error
    plain = isinstance(tensors, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) and value.layout == torch.strided
        for key, value in tensors.items()
    )
    if not plain or not tensors:
        raise UserError(f"{name}: {path.name} is refused, for it is not a plain table of names and tensors")
    if sum(map(_size, tensors.values())) > MOST_GROWTH * path.stat().st_size:
        raise UserError(f"{name}: {path.name} is refused, for its tensors are far larger than the file")
    return {key: value.detach().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}


def _reason(error: Exception) -> str:
    named = re.search(r"GLOBAL (\S+) (was not an allowed|whose module)", str(error))
    if named:
        return f"it holds more than tensors: {named[1]}, which could run code"
    if "Weights only load failed" in str(error):
        return "torch's restricted reader takes tensors alone"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"torch cannot read it: {lines[0]}"


def _size(tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _take_place(draft: Path, place: Path) -> None:
    """The finished folder under its name, unless another process was first."""
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():
            raise
