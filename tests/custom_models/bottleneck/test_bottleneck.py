"""Bottleneck adapters through PEFT: what they compute, how many parameters they have, and their whole life."""

import copy

import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, LoraConfig, PeftConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from support.bottleneck_models import (
    CONFIGS,
    PLACEMENTS,
    adapt,
    base_hash,
    batch,
    build,
    layers_of,
    logits,
    randomise,
)
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
)

from custom_models.bottleneck import Bottleneck, BottleneckConfig
from custom_models.bottleneck.layer import LayerNormOutput, ModuleOutput, SublayerOutput

# ---- What it computes


def bottleneck_formula(adapter: Bottleneck, states: torch.Tensor) -> torch.Tensor:
    """U gelu(D x + d) + u, written out."""
    hidden = nn.functional.gelu(states @ adapter.down.weight.T + adapter.down.bias)
    return hidden @ adapter.up.weight.T + adapter.up.bias


def test_each_placement_is_the_papers_formula_after_a_post_layer_norm_sub_layer():
    """Houlsby et al., figure 2; Pfeiffer et al. (AdapterFusion's residual); He et al., table 1, with s = 4."""
    states, residual = torch.randn(2, 5, 40), torch.randn(2, 5, 32)
    for placement in PLACEMENTS:
        model = adapt(build(), placement=placement, scaling=4.0)
        layer = model.get_submodule("base_model.model.bert.encoder.layer.1.output")
        assert isinstance(layer, SublayerOutput)
        adapter, norm = layer.bottleneck_adapters["default"], layer.base_layer.LayerNorm
        projected = layer.base_layer.dense(states)
        expected = {
            "houlsby": lambda h=projected, a=adapter, n=norm: n(h + 4 * bottleneck_formula(a, h) + residual),
            "pfeiffer": lambda h=projected, a=adapter, n=norm: n(
                h + 4 * bottleneck_formula(a, n(h + residual)) + residual
            ),
            "parallel": lambda h=projected, a=adapter, n=norm: n(h + 4 * bottleneck_formula(a, residual) + residual),
        }
        torch.testing.assert_close(layer(states, residual), expected[placement](), atol=1e-5, rtol=1e-5)


