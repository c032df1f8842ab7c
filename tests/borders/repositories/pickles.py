"""Repositories with pickled files, which run code when they are read without restriction."""

import json
from pathlib import Path

from .case import each, edit, header, hostile, outside, pickle, weights_of


@hostile("translator", "classifier", "encoder", "ours")
def pickled_weights(folder: Path) -> None:
    weights_of(folder).unlink()
    pickle(folder / "pytorch_model.bin")


@hostile("translator", "classifier", "encoder", may_load=True)
def pickled_weights_beside_others(folder: Path) -> None:
    pickle(folder / "pytorch_model.bin")


@hostile("translator", "classifier", "lora")
def pickle_called_safetensors(folder: Path) -> None:
    pickle(weights_of(folder))


@each({"bin": "pytorch_model.bin", "pt": "w.pt", "pickle": "w.pkl"}, "translator", "classifier", "encoder")
def index_naming_a_pickle(folder: Path, name: str) -> None:
    names = dict.fromkeys(name_of_tensors(folder), name)
    weights_of(folder).unlink()
    pickle(folder / name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


@each({"one": 1, "all": 10**6}, "classifier")
def torch_index_naming_a_pickle(folder: Path, count: int) -> None:
    names = dict.fromkeys(name_of_tensors(folder)[:count], "pytorch_model-00001-of-00001.bin")
    weights_of(folder).unlink()
    pickle(folder / "pytorch_model-00001-of-00001.bin")
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


@each(
    {"above": "../outside/w.safetensors", "absolute": "/{}/w.safetensors", "deep": "a/../../outside/w.safetensors"},
    "classifier",
    "encoder",
)
def index_naming_files_outside(folder: Path, name: str) -> None:
    names = dict.fromkeys(name_of_tensors(folder), name.replace("/{}", str(outside(folder))))
    weights_of(folder).rename(outside(folder) / "w.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


@hostile("lora", "bottleneck")
def pickled_adapter(folder: Path) -> None:
    weights_of(folder).unlink()
    pickle(folder / "adapter_model.bin")


@hostile("lora", "bottleneck", may_load=True)
def pickled_adapter_beside_another(folder: Path) -> None:
    pickle(folder / "adapter_model.bin")


@hostile("adapterhub")
def pickled_adapter_of_adapterhub(folder: Path) -> None:
    weights_of(folder).unlink()
    for name in ("pytorch_adapter.bin", "pytorch_model_head.bin"):
        pickle(folder / name)


@each({"head": "pytorch_model_head.bin", "adapter": "pytorch_adapter.bin"}, "adapterhub", may_load=True)
def pickle_beside_an_adapter_of_adapterhub(folder: Path, name: str) -> None:
    pickle(folder / name)


@hostile("translator", "classifier", "lora", "encoder", "adapterhub", may_load=True)
def pickles_that_training_leaves(folder: Path) -> None:
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt"):
        pickle(folder / name)


@each(
    {
        name: name
        for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "pytorch_model.bin")
    },
    "checkpoint",
    may_load=True,
)
def pickle_in_a_checkpoint(folder: Path, name: str) -> None:
    pickle(next(folder.glob("checkpoint-*")) / name)


@hostile("classifier", "encoder")
def tokenizer_with_a_pickled_vocabulary(folder: Path) -> None:
    """The tokenizer of Transformer-XL read its vocabulary from a pickle."""
    (folder / "tokenizer.json").unlink()
    pickle(folder / "vocab.pkl")
    edit(folder / "tokenizer_config.json", tokenizer_class="TransfoXLTokenizer", pretrained_vocab_file="vocab.pkl")


def name_of_tensors(folder: Path) -> list[str]:
    return [name for name in header(weights_of(folder)) if name != "__metadata__"]
