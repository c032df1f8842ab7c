"""Bottleneck adapters in Pig Latin models and in models named by hand; what is refused, in one clear error each."""

import itertools
import json
import re
import shutil
import warnings

import pytest
import torch
from peft import PeftConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from support.bottleneck_models import (
    SIZES,
    adapt,
    base_hash,
    build,
    layers_of,
    logits,
    pig_latin,
)
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
)

from custom_models import PigLatinForCausalLM, PigLatinForConditionalGeneration
from custom_models.bottleneck import BottleneckConfig

# ---- Pig Latin models


def words(rows: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    ids = torch.randint(5, 20, (rows, 7))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@pytest.mark.parametrize(
    ("architecture", "placement", "inserted"),
    [
        (PigLatinForConditionalGeneration, "houlsby", 3 * 2 + 3 * 3),
        (PigLatinForConditionalGeneration, "pfeiffer", 6),
        (PigLatinForCausalLM, "houlsby", 3 * 2),
        (PigLatinForCausalLM, "parallel", 3),
    ],
)
def test_pig_latin_models_take_adapters_and_still_generate(architecture, placement, inserted):
    """After self-attention, cross-attention and feed-forward; with the cache, generation is what it is without."""
    model = adapt(pig_latin(architecture), placement=placement, train_layer_norm=True)
    adapters = [name for name, layer in layers_of(model).items() if layer.bottleneck_adapters]
    assert len(adapters) == inserted
    if architecture is PigLatinForConditionalGeneration and placement == "houlsby":
        assert sum("cross_attention" in name for name in adapters) == 3
    options = {"max_new_tokens": 6, "do_sample": False, "num_beams": 2}
    cached = model.generate(**words(), use_cache=True, **options)
    assert torch.equal(cached, model.generate(**words(), use_cache=False, **options))
    assert not torch.equal(cached, pig_latin(architecture).generate(**words(), **options))


def test_sharing_and_leaving_out_count_the_decoders_layers_after_the_encoders():
    """Layers 0 to 2 are the encoder's, 3 to 5 the decoder's; the two never share."""
    model = adapt(pig_latin(), sharing=2)
    assert len({id(layer.bottleneck_adapters["default"]) for layer in layers_of(model).values()}) == 4
    model = adapt(pig_latin(), leave_out=[0, 1, 2, 5])
    assert {name.split(".layers.")[1][0] for name in layers_of(model)} == {"0", "1"}
    assert all("decoder" in name for name in layers_of(model))


def test_rows_of_a_batch_generate_with_their_own_adapters():
    """`adapter_names` in generate(), with beams: the encoder sees each row once, the decoder once per beam."""
    model = adapt(pig_latin(), "first")
    options = {"max_new_tokens": 5, "do_sample": False, "num_beams": 2}
    mixed = model.generate(**words(), adapter_names=["first", "__base__", "first"], **options)
    alone = model.generate(**words(), **options)
    with model.disable_adapter():
        base = model.generate(**words(), **options)
    assert torch.equal(mixed[[0, 2]], alone[[0, 2]]) and torch.equal(mixed[1], base[1])
    assert not torch.equal(alone, base)


def spelled(texts: list[str], end: bool = True) -> torch.Tensor:
    """Words of the letters a to e as ids from 5, </s> (2), padded with 0."""
    rows = [[5 + "abcde".index(letter) for letter in text] + [2] * end for text in texts]
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


def translator_batch(rule, texts: list[str]) -> dict[str, torch.Tensor]:
    sources, labels = spelled(texts), spelled([rule(text) for text in texts])
    labels[labels == 0] = -100
    return {"input_ids": sources, "attention_mask": (sources > 0).long(), "labels": labels}


def accuracy(model: nn.Module, rule, texts: list[str]) -> float:
    """Share of words that greedy decoding gets wholly right."""
    inputs = translator_batch(rule, texts)
    inputs.pop("labels")
    written = model.eval().generate(**inputs, max_new_tokens=8, do_sample=False)[:, 1:]
    wanted = [row[row > 0].tolist() for row in spelled([rule(text) for text in texts])]
    got = [row[row > 0].tolist() for row in written]
    return sum(a == b for a, b in zip(got, wanted, strict=True)) / len(texts)


def teach(model: nn.Module, rule, texts: list[str], steps: int, learning_rate: float) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=learning_rate)
    model.train()
    for step in range(steps):
        optimizer.zero_grad()
        chosen = [texts[(step * 48 + row) % len(texts)] for row in range(48)]
        model(**translator_batch(rule, chosen)).loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


