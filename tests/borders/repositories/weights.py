"""Repositories whose weights are not those of the model that the config promises, or are no weights."""

import struct
from pathlib import Path

from .case import each, edit, header, hostile, weights_of, with_header, without_tensors


@hostile("encoder", targets=["classify", "spaces/classifier", "publish"])
def encoder_without_a_head(folder: Path) -> None:
    """It would answer at random."""


@hostile("encoder", targets=["classify", "spaces/classifier", "publish"])
def encoder_that_claims_a_head(folder: Path) -> None:
    edit(folder / "config.json", architectures=["BertForSequenceClassification"])


@each(
    {"head": "classifier.", "layer": "layer.1.", "embedding": "word_embeddings", "one": "layer.2.output.dense.bias"},
    "classifier",
    targets=["classify", "spaces/classifier", "publish"],
)
def classifier_without(folder: Path, part: str) -> None:
    without_tensors(weights_of(folder), part)


@each({"encoder": "encoder.layer.0.", "head": "classifier"}, "ours")
def our_classifier_without(folder: Path, part: str) -> None:
    without_tensors(weights_of(folder), part)


@each({"layer": "layer.1.", "embedding": "position_embeddings"}, "encoder")
def encoder_without(folder: Path, part: str) -> None:
    without_tensors(weights_of(folder), part)


@each(
    {"decoder": "decoder.", "encoder": "encoder.", "one": "layers.0"},
    "translator",
    targets=["translate", "spaces/translator", "publish"],
)
def translator_without(folder: Path, part: str) -> None:
    without_tensors(weights_of(folder), part)


OTHER_SIZES = {
    "a row more": {"vocab_size": 61},
    "a row less": {"vocab_size": 59},
    "a layer more": {"num_hidden_layers": 4},
    "wider": {"hidden_size": 34},
    "positions": {"max_position_embeddings": 513},
    "inner": {"intermediate_size": 41},
    "cross attention": {"is_decoder": True, "add_cross_attention": True},
}


@each(OTHER_SIZES, "classifier", "encoder")
def other_sizes_than_the_weights(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", **fields)


@each({"a class more": ["a", "b", "c"], "a class less": ["a"]}, "classifier", "ours")
def other_labels_than_the_weights(folder: Path, names: list) -> None:
    edit(folder / "config.json", id2label=dict(enumerate(names)), label2id={name: at for at, name in enumerate(names)})


@each(
    {"a row more": {"vocab_size": 22}, "a layer more": {"decoder_layers": 2}, "wider": {"hidden_size": 18}},
    "translator",
)
def other_translator_than_the_weights(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", **fields)


@each({"lora": "lora_A", "head": "classifier", "layer": "layer.1."}, "lora")
def adapter_without(folder: Path, part: str) -> None:
    without_tensors(weights_of(folder), part)


@each({"layer": "layer.1.", "head": "classifier"}, "bottleneck", targets=["classify", "spaces/classifier"])
def bottleneck_without(folder: Path, part: str) -> None:
    without_tensors(weights_of(folder), part)


@hostile("adapterhub", targets=["convert_adapter"])
def adapter_of_adapterhub_without_a_layer(folder: Path) -> None:
    without_tensors(folder / "adapter.safetensors", "layer.1.")


@hostile("lora", "bottleneck")
def adapter_of_another_rank(folder: Path) -> None:
    edit(folder / "adapter_config.json", r=3, bottleneck_size=3)


@hostile("lora")
def adapter_on_an_encoder_of_another_size(folder: Path) -> None:
    import shutil

    base = folder.parent / "base"
    shutil.copytree(folder.parents[1] / "wide", base)
    edit(folder / "adapter_config.json", base_model_name_or_path=str(base))


def lies(head: dict) -> dict[str, dict | bytes]:
    """Headers that cannot be true of the content."""
    first = next(name for name in sorted(head) if name != "__metadata__")
    second = sorted(name for name in head if name not in (first, "__metadata__"))[0]
    entry = head[first]

    def with_entry(**fields) -> dict:
        return head | {first: entry | fields}

    return {
        "offsets outside": with_entry(data_offsets=[0, 10**12]),
        "offsets backwards": with_entry(data_offsets=[8, 0]),
        "offsets negative": with_entry(data_offsets=[-8, 0]),
        "overlapping": with_entry(data_offsets=head[second]["data_offsets"], shape=head[second]["shape"]),
        "shape too large": with_entry(shape=[2**31, 2**31, 4]),
        "shape negative": with_entry(shape=[-1, -2]),
        "shape deep": with_entry(shape=[1] * 100_000),
        "shape of texts": with_entry(shape=["x"]),
        "unknown type": with_entry(dtype="EVIL"),
        "a type as a list": with_entry(dtype=["F32"]),
        "other type": with_entry(dtype="F64"),
        "metadata of numbers": head | {"__metadata__": {"format": 3}},
        "no format": {name: value for name, value in head.items() if name != "__metadata__"} | {"__metadata__": {}},
        "another format": head | {"__metadata__": {"format": "evil"}},
        "deep": b"[" * 100_000,
        "list": b"[1, 2]" + b" " * 10,
        "text": b"not a header at all",
        "not UTF-8": b'{"\xff\xfe": 1}',
        "blank": b" " * 50_000_000,
        "many names": {
            f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(200_000)
        },
    }


NAMES = list(lies({"a": {"data_offsets": [0, 4], "shape": [1]}, "b": {"data_offsets": [4, 8], "shape": [1]}}))


@each({name: name for name in NAMES}, "classifier", may_load={"no format", "another format"})
def header_that_lies(folder: Path, name: str) -> None:
    path = weights_of(folder)
    with_header(path, lies(header(path))[name])


CHOSEN = ("offsets outside", "shape too large", "deep", "unknown type")


@each({name: name for name in CHOSEN}, "translator", "encoder", "lora", "bottleneck", "adapterhub")
def header_that_lies_elsewhere(folder: Path, name: str) -> None:
    path = weights_of(folder)
    with_header(path, lies(header(path))[name])


@each({"huge": 2**62, "beyond the file": 10**9, "short": 20, "zero": 0}, "classifier", "translator", "lora")
def header_of_another_length(folder: Path, length: int) -> None:
    path = weights_of(folder)
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])


@each({"empty": 0, "five bytes": 5, "header only": 9}, "classifier", "lora")
def weights_cut_off(folder: Path, size: int) -> None:
    path = weights_of(folder)
    path.write_bytes(path.read_bytes()[:size])


@hostile("classifier", "translator")
def weights_cut_in_the_middle(folder: Path) -> None:
    path = weights_of(folder)
    path.write_bytes(path.read_bytes()[:-100])


@hostile("classifier")
def weights_of_a_pointer(folder: Path) -> None:
    """What git leaves where its large files were not fetched."""
    weights_of(folder).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
