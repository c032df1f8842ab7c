"""Repositories whose config orders what nobody can build, or is not what a config is."""

import json
from pathlib import Path

from .case import each, edit, hostile

MANY = 10**6
ORDERS = {
    "layers": {"num_hidden_layers": 10**6},
    "width": {"hidden_size": 10**9},
    "vocabulary": {"vocab_size": 10**12},
    "labels": {"num_labels": 10**8},
    "positions": {"max_position_embeddings": 10**10},
    "inner": {"intermediate_size": 10**11},
    "token types": {"type_vocab_size": 10**10},
    "heads": {"num_attention_heads": 10**9},
    "layers of some size": {"num_hidden_layers": 20_000},
    "width of some size": {"hidden_size": 60_000},
}


@each(ORDERS, "classifier", "encoder")
def order(folder: Path, fields: dict) -> None:
    if "num_labels" in fields:
        edit(folder / "config.json", "id2label", "label2id")
    edit(folder / "config.json", **fields)


# The inner size of an encoder's config is not held against weights that are not there.
@each({name: ORDERS[name] for name in ("layers", "width", "vocabulary", "positions")}, "ours")
def order_of_the_encoder_inside(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", inside="encoder_config", **fields)


@each({name: ORDERS[name] for name in ("layers", "width", "vocabulary", "positions", "labels")}, "lora", "bottleneck")
def order_beside_an_adapter(folder: Path, fields: dict) -> None:
    if "num_labels" in fields:
        edit(folder / "config.json", "id2label", "label2id")
    edit(folder / "config.json", **fields)


@each(
    {
        "encoder layers": {"encoder_layers": 10**6},
        "decoder layers": {"decoder_layers": 10**6},
        "width": {"hidden_size": 10**9},
        "vocabulary": {"vocab_size": 10**12},
        "inner": {"intermediate_size": 10**11},
        "learned positions": {"position_type": "learned", "max_position_embeddings": 10**10},
        "sinusoidal positions": {"position_type": "sinusoidal", "max_position_embeddings": 10**10},
        "positions": {"max_position_embeddings": 10**10},
        "negative layers": {"decoder_layers": -3},
        "no heads": {"num_attention_heads": 0},
        "no positions": {"max_position_embeddings": 0},
        "layers of words": {"decoder_layers": "many"},
        "unknown norm": {"layer_norm": "evil"},
        "null width": {"hidden_size": None},
        "not a number": {"dropout": float("nan")},
    },
    "translator",
    may_load={"positions", "no positions", "not a number"},
)
def order_of_a_translator(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", **fields)


FIELDS = {
    "negative layers": {"num_hidden_layers": -1},
    "half a layer": {"num_hidden_layers": 1.5},
    "layers of words": {"num_hidden_layers": "many"},
    "layers of none": {"num_hidden_layers": None},
    "layers of NaN": {"num_hidden_layers": float("nan")},
    "infinite layers": {"num_hidden_layers": float("inf")},
    "layers in a list": {"num_hidden_layers": [3]},
    "no layers": {"num_hidden_layers": 0},
    "no heads": {"num_attention_heads": 0},
    "heads that do not divide": {"num_attention_heads": 3},
    "negative width": {"hidden_size": -32},
    "negative labels": {"num_labels": -1},
    "labels of words": {"num_labels": "two"},
    "null vocabulary": {"vocab_size": None},
    "padding outside": {"pad_token_id": 10**6},
    "padding of words": {"pad_token_id": "pad"},
    "activation unknown": {"hidden_act": "evil"},
    "activation listed": {"hidden_act": ["gelu"]},
    "activation null": {"hidden_act": None},
    "epsilon of words": {"layer_norm_eps": "x"},
    "dropout of two": {"hidden_dropout_prob": 2},
    "dropout of words": {"classifier_dropout": "x"},
    "dtype unknown": {"dtype": "evil"},
    "dtype a function": {"dtype": "load", "torch_dtype": "load"},
    "dtype listed": {"dtype": [1]},
    "tuples returned": {"return_dict": False},
    "problem unknown": {"problem_type": "evil"},
    "an encoder-decoder": {"is_encoder_decoder": True},
    "a decoder": {"is_decoder": True},
    "chunks": {"chunk_size_feed_forward": -1},
    "heads pruned": {"pruned_heads": {"0": [0, 1]}},
    "layers pruned": {"pruned_heads": {"99": [0]}},
    "version of a number": {"transformers_version": 5},
    "architectures of numbers": {"architectures": [1, None]},
    "architecture a text": {"architectures": "BertForSequenceClassification"},
    "architecture of others": {"architectures": ["LlamaForCausalLM"]},
    "type unknown": {"model_type": "evil"},
    "type a path": {"model_type": "../../evil"},
    "type a list": {"model_type": ["bert"]},
    "type null": {"model_type": None},
    "type another": {"model_type": "gpt2"},
    "type of a pair": {"model_type": "encoder-decoder"},
    "position embedding unknown": {"position_embedding_type": "evil"},
    "reserved name": {"_name_or_path": "/etc", "base_model_prefix": "evil", "is_composition": True},
    "a method's name": {"to_dict": 1, "save_pretrained": "x", "use_return_dict": 3},
    "output of all": {"output_hidden_states": True, "output_attentions": True},
    "chunked and deep": {"task_specific_params": {"a": [[[[[[{}]]]]]]}},
}
HARMLESS = {
    # transformers 5 has no pruned heads any more.
    "heads pruned",
    "layers pruned",
    "dropout of two",
    "problem unknown",
    "a decoder",
    "version of a number",
    "architectures of numbers",
    "architecture a text",
    "architecture of others",
    "position embedding unknown",
    "reserved name",
    "a method's name",
    "output of all",
    "chunked and deep",
    "chunks",
    "tuples returned",
    "dtype unknown",
    "dtype a function",
    "dtype listed",
    "an encoder-decoder",
}


@each(FIELDS, "classifier", may_load=HARMLESS)
def field(folder: Path, fields: dict) -> None:
    if "num_labels" in fields:
        edit(folder / "config.json", "id2label", "label2id")
    edit(folder / "config.json", **fields)


CHOSEN = (
    "negative layers",
    "layers of NaN",
    "no heads",
    "activation unknown",
    "type unknown",
    "type a list",
    "dtype unknown",
)


@each({name: FIELDS[name] for name in CHOSEN}, "encoder", may_load=HARMLESS)
def field_of_an_encoder(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", **fields)


LABELS = {
    "paths": ["../../x", "/etc/passwd"],
    "surrogates": ["\ud800", "good"],
    "escapes": ["\x1b[2J\x1b]0;owned\x07", "good"],
    "control characters": ["a\rb\x00c\x08", "good\n\nerror: none"],
    "page": ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>"],
    "long": ["x" * 10**6, "good"],
    "same twice": ["good", "good"],
    "empty": ["", " "],
    "turned around": ["\u202egood", "good"],
    "numbers": [1, 2],
    "null": [None, None],
    "lists": [["a"], {"b": 1}],
}


@each(LABELS, "classifier", may_load=True)
def names_of_labels(folder: Path, names: list) -> None:
    edit(
        folder / "config.json",
        id2label=dict(enumerate(names)),
        label2id={str(name): at for at, name in enumerate(names)},
    )


@each(
    {
        "list": ["a", "b"],
        "text": "ab",
        "words as keys": {"a": "b", "c": "d"},
        "gaps": {"0": "a", "7": "b"},
        "negative": {"-1": "a", "0": "b"},
        "many": {str(number): "x" for number in range(MANY)},
    },
    "classifier",
)
def table_of_labels(folder: Path, labels) -> None:
    edit(folder / "config.json", "label2id", id2label=labels)


@each({"list": [1], "text": "x", "of lists": {"bad": [0]}, "of others": {"evil": 99}}, "classifier", may_load=True)
def numbers_of_labels(folder: Path, value) -> None:
    edit(folder / "config.json", label2id=value)


@each(
    {
        "pooling": {"pooling": "evil"},
        "head": {"head": "evil"},
        "encoder a text": {"encoder_config": "bert"},
        "encoder null": {"encoder_config": None},
        "encoder of an unknown type": {"encoder_config": {"model_type": "evil"}},
        "encoder of our own": {
            "encoder_config": {"model_type": "sentence_encoder", "encoder_config": {"model_type": "bert"}}
        },
        "dropout": {"classifier_dropout": "x"},
        "mix": {"use_scalar_mix": True},
    },
    "ours",
)
def field_of_our_classifier(folder: Path, fields: dict) -> None:
    edit(folder / "config.json", **fields)


@hostile("classifier")
def config_within_itself(folder: Path) -> None:
    """An encoder-decoder of encoder-decoders."""
    inner: dict = {"model_type": "bert"}
    for _ in range(200):
        inner = {
            "model_type": "encoder-decoder",
            "encoder": inner,
            "decoder": inner if len(json.dumps(inner)) < 10**5 else {},
        }
    edit(folder / "config.json", **inner)