@pytest.mark.slow
def test_a_trained_translator_learns_another_dialect_by_its_adapter_alone():
    """First letter to the back and "a" behind it; the other dialect says "e" instead. The base stays as it was."""
    torch.manual_seed(0)
    texts = ["".join(letters) for letters in itertools.product("abcde", repeat=3)]
    texts = [texts[i] for i in torch.randperm(len(texts))]
    seen, unseen = texts[:100], texts[100:]

    def dialect(text: str) -> str:
        return text[1:] + text[0] + "a"

    def other_dialect(text: str) -> str:
        return text[1:] + text[0] + "e"

    base = pig_latin(hidden_size=32, intermediate_size=64, encoder_layers=1, decoder_layers=1)
    teach(base, dialect, seen, steps=250, learning_rate=5e-3)
    assert accuracy(base, dialect, unseen) > 0.9
    assert accuracy(base, other_dialect, unseen) == 0.0
    model = get_peft_model(base, BottleneckConfig(bottleneck_size=8, task_type="SEQ_2_SEQ_LM"))
    before = base_hash(model)
    teach(model, other_dialect, seen, steps=80, learning_rate=1e-2)
    assert base_hash(model) == before
    assert accuracy(model, other_dialect, unseen) > 0.9
    with model.disable_adapter():
        assert accuracy(model, dialect, unseen) > 0.9


# ---- Other models, by explicit names


def gpt2() -> nn.Module:
    torch.manual_seed(0)
    return AutoModel.from_config(GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=2, n_positions=16)).eval()


def test_a_family_we_do_not_know_is_adapted_by_name():
    model = adapt(gpt2(), target_modules=["attn.c_proj", "mlp"], sharing="layer")
    assert len(layers_of(model)) == 4
    assert len({id(layer.bottleneck_adapters["default"]) for layer in layers_of(model).values()}) == 2
    ids = torch.arange(6)[None]
    changed = model(input_ids=ids).last_hidden_state
    assert (changed - gpt2()(input_ids=ids).last_hidden_state).abs().max() > 1e-3


