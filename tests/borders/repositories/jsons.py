"""Repositories whose JSON is not what its reader expects, or more than it can take."""

import json
from pathlib import Path

from .case import each

DEEP, LARGE = 3_000, 200_000_000
CONTENTS = {
    "list": b"[1, 2]",
    "number": b"7",
    "null": b"null",
    "text": b'"config"',
    "empty": b"",
    "cut off": b'{"model_type": "bert", ',
    "deep": b'{"a": ' * DEEP + b"1" + b"}" * DEEP,
    "deep lists": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "zeros": b"\0" * 1000,
    "of 400 digits": b'{"vocab_size": ' + b"9" * 400 + b"}",
    "of 10,000 digits": b'{"vocab_size": ' + b"9" * 10_000 + b"}",
}
FEW = ("list", "null", "deep", "not UTF-8")


def only(*names: str) -> dict[str, bytes]:
    return {name: CONTENTS[name] for name in names}


@each(CONTENTS, "classifier")
def config(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)


@each(only(*FEW), "translator", "encoder", "ours")
def config_elsewhere(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)


@each(only(*FEW, "deep lists"), "lora", targets=["classify", "spaces/classifier"])
def config_beside_an_adapter(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)


@each(CONTENTS, "lora")
def adapter_config(folder: Path, content: bytes) -> None:
    (folder / "adapter_config.json").write_bytes(content)


@each(only(*FEW, "number", "cut off"), "bottleneck", "adapterhub")
def adapter_config_elsewhere(folder: Path, content: bytes) -> None:
    (folder / "adapter_config.json").write_bytes(content)


@each(only(*FEW, "number", "cut off"), "adapterhub")
def head_config(folder: Path, content: bytes) -> None:
    (folder / "head_config.json").write_bytes(content)


@each(CONTENTS, "classifier")
def tokenizer(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)


@each(CONTENTS, "classifier", may_load={"of 400 digits", "of 10,000 digits", "text"})
def tokenizer_config(folder: Path, content: bytes) -> None:
    (folder / "tokenizer_config.json").write_bytes(content)


@each(only(*FEW), "translator", "encoder")
def tokenizer_elsewhere(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)


@each(only(*FEW), "translator", "encoder", "lora")
def tokenizer_config_elsewhere(folder: Path, content: bytes) -> None:
    (folder / "tokenizer_config.json").write_bytes(content)


@each(only(*FEW, "deep lists"), "translator", "decoder", may_load=True)
def generation_config(folder: Path, content: bytes) -> None:
    (folder / "generation_config.json").write_bytes(content)


@each(
    {name: name for name in ("special_tokens_map.json", "added_tokens.json", "vocab.json", "processor_config.json")},
    "classifier",
    may_load=True,
)
def small_file_of_lists(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"[" * 100_000)


@each(CONTENTS, "classifier")
def weights_index(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_bytes(content)


@each(
    {"empty": {}, "list": [], "numbers": {"w": 1}, "lists": {"w": ["a"]}, "not there": {"w": "model-9.safetensors"}},
    "classifier",
    "translator",
)
def places_in_the_weights_index(folder: Path, places) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


@each({name: name for name in ("config.json", "tokenizer.json", "tokenizer_config.json")}, "classifier")
def file_of_200_megabytes(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    with path.open("wb") as file:
        file.write(content.rstrip(b"} \n") + b', "padding": "')
        for _ in range(LARGE // 1_000_000):
            file.write(b"x" * 1_000_000)
        file.write(b'"}')


@each({"adapter": "lora", "generation": "translator"}, "lora", "translator")
def file_of_200_megabytes_elsewhere(folder: Path, base: str) -> None:
    name = "adapter_config.json" if (folder / "adapter_config.json").exists() else "generation_config.json"
    with (folder / name).open("ab") as file:
        file.write(b" " * LARGE)


# The last one counts, and is what the library is given.
@each({"first hidden": "owner/kernel", "second hidden": "sdpa"}, "classifier", may_load={"first hidden"})
def key_given_twice(folder: Path, first: str) -> None:
    """What one reader checks, another may not be told."""
    text = (folder / "config.json").read_text().rstrip("} \n")
    second = "sdpa" if first == "owner/kernel" else "owner/kernel"
    more = f', "_attn_implementation": "{first}", "_attn_implementation": "{second}"' + "}"
    (folder / "config.json").write_text(text + more)


@each({"BOM": b"\xef\xbb\xbf", "escaped": None}, "classifier")
def kernel_written_otherwise(folder: Path, start: bytes | None) -> None:
    content = (folder / "config.json").read_text().rstrip("} \n")
    key = '"_attn_implementation"' if start else '"\\u005fattn_implementati\\u006fn"'
    (folder / "config.json").write_bytes((start or b"") + (content + f', {key}: "owner/kernel"' + "}").encode())
