"""Adapters whose config names code, other places or sizes that nobody can build."""

import json
import shutil
from pathlib import Path

from .case import code, each, edit, hostile, pickle, weights_of
from .code import base_of_its_own

BOMB = "(.*)*(.*)*(.*)*(.*)*(a|a)*$|((((.*)*)*)*)*x"


@hostile("lora", "bottleneck")
def base_that_brings_code(folder: Path) -> None:
    base = base_of_its_own(folder)
    code(base / "evil.py")
    edit(base / "config.json", auto_map={"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"})


@hostile("lora", "bottleneck")
def base_of_pickles(folder: Path) -> None:
    base = base_of_its_own(folder)
    weights_of(base).unlink()
    pickle(base / "pytorch_model.bin")


@hostile("lora")
def base_without_a_layer(folder: Path) -> None:
    from .case import without_tensors

    without_tensors(weights_of(base_of_its_own(folder)), "layer.1.")


@hostile("lora", targets=["classify", "spaces/classifier"])
def base_that_is_an_adapter(folder: Path) -> None:
    edit(folder / "adapter_config.json", base_model_name_or_path=str(folder))


BASES = {
    "of the Hub": "owner/none",
    "empty": "",
    "null": None,
    "list": ["a"],
    "above": "..",
    "root": "/",
    "zero byte": "a\0b",
    "long": "x" * 100_000,
    "user": "~root",
    "number": 7,
    "address": "http://127.0.0.1:1/x",
}


@each(BASES, "lora", "bottleneck", targets=["classify", "spaces/classifier"])
def base(folder: Path, name) -> None:
    edit(folder / "adapter_config.json", base_model_name_or_path=name)