def test_linear_layers_are_adapted_by_peft_s_shorthand(tmp_path):
    """all-linear: every linear layer but the head, each at its own width; the names are saved, in order."""
    model = adapt(build(), target_modules="all-linear", task_type="SEQ_CLS")
    assert len(layers_of(model)) == 3 * 6 + 1
    assert not any("classifier" in name for name in layers_of(model))
    widths = {layer.bottleneck_adapters["default"].up.out_features for layer in layers_of(model).values()}
    assert widths == {32, 40}
    model.save_pretrained(tmp_path)
    names = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert names == sorted(names) and len(names) > 1
    again = PeftModel.from_pretrained(build(), tmp_path).eval()
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"layers_to_transform": 1}, {"encoder.1", "decoder.1"}),
        ({"layers_to_transform": [0, 2], "layers_pattern": "decoder.layers"}, {"decoder.0", "decoder.2"}),
        ({"layers_to_transform": [2], "layers_pattern": ["encoder.layers"]}, {"encoder.2"}),
        ({"exclude_modules": ["cross_attention.output", "layers.0.feed_forward"], "leave_out": [1, 2, 4, 5]}, None),
        ({"exclude_modules": r"decoder\..*"}, {"encoder.0", "encoder.1", "encoder.2"}),
    ],
)
def test_layers_and_modules_are_chosen_as_in_peft(options, expected):
    """`layers_to_transform` counts within a stack that `layers_pattern` may name; `exclude_modules` takes some out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = adapt(pig_latin(), train_layer_norm=True, **options)
    assert not any("exclude_modules" in str(warning.message) for warning in caught), "PEFT thinks nothing was excluded"
    names = list(layers_of(model))
    if expected is not None:
        layers = {re.search(r"(encoder|decoder)\.layers\.(\d)", name).group(1, 2) for name in names}
        assert {".".join(layer) for layer in layers} == expected
    else:
        adapted = [name for name in names if layers_of(model)[name].bottleneck_adapters]
        assert [name.partition(".layers.0.")[2] for name in adapted] == ["attention.output"] * 2


def test_what_is_excluded_changes_no_layers_number():
    model = adapt(build(), exclude_modules=["layer.0.output", "layer.0.attention.output"], leave_out=[1])
    assert {name.split(".layer.")[1][0] for name in layers_of(model)} == {"2"}


def test_a_layer_norm_is_adapted_in_a_model_without_a_configuration():
    """Its width is its own."""
    model = adapt(nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)), target_modules=["1"])
    assert next(iter(layers_of(model).values())).bottleneck_adapters["default"].up.out_features == 6
    assert model(torch.randn(2, 3, 6)).shape == (2, 3, 6)


@pytest.mark.parametrize("placement", ["houlsby", "parallel"])
def test_of_a_module_that_returns_a_tuple_the_first_part_is_adapted(placement):
    """Attention returns its weights too; rows under different adapters work there as well."""
    model = adapt(gpt2(), "first", target_modules=["attn"], placement=placement)
    attention = next(iter(layers_of(model).values()))
    states = torch.randn(2, 5, 32)
    plain, adapted = attention.base_layer(states), attention(states)
    assert isinstance(adapted, tuple) and len(adapted) == len(plain)
    source = states if placement == "parallel" else plain[0]
    torch.testing.assert_close(adapted[0], plain[0] + attention.bottleneck_adapters["first"](source))
    ids = {"input_ids": torch.arange(12).view(2, 6)}
    alone, base = model(**ids).last_hidden_state, gpt2()(**ids).last_hidden_state
    mixed = model(**ids, adapter_names=["first", "__base__"]).last_hidden_state
    torch.testing.assert_close(mixed, torch.stack([alone[0], base[1]]), atol=1e-5, rtol=1e-5)


def test_a_module_that_returns_no_hidden_states_is_one_clear_error():
    class Named(nn.Linear):
        def forward(self, states):
            return {"states": super().forward(states)}

    model = adapt(nn.Sequential(Named(6, 6)), target_modules=["0"])
    with pytest.raises(ValueError, match="an adapted Named returns a dict: target a module that returns hidden states"):
        model(torch.randn(2, 3, 6))


def test_parts_of_a_wrapped_module_are_read_and_replaced_through_it():
    """Model code reads `output.dense.weight` and the like, and some replaces a part."""
    model = adapt(build())
    output = model.base_model.model.bert.encoder.layer[0].output
    assert output.dense is output.base_layer.dense
    output.dense = nn.Linear(40, 32)
    assert output.dense is output.base_layer.dense and "dense" not in dict(output.named_children())
    with pytest.raises(AttributeError, match="'no_such_part'"):
        output.no_such_part  # noqa: B018


# ---- What is refused

REFUSED = {
    "bottleneck 0": ({"bottleneck_size": 0}, "bottleneck_size is 0: give a whole number from 1 up"),
    "negative bottleneck": ({"bottleneck_size": -3}, "bottleneck_size is -3"),
    "half a bottleneck": ({"bottleneck_size": 2.5}, "bottleneck_size is 2.5"),
    "both sizes": ({"bottleneck_size": 8, "reduction_factor": 2}, "both bottleneck_size and reduction_factor"),
    "reduction 0": ({"reduction_factor": 0}, "reduction_factor is 0"),
    "placement": ({"placement": "houlsbi"}, "did you mean 'houlsby'"),
    "non-linearity": ({"non_linearity": "rleu"}, "non_linearity is 'rleu': did you mean 'relu'"),
    "scaling": ({"scaling": "learnt"}, "scaling is 'learnt': give a number or 'learned'"),
    "dropout": ({"dropout": 1.0}, "dropout is 1.0"),
    "init": ({"init": "zeros"}, "init is 'zeros'"),
    "sharing word": ({"sharing": "all"}, "sharing is 'all': choose none, layer, or a number"),
    "sharing 0": ({"sharing": 0}, "sharing is 0"),
    "leave_out": ({"leave_out": [-1]}, "leave_out is -1"),
    "pattern alone": ({"layers_pattern": "layer"}, "layers_pattern is given without layers_to_transform"),
    "layers twice": ({"layers_to_transform": 1, "leave_out": [0]}, "both leave_out and layers_to_transform"),
    "layers by expression": ({"layers_to_transform": 1, "target_modules": ".*mlp"}, "name the modules in a list"),
    "layer -1": ({"layers_to_transform": [-1]}, "a layer in layers_to_transform is -1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_setting_is_one_clear_error(case):
    options, message = REFUSED[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        BottleneckConfig(**options)


def test_a_misspelt_field_is_named_with_the_nearest():
    """The type of error and its beginning are those of PEFT's configurations."""
    message = "BottleneckConfig got an unexpected keyword argument 'bottleneck_sise': did you mean 'bottleneck_size'"
    with pytest.raises(TypeError, match=message):
        BottleneckConfig(bottleneck_sise=8)


