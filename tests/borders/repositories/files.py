"""Repositories in which something else than a file lies in its place, or a link that leads out of the folder."""

import os
import shutil
import socket
from pathlib import Path

from .case import each, hostile, moved_outside, outside

READ = {
    "translator": ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    "classifier": ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    "encoder": ("config.json", "model.safetensors", "tokenizer.json"),
    "lora": ("adapter_config.json", "adapter_model.safetensors", "config.json", "tokenizer.json"),
    "adapterhub": ("adapter_config.json", "adapter.safetensors", "head_config.json"),
}


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


for base, names in READ.items():

    @each({name: name for name in names}, base)
    def pipe_in_place_of(folder: Path, name: str) -> None:
        pipe(folder / name)


@each({name: name for name in ("generation_config.json", "results.json", "README.md")}, "translator", may_load=True)
def pipe_beside(folder: Path, name: str) -> None:
    pipe(folder / name)


@each(
    {
        name: name
        for name in (
            "results.json",
            "README.md",
            "config.yaml",
            "special_tokens_map.json",
            "vocab.txt",
            "chat_template.jinja",
        )
    },
    "classifier",
    may_load=True,
)
def pipe_beside_a_classifier(folder: Path, name: str) -> None:
    pipe(folder / name)


@each(
    {name: name for name in ("results.json", "README.md", "config.yaml", "config.json", "curves.png", "vocab.txt")},
    "classifier",
    targets=["publish"],
    may_load={"README.md", "config.yaml", "curves.png", "vocab.txt"},
)
def pipe_to_be_published(folder: Path, name: str) -> None:
    pipe(folder / name)


@each({name: name for name in READ["classifier"]}, "classifier")
def folder_in_place_of(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


@each({name: name for name in ("config.json", "tokenizer.json")}, "classifier")
def socket_in_place_of(folder: Path, name: str) -> None:
    (folder / name).unlink()
    here = Path.cwd()
    os.chdir(folder)  # a socket's path has at most 107 letters
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(name)
    finally:
        os.chdir(here)


@each({name: name for name in READ["classifier"]}, "classifier")
def endless_device_in_place_of(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")


@each({name: name for name in READ["classifier"]}, "classifier")
def link_to_itself(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to(name)


@each({name: name for name in READ["classifier"]}, "classifier", targets=["classify", "spaces/classifier", "publish"])
def link_leading_outside(folder: Path, name: str) -> None:
    moved_outside(folder, name)


@each({"translator": "model.safetensors", "tokenizer": "tokenizer.json"}, "translator", "encoder")
def link_leading_outside_elsewhere(folder: Path, name: str) -> None:
    moved_outside(folder, name)


@hostile("lora", "bottleneck", "adapterhub")
def adapter_that_is_a_link(folder: Path) -> None:
    moved_outside(folder, min(path.name for path in folder.glob("*.safetensors")))


@each(
    {"vocab.txt": "vocab.txt", "results.json": "results.json", "merges.txt": "merges.txt", "curves.png": "curves.png"},
    "classifier",
    targets=["publish"],
)
def secret_to_be_published(folder: Path, name: str) -> None:
    secret = outside(folder) / "secret"
    secret.write_text('{"secret": "of the user"}')
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)


@hostile("classifier", "translator", may_load=True)
def whole_folder_as_a_link(folder: Path) -> None:
    """Whoever gives a link as the folder means it."""
    place = outside(folder) / "whole"
    shutil.move(folder, place)
    folder.symlink_to(place)


@hostile("classifier", may_load=True)
def huge_files_beside(folder: Path) -> None:
    """Holes of a terabyte; nobody needs them."""
    for name in ("data.safetensors.old", "pytorch_model.msgpack", "model.onnx", "README.md"):
        with (folder / name).open("wb") as file:
            file.truncate(1 << 40)


@each({name: name for name in READ["classifier"]}, "classifier")
def hole_in_place_of(folder: Path, name: str) -> None:
    with (folder / name).open("wb") as file:
        file.truncate(1 << 40)


@hostile("classifier", may_load=True)
def many_files(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    for number in range(3_000):
        (folder / "additional_chat_templates" / f"t{number}.jinja").write_text("x")


@hostile("classifier", may_load=True)
def names_of_files_that_are_no_text(folder: Path) -> None:
    for name in (b"\xff\xfe.json", b"a\nb.txt", b"\x1b[2J.png", b"-rf.png"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("x")
