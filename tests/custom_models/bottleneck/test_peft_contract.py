"""What every PEFT method does, done by bottleneck adapters: the same behaviours over encoders, decoders and both.

Two things that most methods do contradict this one, and are asserted as clear refusals: a bottleneck is not linear and
cannot be merged, and one adapter is active at a time.
"""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from peft import (
    AutoPeftModel,
    AutoPeftModelForCausalLM,
    AutoPeftModelForSeq2SeqLM,
    LoraConfig,
    PeftConfig,
    PeftMixedModel,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
    inject_adapter_in_model,
    set_peft_model_state_dict,
)
from safetensors.torch import load_file
from support.bottleneck_models import (
    base_hash,
    batch,
    build,
    layers_of,
    randomise,
)
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    BartConfig,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    T5Config,
)

from custom_models.bottleneck import BottleneckConfig, FusionConfig

ENDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "vocab_size": 60}
GPT2 = GPT2Config(**ENDS, n_embd=32, n_layer=3, n_head=2, n_positions=32, attn_pdrop=0, embd_pdrop=0, resid_pdrop=0)
LLAMA = LlamaConfig(
    **ENDS, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2, intermediate_size=40
)
OPT = OPTConfig(
    **ENDS,
    hidden_size=32,
    word_embed_proj_dim=32,
    num_hidden_layers=3,
    num_attention_heads=2,
    ffn_dim=40,
    max_position_embeddings=32,
    dropout=0.0,
)
HALVES = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
BART = BartConfig(
    **ENDS,
    **HALVES,
    d_model=32,
    encoder_ffn_dim=40,
    decoder_ffn_dim=40,
    max_position_embeddings=32,
    decoder_start_token_id=1,
    forced_eos_token_id=None,
    dropout=0.0,
)
T5 = T5Config(
    vocab_size=60, d_model=32, d_kv=16, d_ff=40, num_layers=2, num_heads=2, dropout_rate=0.0, decoder_start_token_id=0
)


@dataclass
class Case:
    """A tiny base model, and the adapter that it gets."""

    make: Callable[[], nn.Module]
    task_type: str | None = None
    options: dict = field(default_factory=dict)
    head: str = "classifier"
    # Whether reentrant checkpointing reaches the layers: BART's encoder embeds by itself, where transformers 4.57 does
    # not look for inputs to require gradients of.
    reentrant: bool = True

    def base(self) -> nn.Module:
        """Always the same random weights, large enough for a difference to show."""
        torch.manual_seed(0)
        model = self.make()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.2)
        return model.eval()

    def config(self, **options) -> BottleneckConfig:
        return BottleneckConfig(**{"bottleneck_size": 4, "task_type": self.task_type, **self.options, **options})

    def model(self, name: str = "default", **options) -> PeftModel:
        """With an adapter whose weights are random and matter."""
        torch.manual_seed(1)
        model = get_peft_model(self.base(), self.config(**options), adapter_name=name)
        randomise(model, name)
        return model.eval()

    def inputs(self) -> dict[str, torch.Tensor]:
        inputs = batch()
        if self.task_type is not None:
            inputs["labels"] = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        return inputs

    def logits(self, model: nn.Module, **options) -> torch.Tensor:
        with torch.no_grad():
            return model(**self.inputs(), **options).logits


def encoder(family: str, **options) -> Case:
    return Case(lambda: build(family), None, options)


def decoder(config: object, *targets: str, head: str = "lm_head", **options) -> Case:
    return Case(
        lambda: AutoModelForCausalLM.from_config(config),
        "CAUSAL_LM",
        {"target_modules": list(targets), **options},
        head,
    )


def both(config: object, *targets: str, **options) -> Case:
    return Case(
        lambda: AutoModelForSeq2SeqLM.from_config(config),
        "SEQ_2_SEQ_LM",
        {"target_modules": list(targets), **options},
        "lm_head",
        reentrant=config is not BART,
    )