IMPOSSIBLE = {
    "unknown family": (gpt2, {}, "model type 'gpt2' is none of the families that we know (bert, .*'attn.c_proj'"),
    "no such target": (gpt2, {"target_modules": ["mpl"]}, "no module matches target_modules .*'mlp.c_proj'"),
    "nested targets": (gpt2, {"target_modules": ["mlp", "mlp.c_proj"]}, "inside .* target one of the two"),
    "no such layer": (build, {"leave_out": [3]}, "leave_out names layer 3: this model has layers 0 to 2"),
    "no layer left": (build, {"leave_out": [0, 1, 2]}, "leave_out names all 3 layers"),
    "norms by name": (gpt2, {"target_modules": ["mlp"], "train_layer_norm": True}, "modules_to_save instead"),
    "parallel": (
        gpt2,
        {"target_modules": ["mlp.c_proj"], "placement": "parallel"},
        "'h.0.mlp.c_proj' takes 128 .* 32:",
    ),
    "no width": (lambda: nn.Sequential(nn.GELU()), {"target_modules": ["0"]}, "hidden size at a GELU is unknown"),
    "all excluded": (build, {"exclude_modules": ["output"]}, r"exclude_modules \['output'\] leaves no module to adapt"),
    "transformed layer": (build, {"layers_to_transform": [1, 5]}, r"names layer 5: .* in layers \[0, 1, 2\]"),
    "no such stack": (build, {"layers_to_transform": 1, "layers_pattern": "h"}, r"names layer 1: .* in layers \[\]"),
    "no norms": (lambda: pig_latin(layer_norm="none"), {"train_layer_norm": True}, "have no LayerNorm: unset it"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_does_not_fit_the_model_is_one_clear_error(case):
    make, options, message = IMPOSSIBLE[case]
    model = make()
    message = message.replace("(bert", re.escape("(bert"))
    with pytest.raises(ValueError, match=message):
        get_peft_model(model, BottleneckConfig(**options))
    assert not layers_of(model), "the model is left as it was"


@pytest.mark.parametrize("name", ["bottleneck_", "bottleneck", "norms"])
def test_a_name_like_the_methods_prefix_is_saved_and_loaded(name, tmp_path):
    """Its head's keys contain the prefix, but are not the adapter's."""
    model = adapt(build(), name, modules_to_save=["classifier"])
    nn.init.normal_(model.base_model.model.classifier.modules_to_save[name].weight)
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(build(), tmp_path / name, adapter_name=name).eval()
    assert torch.equal(logits(again), logits(model))


@pytest.mark.parametrize("name", ["output", "a.b", "model", "bottleneck_norms", "__base__", "half"])
def test_an_adapter_cannot_have_a_modules_name(name):
    """PEFT would leave that module's weights out of every other adapter's file."""
    model = adapt(build())
    with pytest.raises(ValueError, match="choose another name"):
        model.add_adapter(name, BottleneckConfig())
    model.add_adapter("second", BottleneckConfig())
    model.delete_adapter("second")
    model.add_adapter("second", BottleneckConfig())


def test_misuse_of_a_model_is_one_clear_error():
    model = adapt(build())
    with pytest.raises(ValueError, match="cannot be merged"):
        model.merge_and_unload()
    with pytest.raises(ValueError, match="cannot be merged"):
        model.merge_adapter()
    with pytest.raises(ValueError, match="prune the base model first"):
        model.prune_heads({0: [0]})
    with pytest.raises(ValueError, match="no adapter 'other'"):
        model.base_model.set_adapter("other")
    model.add_adapter("other", BottleneckConfig())
    with pytest.raises(ValueError, match="2 adapters at once"):
        model.base_model.set_adapter(["default", "other"])
    wrapped = adapt(gpt2(), target_modules=["mlp"])
    with pytest.raises(ValueError, match="inside"):
        wrapped.add_adapter("other", BottleneckConfig(target_modules=["mlp.c_proj", "attn.c_proj"]))


def test_the_wrong_base_is_one_clear_error(tmp_path):
    """Another family, width or depth is told before anything is loaded; so is a file whose weights do not fit."""
    adapt(build()).save_pretrained(tmp_path)
    for base, message in {
        build("roberta"): "model_type bert, this one has roberta",
        AutoModelForSequenceClassification.from_config(BertConfig(**{**SIZES, "hidden_size": 16})): "hidden_size 32",
        AutoModelForSequenceClassification.from_config(
            BertConfig(**{**SIZES, "num_hidden_layers": 2})
        ): "num_hidden_lay",
    }.items():
        with pytest.raises(ValueError, match=message):
            PeftModel.from_pretrained(base, tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    weights = load_file(file)
    key = "base_model.model.bert.encoder.layer.2.output.bottleneck_adapters.up.weight"
    for changed, message in [
        ({k: w for k, w in weights.items() if k != key}, "layer.2.output.bottleneck_adapters.up.weight' is missing"),
        (weights | {key: torch.zeros(5, 5)}, r"has shape \(5, 5\), the model wants \(32, 4\)"),
        (weights | {key.replace("layer.2", "layer.7"): torch.zeros(32, 4)}, "which is not in this model"),
    ]:
        save_file(changed, file)
        with pytest.raises(ValueError, match=message):
            PeftModel.from_pretrained(build(), tmp_path)


def test_a_damaged_file_is_one_clear_error(tmp_path):
    """Cut short in the weights or in the header."""
    adapt(build()).save_pretrained(tmp_path / "whole")
    for length in (4, 100, -40):
        shutil.copytree(tmp_path / "whole", tmp_path / f"cut{length}")
        file = tmp_path / f"cut{length}" / "adapter_model.safetensors"
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(ValueError, match=f"{re.escape(str(file))} is cut short"):
            PeftModel.from_pretrained(build(), file.parent)
        with pytest.raises(ValueError, match="is cut short"):
            adapt(build(), "other").load_adapter(file.parent, "again")


@pytest.mark.parametrize("read_class", [PeftConfig, BottleneckConfig])
def test_a_field_that_no_version_has_is_ignored_with_a_warning(read_class, tmp_path):
    """As PEFT does, so that an adapter of a newer version loads; the warning names the nearest field."""
    model = adapt(build(), placement="pfeiffer")
    model.save_pretrained(tmp_path)
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"placment": "houlsby", "zz": 1}))
    with pytest.warns(UserWarning, match="Unexpected keyword arguments .*'placment': did you mean 'placement'"):
        assert read_class.from_pretrained(tmp_path).placement == "pfeiffer"
    with pytest.warns(UserWarning, match="for class BottleneckConfig, these are ignored"):
        again = PeftModel.from_pretrained(build(), tmp_path)
    assert torch.equal(logits(again.eval()), logits(model))