def test_distilbert_and_pig_latin_modules_compute_the_same_formulas():
    """Where no module holds the end of a sub-layer, its projection, LayerNorm or feed-forward is adapted."""
    states = torch.randn(2, 5, 32)
    feed_forward = adapt(build("distilbert")).base_model.model.distilbert.transformer.layer[0].ffn
    assert isinstance(feed_forward, ModuleOutput)
    plain = feed_forward.base_layer(states)
    adapter = feed_forward.bottleneck_adapters["default"]
    torch.testing.assert_close(feed_forward(states), plain + bottleneck_formula(adapter, plain))
    feed_forward = adapt(build("distilbert"), placement="parallel").base_model.model.distilbert.transformer.layer[0].ffn
    adapter = feed_forward.bottleneck_adapters["default"]
    torch.testing.assert_close(feed_forward(states), plain + bottleneck_formula(adapter, states))
    norm = adapt(build("distilbert"), placement="pfeiffer").base_model.model.distilbert.transformer.layer[0]
    norm = norm.output_layer_norm
    assert isinstance(norm, LayerNormOutput)
    expected = norm.base_layer(
        states + bottleneck_formula(norm.bottleneck_adapters["default"], norm.base_layer(states))
    )
    torch.testing.assert_close(norm(states), expected)


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_adapters_go_into_every_layer_of_every_family(family, placement):
    """Two insertions per layer for houlsby, one otherwise; each changes the prediction and gets a gradient."""
    model = adapt(build(family), placement=placement)
    inserted = [name for name, layer in layers_of(model).items() if "default" in layer.bottleneck_adapters]
    assert len(inserted) == (6 if placement == "houlsby" else 3)
    assert (logits(model) - logits(build(family))).abs().max() > 1e-3
    model(**batch()).loss.backward()
    for name in inserted:
        weight = model.get_submodule(name).bottleneck_adapters["default"].down.weight
        assert weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("init", ["truncated_normal", "normal", "zero_up"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_new_adapter_is_near_identity(init, placement):
    """Training starts close to the base model, and at it exactly with zero_up."""
    model = get_peft_model(build(), BottleneckConfig(init=init, placement=placement)).eval()
    difference = (logits(model) - logits(build())).abs().max()
    assert difference < 1e-5 if init == "zero_up" else 1e-5 < difference < 0.1


def test_dropout_and_learned_scaling():
    """Dropout is on while training only; a learned scaling starts at 1 and is trained."""
    model = adapt(build(), dropout=0.5, scaling="learned")
    plain = adapt(build())
    assert torch.equal(logits(model), logits(plain))
    scalings = [layer.bottleneck_adapters["default"].scaling for layer in layers_of(model).values()]
    nn.init.constant_(scalings[0], 3.0)
    assert not torch.equal(logits(model), logits(plain))
    adapter = next(iter(layers_of(model).values())).bottleneck_adapters["default"].train()
    zeros = (adapter(torch.randn(10, 32)) == 0).float().mean()
    assert 0.3 < zeros < 0.7
    model(**batch()).loss.backward()
    assert scalings[0].grad.abs() > 0


# ---- How many parameters


def bert_base_count(**options) -> int:
    """Trainable parameters on bert-base's dimensions, without memory for its weights."""
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(BertConfig())
        adapted = get_peft_model(model, BottleneckConfig(bottleneck_size=64, **options))
    return adapted.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize(("sharing", "expected"), [("layer", 1_189_632), (3, 396_544), ("none", 2_379_264)])
def test_parameter_counts_on_bert_base(sharing, expected):
    assert bert_base_count(sharing=sharing) == expected


def test_parameter_count_with_layer_norms_and_the_two_layer_head():
    """The published count is of the head's hidden layer; its output layer comes on top, 769 for each label."""
    output_layer = 2 * (768 + 1)
    trained = bert_base_count(train_layer_norm=True, modules_to_save=["pooler", "classifier"])
    assert trained - output_layer == 3_006_720


def test_reduction_factor_is_the_other_way_to_give_the_size():
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(BertConfig())
        adapted = get_peft_model(model, BottleneckConfig(reduction_factor=12))
    assert adapted.get_nb_trainable_parameters()[0] == 2_379_264


def test_left_out_layers_have_no_adapter():
    model = adapt(build(), leave_out=[0, 2])
    assert {name.split(".layer.")[1][0] for name in layers_of(model)} == {"1"}


@pytest.mark.parametrize(("sharing", "distinct"), [("none", 6), ("layer", 3), (2, 2), (3, 1), ("2", 2)])
def test_sharing_makes_one_module_of_a_group(sharing, distinct):
    model = adapt(build(), sharing=sharing)
    assert len({id(layer.bottleneck_adapters["default"]) for layer in layers_of(model).values()}) == distinct
    copied = copy.deepcopy(model)
    assert len({id(layer.bottleneck_adapters["default"]) for layer in layers_of(copied).values()}) == distinct


# ---- Life: training, switching, saving, loading


def train(model: nn.Module, steps: int = 30) -> float:
    """A few steps on one batch; returns the last loss."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(**batch()).loss
        loss.backward()
        optimizer.step()
    return loss.item()


@pytest.mark.parametrize("options", [{}, {"sharing": 2, "train_layer_norm": True}, {"placement": "pfeiffer"}])
def test_training_learns_and_leaves_the_base_as_it_was(options):
    """The adapter and its head fit a batch; not one bit of the frozen base changes."""
    base = build()
    model = get_peft_model(base, BottleneckConfig(bottleneck_size=4, modules_to_save=["classifier"], **options))
    before, start = base_hash(model), model.eval()(**batch()).loss.item()
    assert train(model) < 0.2 * start
    assert base_hash(model) == before
    with model.disable_adapter():
        assert torch.equal(logits(model.eval()), logits(build()))
    inputs = {"input_ids": batch()["input_ids"]}
    assert torch.equal(model.unload().bert(**inputs)[0], build().bert(**inputs)[0])


def test_layer_norm_copies_are_trained_with_every_placement_and_family():
    """`train_layer_norm` trains all LayerNorms of the layers, those beside a pfeiffer adapter too, and saves them."""
    for family in ("bert", "distilbert"):
        for placement in PLACEMENTS:
            model = adapt(build(family), placement=placement, train_layer_norm=True)
            norms = [layer.bottleneck_norms["default"] for layer in layers_of(model).values() if layer.bottleneck_norms]
            assert len(norms) == 6
            model(**batch()).loss.backward()
            assert all(norm.weight.grad.abs().max() > 0 for norm in norms)


def test_several_adapters_live_in_one_model():
    """Each keeps its own prediction through switching, disabling and the deletion of another."""
    model = adapt(build(), "first", placement="houlsby")
    expected = {"first": logits(model)}
    for name, options in {
        "second": {"placement": "pfeiffer"},
        "third": {"placement": "parallel", "sharing": 2},
    }.items():
        model.add_adapter(name, BottleneckConfig(bottleneck_size=6, **options))
        randomise(model, name)
        model.set_adapter(name)
        expected[name] = logits(model)
    assert len({tuple(value.flatten().tolist()) for value in expected.values()}) == 3
    for name in ("first", "third", "second"):
        model.set_adapter(name)
        assert torch.equal(logits(model), expected[name])
        trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
        assert trained and all(f".{name}." in key for key in trained)
    with model.disable_adapter():
        assert torch.equal(logits(model), logits(build()))
    model.delete_adapter("second")
    assert model.active_adapters == ["first"]
    assert torch.equal(logits(model), expected["first"])
    assert not any(".second." in key for key in model.state_dict())


def trainable(model: PeftModel, heads: bool = True) -> set[str]:
    """Names of the adapters of which anything would be trained, with their heads or without."""
    named = [key for key, parameter in model.named_parameters() if parameter.requires_grad]
    trained = [key for key in named if heads or ".modules_to_save." not in key]
    return {name for name in model.peft_config if any(f".{name}." in key for key in trained)}


STEPS = {
    "loaded for training": lambda model, folder, config: model.load_adapter(folder, "second", is_trainable=True),
    "added": lambda model, folder, config: model.add_adapter("third", config()),
    "loaded for inference": lambda model, folder, config: model.load_adapter(folder, "fourth"),
    "second set": lambda model, folder, config: model.set_adapter("second"),
    "third set": lambda model, folder, config: model.set_adapter("third"),
    "fourth set frozen": lambda model, folder, config: model.set_adapter("fourth", inference_mode=True),
    "first set": lambda model, folder, config: model.set_adapter("first"),
    "fifth added": lambda model, folder, config: model.add_adapter("fifth", config()),
    "third unfrozen": lambda model, folder, config: model.set_requires_grad("third"),
    "fifth set": lambda model, folder, config: model.set_adapter("fifth"),
    "fifth deleted": lambda model, folder, config: model.delete_adapter("fifth"),
}


@pytest.mark.parametrize("options", [{}, {"sharing": 2, "train_layer_norm": True}])
def test_only_what_peft_would_train_is_trained(options, tmp_path):
    """After every way to add, load and switch: the same adapters as with LoRA; after a switch, the active one alone."""
    configs = {
        "lora": lambda: LoraConfig(target_modules=["query"], modules_to_save=["classifier"]),
        "bottleneck": lambda: BottleneckConfig(bottleneck_size=4, modules_to_save=["classifier"], **options),
    }
    models = {}
    for kind, config in configs.items():
        models[kind] = get_peft_model(build(), config(), adapter_name="first")
        models[kind].save_pretrained(tmp_path / kind)
    count = models["bottleneck"].get_nb_trainable_parameters()[0]
    for name, step in STEPS.items():
        for kind, model in models.items():
            step(model, tmp_path / kind / "first", configs[kind])
        assert trainable(models["bottleneck"], heads=False) == trainable(models["lora"], heads=False), name
        if name.endswith(" set"):
            assert trainable(models["bottleneck"]) == {models["bottleneck"].active_adapter}, name
            assert models["bottleneck"].get_nb_trainable_parameters()[0] == count, name


@pytest.mark.parametrize(
    "options", [{}, {"sharing": "layer"}, {"sharing": 2}, {"train_layer_norm": True, "scaling": "learned"}]
)
@pytest.mark.parametrize("low_cpu_mem_usage", [False, True])
def test_saved_under_one_name_loads_under_another(options, low_cpu_mem_usage, tmp_path):
    """Only the adapter and the head are stored, shared weights once; loaded, they predict the same, bit for bit."""
    model = adapt(build(), "mine", modules_to_save=["classifier"], **options)
    nn.init.normal_(model.base_model.model.classifier.modules_to_save["mine"].weight)
    model.save_pretrained(tmp_path, selected_adapters=["mine"])
    stored = load_file(tmp_path / "mine" / "adapter_model.safetensors")
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert sum(weight.numel() for weight in stored.values()) == trained
    assert not any("mine" in key for key in stored)
    fresh = adapt(build(), "other", placement="pfeiffer")
    fresh.load_adapter(tmp_path / "mine", "yours", low_cpu_mem_usage=low_cpu_mem_usage)
    fresh.set_adapter("yours")
    assert torch.equal(logits(fresh), logits(model))
    again = PeftModel.from_pretrained(build(), tmp_path / "mine", low_cpu_mem_usage=low_cpu_mem_usage)
    assert torch.equal(logits(again), logits(model))
    distinct = [len({id(m) for m in many.modules() if isinstance(m, Bottleneck)}) for many in (again, model)]
    assert distinct[0] == distinct[1]


def test_a_whole_model_is_found_again_from_the_adapter_alone(tmp_path):
    """`AutoPeftModel…` reads the base's name from the adapter's configuration."""
    build().save_pretrained(tmp_path / "base")
    base = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base", dtype=torch.float32).eval()
    model = adapt(base, task_type="SEQ_CLS")
    model.save_pretrained(tmp_path / "adapter")
    again = AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapter", dtype=torch.float32)
    assert torch.equal(logits(again.eval()), logits(model))
    assert isinstance(PeftConfig.from_pretrained(tmp_path / "adapter"), BottleneckConfig)


def test_an_adapter_moves_between_a_bare_encoder_and_one_with_a_head(tmp_path):
    """What was trained under a head loads into the encoder alone, and the other way round."""
    model = adapt(build())
    model.save_pretrained(tmp_path / "headed")
    bare = build().bert
    inner = PeftModel.from_pretrained(bare, tmp_path / "headed").eval()
    inputs = {key: value for key, value in batch().items() if key != "labels"}
    expected = model.base_model.model.bert(**inputs).last_hidden_state
    assert torch.equal(inner(**inputs).last_hidden_state, expected)
    inner.save_pretrained(tmp_path / "bare")
    assert torch.equal(logits(PeftModel.from_pretrained(build(), tmp_path / "bare").eval()), logits(model))


def test_a_hundred_adapters_in_one_model(tmp_path):
    """Loading a hundred and switching between them works; each predicts as when alone."""
    adapt(build(), placement="pfeiffer").save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    weights = load_file(file)
    model = None
    for number in range(100):
        save_file({key: weight * (1 + number / 100) for key, weight in weights.items()}, file)
        if model is None:
            model = PeftModel.from_pretrained(build(), tmp_path, adapter_name="task0").eval()
        else:
            model.load_adapter(tmp_path, f"task{number}")
    for number in (0, 57, 99):
        save_file({key: weight * (1 + number / 100) for key, weight in weights.items()}, file)
        model.set_adapter(f"task{number}")
        assert torch.equal(logits(model), logits(PeftModel.from_pretrained(build(), tmp_path).eval()))


def test_a_saved_bert_base_adapter_is_under_5_mb(tmp_path):
    """Houlsby, 64, shared per layer; measured from the file."""
    with torch.device("meta"):
        base = AutoModelForSequenceClassification.from_config(BertConfig())
        model = get_peft_model(base, BottleneckConfig(bottleneck_size=64, sharing="layer"))
    for module in model.modules():
        if isinstance(module, Bottleneck):
            module.to_empty(device="cpu")
    model.save_pretrained(tmp_path)
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 5_000_000


def test_rows_of_one_batch_take_different_adapters():
    """`adapter_names` gives each row its own adapter and head, or none."""
    model = adapt(build(), "first", modules_to_save=["classifier"])
    nn.init.normal_(model.base_model.model.classifier.modules_to_save["first"].weight)
    model.add_adapter("second", BottleneckConfig(bottleneck_size=4, placement="pfeiffer", train_layer_norm=True))
    randomise(model, "second")
    names = ["second", "__base__", "first"]
    mixed = logits(model, adapter_names=names)
    for row, name in enumerate(names):
        if name == "__base__":
            with model.disable_adapter():
                expected = logits(model)
        else:
            model.set_adapter(name)
            expected = logits(model)
        torch.testing.assert_close(mixed[row], expected[row], atol=1e-6, rtol=0)
    assert torch.equal(logits(model, adapter_names=names), mixed), "whichever adapter is active"
    assert not torch.equal(logits(model), mixed), "the names hold for one pass only"
    with pytest.raises(ValueError, match="no adapter 'third'"):
        logits(model, adapter_names=["third", "first", "first"])
    with pytest.raises(ValueError, match="2 adapter_names for 3 rows: give one for each row"):
        logits(model, adapter_names=["first", "second"])
    with pytest.raises(ValueError, match="inference"):
        logits(model.train(), adapter_names=names)


def test_bf16_autocast_checkpointing_and_compilation_give_the_same_training_step():
    """The ways to save memory and time change no gradient beyond their precision."""

    def gradients(model, **autocast):
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bool(autocast)):
            model(**batch()).loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])

    model = adapt(build(), sharing="layer", modules_to_save=["classifier"]).train()
    expected = gradients(model)
    close = nn.functional.cosine_similarity(gradients(model, bf16=True), expected, dim=0)
    assert close > 0.99
    for use_reentrant in (False, True):
        model.gradient_checkpointing_enable({"use_reentrant": use_reentrant})
        model.enable_input_require_grads()
        torch.testing.assert_close(gradients(model), expected, atol=1e-6, rtol=1e-5)
        model.gradient_checkpointing_disable()
    compiled = torch.compile(model, backend="aot_eager")
    torch.testing.assert_close(gradients(compiled), expected, atol=1e-6, rtol=1e-5)


def test_adapters_on_a_bfloat16_base_are_float32_and_fit_it():
    """PEFT keeps adapters in float32 by default; the base's states are cast on the way in and out."""
    model = adapt(build().to(torch.bfloat16))
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert model(**batch()).logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits(model).float(), logits(adapt(build())), atol=0.5, rtol=0.1)


@pytest.mark.parametrize("family", ["bert", "distilbert"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_layer_norm_copies_on_a_bfloat16_base_get_states_of_their_own_precision(family, placement):
    """A LayerNorm with float32 weights and bfloat16 states is an error on a GPU; the layers' states stay bfloat16."""
    model = adapt(build(family).to(torch.bfloat16), placement=placement, train_layer_norm=True)
    seen = []

    def record(norm, inputs, output):
        seen.append((norm.weight.dtype, inputs[0].dtype))

    for layer in layers_of(model).values():
        for norm in layer.bottleneck_norms.values():
            norm.register_forward_hook(record)
        layer.register_forward_hook(lambda module, inputs, output: seen.append((output.dtype, torch.bfloat16)))
    assert torch.isfinite(logits(model)).all()
    assert (torch.float32, torch.float32) in seen
    assert all(first == second for first, second in seen)


def test_the_weighted_sum_of_adapters_is_an_adapter():
    """Adapter arithmetic: the new adapter's weights are the sum, and it can be trained on."""
    model = adapt(build(), "first")
    model.add_adapter("second", BottleneckConfig(bottleneck_size=4))
    randomise(model, "second")
    model.add_weighted_adapter(["first", "second"], [0.25, -1.0], "sum")
    for layer in layers_of(model).values():
        parts = layer.bottleneck_adapters
        expected = 0.25 * parts["first"].up.weight - parts["second"].up.weight
        assert torch.equal(parts["sum"].up.weight, expected)
    model.set_adapter("sum")
    assert model.get_nb_trainable_parameters()[0] == 6 * (2 * 32 * 4 + 36)
    with pytest.raises(ValueError, match="1 weights for 2 adapters"):
        model.add_weighted_adapter(["first", "second"], [1.0], "other")
    with pytest.raises(ValueError, match="already"):
        model.add_weighted_adapter(["first", "second"], [1.0, 1.0], "sum")
    with pytest.raises(ValueError, match="could not convert"):
        model.add_weighted_adapter(["first", "second"], [1.0, "half"], "other")
    assert "other" not in model.peft_config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"non_linearity": "relu"}, "non_linearity is gelu and relu"),
        ({"scaling": "learned"}, "scaling is 1.0 and learned"),
        ({"scaling": 2.0}, "scaling is 1.0 and 2.0"),
        ({"sharing": "layer"}, "sharing is none and layer"),
        ({"train_layer_norm": True}, "train_layer_norm is False and True"),
        ({"bottleneck_size": 5}, "bottleneck_size is 4 and 5"),
        ({"exclude_modules": ["layer.0.output"]}, "exclude_modules is None and"),
        ({"layers_to_transform": [0, 1]}, "layers_to_transform is None and"),
    ],
)
def test_unlike_adapters_are_not_summed(options, message):
    """Weights under another activation, factor or sharing mean something else; the refusal leaves nothing behind."""
    model = adapt(build(), "first")
    model.add_adapter("second", BottleneckConfig(**{"bottleneck_size": 4, **options}))
    before = set(model.state_dict())
    with pytest.raises(ValueError, match=message):
        model.add_weighted_adapter(["first", "second"], [0.5, 0.5], "sum")
    assert "sum" not in model.peft_config and set(model.state_dict()) == before
    model.add_adapter("sum", BottleneckConfig())


def test_a_weighted_sum_has_the_precision_of_its_terms():
    """On a bfloat16 base the adapters are float32, and so is their sum."""
    model = adapt(build().to(torch.bfloat16), "first")
    model.add_adapter("second", BottleneckConfig(bottleneck_size=4))
    model.add_weighted_adapter(["first", "second"], [0.3, 0.7], "sum")
    parts = next(iter(layers_of(model).values())).bottleneck_adapters
    torch.testing.assert_close(parts["sum"].up.weight, 0.3 * parts["first"].up.weight + 0.7 * parts["second"].up.weight)