FAMILIES = {
    "bert": encoder("bert"),
    "roberta": encoder("roberta"),
    "distilbert": encoder("distilbert"),
    "electra": encoder("electra"),
    "deberta-v2": encoder("deberta-v2"),
    "gpt2": decoder(GPT2, "attn.c_proj", "mlp"),
    "opt": decoder(OPT, "out_proj", "fc2"),
    "llama": decoder(LLAMA, "self_attn", "mlp"),
    "bart": both(BART, "out_proj", "fc2"),
    "t5": both(T5, "SelfAttention", "EncDecAttention", "DenseReluDense"),
}
SETTINGS = {
    "pfeiffer": encoder("bert", placement="pfeiffer", scaling="learned"),
    "parallel": encoder("distilbert", placement="parallel", scaling=4.0, dropout=0.1),
    "shared layer norms": encoder("bert", sharing=2, train_layer_norm=True, non_linearity="relu"),
    "parallel decoder": decoder(LLAMA, "mlp", placement="parallel", sharing="layer"),
    "all linear": decoder(GPT2, target_modules="all-linear"),
}
CASES = FAMILIES | SETTINGS
AUTO = {None: AutoPeftModel, "CAUSAL_LM": AutoPeftModelForCausalLM, "SEQ_2_SEQ_LM": AutoPeftModelForSeq2SeqLM}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_family = pytest.mark.parametrize("case", FAMILIES.values(), ids=FAMILIES)
generators = [name for name, case in CASES.items() if case.task_type is not None]
every_generator = pytest.mark.parametrize("case", [CASES[name] for name in generators], ids=generators)


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def close(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.allclose(first, second, atol=1e-5, rtol=1e-4)


# ---- Configurations


@every_case
def test_a_configuration_survives_every_way_of_keeping_it(case, tmp_path):
    """On disk by all classes that read one, as a dict, copied and pickled; what reads it gives the same adapter."""
    config = case.config(modules_to_save=["head"], inference_mode=True)
    config.save_pretrained(tmp_path)
    again = [read.from_pretrained(tmp_path) for read in (PeftConfig, BottleneckConfig)]
    again += [PeftConfig.from_peft_type(**config.to_dict()), copy.deepcopy(config), pickle.loads(pickle.dumps(config))]
    for other in again:
        assert type(other) is BottleneckConfig and other.to_dict() == config.to_dict()
        assert other.peft_type == "BOTTLENECK" and not other.is_prompt_learning and not other.is_adaption_prompt


def test_a_fusions_configuration_survives_too(tmp_path):
    config = FusionConfig(adapters=["a", "b"], dropout=None, value=False, placement="pfeiffer")
    config.save_pretrained(tmp_path)
    for other in (PeftConfig.from_pretrained(tmp_path), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert type(other) is FusionConfig and other.to_dict() == config.to_dict()


# ---- What is added, and what is trained


@every_case
def test_a_new_adapter_adds_only_itself(case):
    """The base keeps its weights, frozen; the status that PEFT gives is regular; the same seed gives the same start."""
    model = case.model()
    assert all(".bottleneck_" in name and ".default." in name for name in trained(model))
    status = model.get_model_status()
    assert status.adapter_model_type == "BottleneckModel" and status.peft_types == {"default": "BOTTLENECK"}
    assert status.enabled is True and status.active_adapters == ["default"]
    assert status.requires_grad == {"default": True} and status.devices == {"default": ["cpu"]}
    assert sum(parameter.numel() for parameter in trained(model).values()) == model.get_nb_trainable_parameters()[0]
    assert not torch.equal(case.logits(model), case.logits(case.base()))
    starts = []
    for _ in range(2):
        torch.manual_seed(5)
        starts.append(get_peft_model_state_dict(get_peft_model(case.base(), case.config())))
    assert all(torch.equal(starts[0][key], starts[1][key]) for key in starts[0])


@every_case
def test_zero_up_starts_as_the_base_model(case):
    """The identity initialisation of other PEFT methods."""
    model = get_peft_model(case.base(), case.config(init="zero_up")).eval()
    assert close(case.logits(model), case.logits(case.base()))


@every_case
@pytest.mark.parametrize("checkpointing", [None, False, True])
def test_training_reaches_every_weight_of_the_adapter_and_nothing_else(case, checkpointing):
    """Without and with gradient checkpointing, of both kinds: gradients are the same, and the base stays as it is."""
    model = case.model(dropout=0.0).train()
    before = base_hash(model)
    model(**case.inputs()).loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in trained(model).items()}
    assert expected and all(gradient.abs().max() > 0 for gradient in expected.values())
    if checkpointing is not None and checkpointing <= case.reentrant:
        model.zero_grad()
        model.gradient_checkpointing_enable({"use_reentrant": checkpointing})
        model.enable_input_require_grads()
        model(**case.inputs()).loss.backward()
        for name, parameter in trained(model).items():
            torch.testing.assert_close(parameter.grad, expected[name], atol=1e-5, rtol=1e-4, msg=name)
    torch.optim.SGD(trained(model).values(), lr=0.1).step()
    assert base_hash(model) == before
    assert all(parameter.grad is None for parameter in model.parameters() if not parameter.requires_grad)


@every_family
def test_only_the_layers_to_transform_are_trained(case):
    """As in PEFT, the number is of a layer in its stack: an encoder-decoder has two of that number."""
    model = case.model(layers_to_transform=[1]).train()
    model(**case.inputs()).loss.backward()
    names = list(layers_of(model))
    assert names and all(".1." in name and ".0." not in name.partition(".1.")[0] for name in names)
    assert all(parameter.grad.abs().max() > 0 for parameter in trained(model).values())


@every_family
def test_a_head_in_modules_to_save_is_trained_saved_and_loaded(case, tmp_path):
    """A copy of it, beside the base's own, which comes back when the adapter is disabled."""
    model = case.model(modules_to_save=[case.head])
    heads = [name for name in trained(model) if ".modules_to_save.default." in name]
    assert heads
    for name in heads:
        nn.init.normal_(model.get_parameter(name), std=0.3)
    with model.disable_adapter():
        assert torch.equal(case.logits(model), case.logits(case.base()))
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(case.base(), tmp_path).eval()
    assert torch.equal(case.logits(again), case.logits(model))


# ---- Saving and loading


@every_case
def test_a_saved_adapter_is_only_the_adapter_and_loads_the_same(case, tmp_path):
    """A configuration and the trained weights, in safetensors; frozen when loaded, unless asked to be trainable."""
    model = case.model()
    model.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    stored = load_file(tmp_path / "adapter_model.safetensors")
    assert sum(weight.numel() for weight in stored.values()) == model.get_nb_trainable_parameters()[0]
    for options in ({}, {"is_trainable": True}, {"low_cpu_mem_usage": True}):
        again = PeftModel.from_pretrained(case.base(), tmp_path, **options).eval()
        assert torch.equal(case.logits(again), case.logits(model))
        assert bool(trained(again)) is ("is_trainable" in options)
        assert not any(parameter.is_meta for parameter in again.parameters())


@every_family
def test_one_of_several_adapters_is_saved_and_loaded_beside_another(case, tmp_path):
    model = case.model("first")
    model.add_adapter("second", case.config(bottleneck_size=3))
    randomise(model, "second")
    model.set_adapter("second")
    expected = case.logits(model)
    model.save_pretrained(tmp_path, selected_adapters=["second"])
    assert [file.name for file in tmp_path.iterdir() if file.is_dir()] == ["second"]
    with pytest.raises(ValueError, match="third"):
        model.save_pretrained(tmp_path, selected_adapters=["third"])
    other = case.model("first")
    for low_cpu_mem_usage in (False, True):
        name = f"loaded{low_cpu_mem_usage}"
        result = other.load_adapter(tmp_path / "second", name, low_cpu_mem_usage=low_cpu_mem_usage)
        assert not result.missing_keys and not result.unexpected_keys
        assert torch.equal(case.logits(other), case.logits(case.model("first"))), "loading does not switch"
        other.set_adapter(name)
        assert torch.equal(case.logits(other), expected)
        other.set_adapter("first")


@every_family
def test_an_adapter_is_found_again_with_its_base(case, tmp_path):
    """AutoPeftModel reads the base model's folder and class from the adapter's configuration."""
    case.base().save_pretrained(tmp_path / "base")
    base = type(case.base()).from_pretrained(tmp_path / "base", dtype=torch.float32).eval()
    model = get_peft_model(base, case.config())
    randomise(model, "default")
    model.save_pretrained(tmp_path / "adapter")
    read = AUTO[case.task_type]
    again = read.from_pretrained(tmp_path / "adapter", dtype=torch.float32).eval()
    assert type(again.get_base_model()) is type(base)
    assert torch.equal(case.logits(again), case.logits(model.eval()))


@every_case
def test_a_model_is_copied_and_pickled_whole(case):
    """Adapters that insertions share are one in the copy too."""
    model = case.model()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(case.logits(other), case.logits(model))
        assert other.get_nb_trainable_parameters() == model.get_nb_trainable_parameters()


@every_family
def test_an_adapter_is_injected_without_a_wrapper(case, tmp_path):
    """`inject_adapter_in_model` changes the model in place; its weights go in and out by PEFT's functions."""
    expected = case.model()
    state = get_peft_model_state_dict(expected)
    plain = inject_adapter_in_model(case.config(), case.base())
    assert type(plain) is type(case.base())
    result = set_peft_model_state_dict(plain, state)
    assert not result.unexpected_keys
    assert torch.equal(case.logits(plain.eval()), case.logits(expected))
    again = get_peft_model_state_dict(plain)
    assert len(again) == len(state)


# ---- Several adapters, none, and without


@every_case
def test_switching_disabling_deleting_and_unloading(case):
    """Each adapter keeps its own predictions; without any, they are the base model's, and so is what is left."""
    base = case.logits(case.base())
    model = case.model("first")
    expected = {"first": case.logits(model)}
    model.add_adapter("second", case.config())
    randomise(model, "second")
    assert torch.equal(case.logits(model), expected["first"]), "adding does not switch"
    model.set_adapter("second")
    expected["second"] = case.logits(model)
    assert not close(expected["second"], expected["first"])
    with model.disable_adapter():
        assert torch.equal(case.logits(model), base) and not trained(model)
    assert torch.equal(case.logits(model), expected["second"]) and trained(model)
    model.base_model.disable_adapter_layers()
    assert torch.equal(case.logits(model), base)
    model.base_model.enable_adapter_layers()
    model.delete_adapter("second")
    assert model.active_adapters == ["first"] and torch.equal(case.logits(model), expected["first"])
    with pytest.raises(ValueError, match="second"):
        model.delete_adapter("second")
    left = model.unload()
    assert torch.equal(case.logits(left), base) and not layers_of(left)
    assert left.state_dict().keys() == case.base().state_dict().keys()


@every_family
def test_deleting_an_inactive_or_the_last_adapter(case):
    model = case.model("first")
    expected = case.logits(model)
    model.add_adapter("second", case.config())
    model.delete_adapter("second")
    assert model.active_adapters == ["first"] and torch.equal(case.logits(model), expected)
    model.delete_adapter("first")
    assert model.active_adapters == []
    assert torch.equal(case.logits(model.base_model), case.logits(case.base()))


@every_case
def test_rows_of_a_batch_take_different_adapters(case):
    model = case.model("first")
    model.add_adapter("second", case.config())
    randomise(model, "second")
    model.eval()
    names = ["first", "__base__", "second"]
    mixed = case.logits(model, adapter_names=names)
    with model.disable_adapter():
        alone = {"__base__": case.logits(model)}
    for name in ("first", "second"):
        model.set_adapter(name)
        alone[name] = case.logits(model)
    for row, name in enumerate(names):
        torch.testing.assert_close(mixed[row], alone[name][row], atol=1e-4, rtol=1e-4)


@every_family
def test_the_weighted_combination_of_adapters(case):
    """All of one adapter and nothing of the other is that adapter; a half of each is neither."""
    model = case.model("first")
    model.add_adapter("second", case.config())
    randomise(model, "second")
    for name, weights in {"all": [1.0, 0.0], "middle": [0.5, 0.5]}.items():
        model.add_weighted_adapter(["first", "second"], weights, name)
    scores = {}
    for name in ("first", "second", "all", "middle"):
        model.set_adapter(name)
        scores[name] = case.logits(model)
    assert torch.equal(scores["all"], scores["first"])
    assert not close(scores["middle"], scores["first"]) and not close(scores["middle"], scores["second"])
    with pytest.raises(ValueError, match="no adapter 'third'"):
        model.add_weighted_adapter(["first", "third"], [1.0, 1.0], "other")


# ---- Text, precision


@every_generator
def test_generation_goes_through_the_adapter(case):
    """Greedy and with beams, with the cache and without it; the adapter changes what is written."""
    model, base = case.model(), case.base()
    inputs = {"input_ids": case.inputs()["input_ids"][:1, :5], "attention_mask": torch.ones(1, 5, dtype=torch.long)}
    for beams in (1, 2):
        options = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False, "num_beams": beams}
        cached = model.generate(**inputs, use_cache=True, **options)
        assert torch.equal(cached, model.generate(**inputs, use_cache=False, **options))
    assert not torch.equal(cached, base.generate(**inputs, **options))
    with model.disable_adapter():
        assert torch.equal(model.generate(**inputs, **options), base.generate(**inputs, **options))