FIELDS = {
    "mapping": {"auto_mapping": {"base_model_class": "Evil", "parent_library": "payload_module"}, "task_type": None},
    "mapping beside a task": {"auto_mapping": {"base_model_class": "Evil", "parent_library": "payload_module"}},
    "Megatron": {"megatron_config": {"a": 1}, "megatron_core": "payload_module"},
    "targets of a bomb": {"target_modules": BOMB},
    "exclusions of a bomb": {"exclude_modules": BOMB},
    "broken targets": {"target_modules": "((("},
    "no targets": {"target_modules": []},
    "targets of numbers": {"target_modules": [1]},
    "unknown targets": {"target_modules": ["evil"]},
    "targets of all": {"target_modules": "all-linear"},
    "ranks of a bomb": {"rank_pattern": {BOMB: 4}},
    "alphas of a bomb": {"alpha_pattern": {BOMB: 4}},
    "layers repeated": {"layer_replication": [[0, 3]] * 100_000},
    "layers repeated twice": {"layer_replication": [[0, 3], [0, 3]]},
    "layers repeated beyond": {"layer_replication": [[0, 10**6]]},
    "LoftQ": {"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4, "loftq_iter": 10**9}},
    "Eva": {"init_lora_weights": "eva", "eva_config": {"rho": 1e9}},
    "Corda": {"init_lora_weights": "corda", "corda_config": {"cache_file": "/etc/passwd", "covariance_file": "x"}},
    "Pissa": {"init_lora_weights": "pissa_niter_1000000000"},
    "start of a path": {"init_lora_weights": "../../evil"},
    "start of a list": {"init_lora_weights": [1]},
    "rank huge": {"r": 10**9},
    "rank large": {"r": 10**6},
    "rank negative": {"r": -1},
    "rank zero": {"r": 0},
    "rank of words": {"r": "many"},
    "rank of NaN": {"r": float("nan")},
    "alpha of words": {"lora_alpha": "x"},
    "dropout of two": {"lora_dropout": 2},
    "bias unknown": {"bias": "evil"},
    "type unknown": {"peft_type": "EVIL"},
    "type listed": {"peft_type": ["LORA"]},
    "type nested": {"peft_type": {"LORA": 1}},
    "type a number": {"peft_type": 7},
    "task unknown": {"task_type": "EVIL"},
    "task listed": {"task_type": ["SEQ_CLS"]},
    "task of others": {"task_type": "CAUSAL_LM"},
    "saving everything": {"modules_to_save": ["bert", "encoder", "layer", "0", "attention", "classifier"]},
    "saving words": {"modules_to_save": "classifier"},
    "saving numbers": {"modules_to_save": [1]},
    "saving nothing there": {"modules_to_save": ["evil"]},
    "layers far away": {"layers_to_transform": [10**9], "layers_pattern": "layer"},
    "tokens far away": {"trainable_token_indices": [10**12]},
    "parameters targeted": {"target_parameters": ["bert.embeddings.word_embeddings.weight"]},
    "unknown field": {"evil": 1, "runtime_config": {"ephemeral_gpu_offload": True}},
    "Arrow": {"arrow_config": {"top_k": 10**9}},
    "DoRA": {"use_dora": True},
    "prompts": {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 10**9},
    "prompts of code": {
        "peft_type": "PROMPT_TUNING",
        "num_virtual_tokens": 4,
        "prompt_tuning_init": "TEXT",
        "prompt_tuning_init_text": "x",
        "tokenizer_name_or_path": "owner/evil",
        "tokenizer_kwargs": {"trust_remote_code": True},
    },
    "prompts encoded": {"peft_type": "P_TUNING", "num_virtual_tokens": 10**6, "encoder_hidden_size": 10**6},
    "prefix": {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 10**9},
    "experts": {"peft_type": "XLORA", "adapters": {"0": "../outside", "1": "owner/evil"}},
    "experts of ours": {"adapters": ["../../evil", "a"]},
    "IA3": {"peft_type": "IA3", "feedforward_modules": BOMB},
    "random": {"peft_type": "VERA", "r": 10**8},
    "vectors": {"peft_type": "VBLORA", "num_vectors": 10**9, "vector_length": 10**6},
}
HARMLESS = {
    "unknown field",
    "dropout of two",
    "bias unknown",
    "exclusions of a bomb",
    "ranks of a bomb",
    "alphas of a bomb",
    "task of others",
    "saving words",
    "Eva",
    "Corda",
    "Pissa",
    "start of a path",
    "start of a list",
    "alpha of words",
    "layers repeated beyond",
    "tokens far away",
    "task unknown",
    "saving nothing there",
}


@each(FIELDS, "lora", may_load=HARMLESS, targets=["classify", "spaces/classifier"])
def field(folder: Path, fields: dict) -> None:
    edit(folder / "adapter_config.json", **fields)


OURS = {
    "size huge": {"bottleneck_size": 10**9},
    "size of words": {"bottleneck_size": "x"},
    "size negative": {"bottleneck_size": -4},
    "size null": {"bottleneck_size": None},
    "placement unknown": {"placement": "evil"},
    "placement listed": {"placement": ["pfeiffer"]},
    "activation a function": {"non_linearity": "os.system"},
    "activation listed": {"non_linearity": ["gelu"]},
    "sharing huge": {"sharing": 10**9},
    "sharing of words": {"sharing": "evil"},
    "layers left out": {"leave_out": [10**9]},
    "layers left out of words": {"leave_out": "all"},
    "scaling of NaN": {"scaling": float("nan")},
    "scaling of words": {"scaling": "x"},
    "dropout of two": {"dropout": 2},
    "mapping": {"auto_mapping": {"base_model_class": "Evil", "parent_library": "payload_module"}, "task_type": None},
    "targets of a bomb": {"target_modules": BOMB},
    "exclusions of a bomb": {"exclude_modules": BOMB},
    "trained on a list": {"trained_on": [1]},
    "trained on nothing": {"trained_on": {"model_type": ["bert"], "hidden_size": "x"}},
    "a fusion above": {"adapters": ["../../evil", "../outside"]},
    "a fusion of numbers": {"adapters": [1, 2]},
    "a fusion of itself": {"adapters": [".", "."]},
    "unknown field": {"evil": 1},
    "LayerNorms": {"train_layer_norm": True},
    "start unknown": {"init": "evil"},
}


SAFE = {
    "scaling of NaN",
    "trained on a list",
    "trained on nothing",
    "start unknown",
    "layers left out",
    "exclusions of a bomb",
    "dropout of two",
    "unknown field",
}


@each(OURS, "bottleneck", may_load=SAFE)
def field_of_ours(folder: Path, fields: dict) -> None:
    edit(folder / "adapter_config.json", **fields)


ADAPTERHUB = {
    "factor of zero": {"reduction_factor": 0},
    "factor tiny": {"reduction_factor": 1e-9},
    "factor of NaN": {"reduction_factor": float("nan")},
    "factor of words": {"reduction_factor": "x"},
    "factor of layers": {"reduction_factor": {"0": 2, "default": "x"}},
    "activation a function": {"non_linearity": "__import__"},
    "activation listed": {"non_linearity": ["relu"]},
    "a union": {"architecture": "union", "configs": [{}, {}]},
    "an unknown architecture": {"architecture": "evil"},
    "layers left out": {"leave_out": ["x"]},
    "scaling of words": {"scaling": "x"},
    "scaling learned": {"scaling": "learned"},
    "layers of PHM": {"phm_layer": True, "phm_dim": 10**9},
    "inverted": {"inv_adapter": "nice", "inv_adapter_reduction_factor": 2},
    "dropout of words": {"dropout": "x"},
    "unknown field": {"evil": {"a": 1}},
}


@each(
    ADAPTERHUB,
    "adapterhub",
    may_load={"layers left out", "unknown field", "factor of layers", "factor of words"},
    targets=["convert_adapter", "fuse"],
)
def field_of_adapterhub(folder: Path, fields: dict) -> None:
    edit(folder / "adapter_config.json", inside="config", **fields)


@each(
    {
        "width huge": {"hidden_size": 10**12},
        "width of words": {"hidden_size": "x"},
        "name above": {"name": "../../evil"},
        "name a list": {"name": [1]},
        "name long": {"name": "x" * 10**6},
        "family unknown": {"model_type": "evil"},
        "family a list": {"model_type": ["bert"]},
        "class unknown": {"model_class": "Evil"},
        "base a list": {"model_name": [1]},
        "config of a name": {"config": "pfeiffer"},
        "config of a list": {"config": [1]},
        "another version": {"version": "99"},
    },
    "adapterhub",
    may_load={"class unknown", "another version"},
    targets=["convert_adapter"],
)
def description_of_adapterhub(folder: Path, fields: dict) -> None:
    edit(folder / "adapter_config.json", **fields)


@each(
    {
        "type unknown": {"head_type": "evil"},
        "type a list": {"head_type": ["classification"]},
        "labels huge": {"num_labels": 10**9},
        "layers huge": {"layers": 10**9},
        "layers of words": {"layers": "x"},
        "activation a function": {"activation_function": "__import__"},
        "label names": {"label2id": {"../../x": 0, "\x1b[2J": 1}},
        "label numbers": {"label2id": {"a": 10**9}},
        "label list": {"label2id": [1]},
    },
    "adapterhub",
    may_load={"label names", "label numbers", "label list", "labels huge"},
    targets=["convert_adapter"],
)
def head_of_adapterhub(folder: Path, fields: dict) -> None:
    edit(folder / "head_config.json", inside="config", **fields)


@hostile("adapterhub", targets=["convert_adapter"])
def head_without_weights(folder: Path) -> None:
    (folder / "model_head.safetensors").unlink()


@hostile("bottleneck", targets=["classify"])
def fusion_of_adapters_outside(folder: Path) -> None:
    """The adapters that a fusion names lie beside the repository, not in it."""
    shutil.copytree(folder, folder.parent / "outside")
    names = {"peft_type": "BOTTLENECK", "adapters": ["../outside", "../outside"], "method": "attention"}
    (folder / "adapter_config.json").write_text(json.dumps(names))
