"""A hostile repository: a valid folder, and what a stranger changed in it."""

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch

# What code of a stranger does if it is run.
TRACE = 'import os\n\nwith open(os.environ["IGPAY_PAYLOAD"], "a") as file:\n    file.write("code\\n")\n'


class Case(NamedTuple):
    """How a hostile repository is made, and what may become of it."""

    name: str
    kind: str
    base: str  # the valid folder that it is made from
    change: Callable[[Path], None]
    may_load: bool  # harmless: nothing of what is hostile needs to be read
    targets: tuple[str, ...]  # scripts and Spaces; empty: those of the base


CASES: list[Case] = []


def hostile(*bases: str, may_load: bool = False, targets: Iterable[str] = ()):
    """Registers a function that changes a folder, once for each of the valid folders."""

    def register(change: Callable[[Path], None]) -> Callable:
        for base in bases:
            add(change.__name__, base, change, may_load, targets)
        return change

    return register


def each(variants: dict[str, object], *bases: str, may_load: bool | set[str] = False, targets: Iterable[str] = ()):
    """As `hostile`, once for each variant too, which the function is given; `may_load` may be the names of some."""

    def register(change: Callable[[Path, object], None]) -> Callable:
        for name, variant in variants.items():
            for base in bases:
                harmless = name in may_load if isinstance(may_load, set) else may_load
                bound = lambda folder, variant=variant: change(folder, variant)  # noqa: E731, one per variant
                add(f"{change.__name__}-{name}", base, bound, harmless, targets, change.__module__)
        return change

    return register


def add(name: str, base: str, change: Callable, may_load: bool, targets: Iterable[str], module: str = "") -> None:
    kind = (module or change.__module__).rpartition(".")[2]
    CASES.append(Case(name.replace("_", " "), kind, base, change, may_load, tuple(targets)))


def edit(path: Path, *without: str, inside: str = "", **fields) -> None:
    """Changes fields of a JSON object, or of the object in its field `inside`, and takes others out."""
    content = json.loads(path.read_text()) if path.exists() else {}
    part = content.setdefault(inside, {}) if inside else content
    for name in without:
        part.pop(name, None)
    part.update(fields)
    path.write_text(json.dumps(content))


def code(path: Path, more: str = "") -> None:
    """A Python file that leaves a trace."""
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(TRACE + more)


def header(path: Path) -> dict:
    """The header of a safetensors file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])


def with_header(path: Path, head: dict | bytes, length: int | None = None) -> None:
    """Gives a safetensors file another header, of the length that it claims or another one."""
    content = path.read_bytes()
    (old,) = struct.unpack("<Q", content[:8])
    new = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(new) if length is None else length) + new + content[8 + old :])


class Payload:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ('echo pickle >> "$IGPAY_PAYLOAD"',)


def pickle(path: Path, **others) -> None:
    """A torch file that leaves a trace when it is unpickled without restriction."""
    path.parent.mkdir(exist_ok=True, parents=True)
    torch.save({**others, "w": Payload()}, path)


def weights_of(folder: Path) -> Path:
    """The safetensors file of a model or an adapter."""
    return min(folder.glob("*.safetensors"))


def without_tensors(path: Path, part: str) -> None:
    """Takes the tensors out of a safetensors file whose names have that part."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    kept = {key: tensor for key, tensor in tensors.items() if part not in key}
    assert 0 < len(kept) < len(tensors), sorted(tensors)
    save_file(kept, path, metadata={"format": "pt"})


def outside(folder: Path) -> Path:
    """A folder beside the repository, which is not the stranger's."""
    place = folder.parent / "outside"
    place.mkdir(exist_ok=True)
    return place


def moved_outside(folder: Path, name: str) -> None:
    """A file of the repository that is a link to what lies outside of it."""
    target = outside(folder) / f"its-{name}"
    shutil.move(folder / name, target)
    (folder / name).symlink_to(target)