@every_case
def test_on_a_bfloat16_base_the_adapter_is_float32_unless_asked_otherwise(case):
    for autocast, dtype in ((True, torch.float32), (False, torch.bfloat16)):
        base = case.base().to(torch.bfloat16)
        model = get_peft_model(base, case.config(), autocast_adapter_dtype=autocast)
        assert {parameter.dtype for parameter in trained(model).values()} == {dtype}
        output = model(**case.inputs())
        assert output.logits.dtype == torch.bfloat16
        output.loss.backward()
        assert all(torch.isfinite(parameter.grad).all() for parameter in trained(model).values())


# ---- What contradicts the method, and what no PEFT model takes


@every_family
def test_merging_is_refused_and_leaves_the_model_as_it_was(case):
    """An adapter with a non-linearity is no change of a weight matrix: neither merged, nor turned into LoRA."""
    model = case.model()
    expected = case.logits(model)
    for merge in (model.merge_and_unload, model.merge_adapter, lambda: model.merge_and_unload(safe_merge=True)):
        with pytest.raises(ValueError, match="cannot be merged into the base model"):
            merge()
    assert not model.supports_lora_conversion()
    assert torch.equal(case.logits(model), expected)


def test_what_cannot_be_combined_is_refused():
    """Two active adapters, a name twice, another method in the same model, a mixed model, prompts."""
    case = FAMILIES["bert"]
    model = case.model("first")
    model.add_adapter("second", case.config())
    with pytest.raises(ValueError, match="2 adapters at once .* set one, or fuse them"):
        model.base_model.set_adapter(["first", "second"])
    with pytest.raises(ValueError, match="already exists"):
        model.add_adapter("second", case.config())
    with pytest.raises(ValueError, match="Cannot combine adapters with different peft types"):
        model.add_adapter("lora", LoraConfig(target_modules=["query"]))
    with pytest.raises(ValueError, match="'BOTTLENECK' is not compatible with the `PeftMixedModel`"):
        PeftMixedModel(case.base(), case.config(), "default")
    with pytest.raises(TypeError, match="num_virtual_tokens"):
        BottleneckConfig(num_virtual_tokens=4)
    assert model.active_adapters == ["first"]
