"""Fusions of adapters: what they compute, that they train and save alone, what they listen to, what cannot be fused."""

import pytest
import torch
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file
from support.bottleneck_models import (
    adapt,
    base_hash,
    batch,
    build,
    layers_of,
    logits,
    randomise,
)
from torch import nn

from custom_models.bottleneck import BottleneckConfig, FusionConfig, fusion_penalty, record_attention
from custom_models.bottleneck.fusion import AttentionFusion

NAMES = ("mnli", "qqp", "sst")
PLACEMENTS = ("houlsby", "pfeiffer", "parallel")


def three_adapters(family: str = "bert", **options) -> PeftModel:
    """A model with three random adapters that differ."""
    model = adapt(build(family), NAMES[0], **options)
    for name in NAMES[1:]:
        model.add_adapter(name, BottleneckConfig(**{"bottleneck_size": 4, **options}))
        randomise(model, name)
    return model.eval()


def fused(family: str = "bert", adapters: dict | None = None, **options) -> PeftModel:
    """The same with an active fusion of the three whose weights are random."""
    model = three_adapters(family, **(adapters or {}))
    model.add_adapter("fusion", FusionConfig(adapters=list(NAMES), **options))
    model.set_adapter("fusion")
    torch.manual_seed(4)
    for key, parameter in model.named_parameters():
        if ".bottleneck_adapters.fusion." in key:
            nn.init.normal_(parameter, std=0.2)
    return model.eval()


def fusions_of(model: nn.Module) -> list[AttentionFusion]:
    return [layer.bottleneck_adapters["fusion"] for layer in layers_of(model).values()]


@pytest.mark.parametrize("options", [{}, {"scaling": 2.5}, {"scaling": "learned", "non_linearity": "tanh"}])
def test_attention_is_the_papers_formula(options):
    """Query from the state, keys and values from each adapter's output (section 3.2), written out one by one."""
    model = fused(adapters=options)
    layer = next(iter(layers_of(model).values()))
    fusion, adapters = fusions_of(model)[0], [layer.bottleneck_adapters[name] for name in NAMES]
    if options.get("scaling") == "learned":
        for number, adapter in enumerate(adapters):
            nn.init.constant_(adapter.scaling, number - 0.5)
    states = torch.randn(2, 5, 32)
    outputs = torch.stack([adapter(states) for adapter in adapters], dim=2)
    scores = (fusion.query(states)[:, :, None] * fusion.key(outputs)).sum(-1)
    weights = scores.softmax(-1)
    expected = (weights[..., None] * fusion.value(outputs)).sum(2)
    fusion.recording = True
    torch.testing.assert_close(fusion(states, adapters), expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fusion.attention, weights, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_fusion_is_added_where_its_adapters_are(placement):
    """Fusing three copies of one adapter, with the identity as the value matrix, is that adapter."""
    model = fused(adapters={"placement": placement})
    for fusion in fusions_of(model):
        nn.init.eye_(fusion.value.weight)
    for layer in layers_of(model).values():
        for name in NAMES:
            layer.bottleneck_adapters[name].load_state_dict(layer.bottleneck_adapters["qqp"].state_dict())
    model.set_adapter("qqp")
    expected = logits(model)
    model.set_adapter("fusion")
    torch.testing.assert_close(logits(model), expected, atol=1e-4, rtol=1e-4)


def test_the_average_is_the_mean_of_the_outputs():
    """A baseline without parameters: nothing to train, and nothing to store but its configuration."""
    model = three_adapters()
    model.add_adapter("mean", FusionConfig(adapters=list(NAMES), method="average"))
    model.set_adapter("mean")
    layer = next(iter(layers_of(model).values()))
    states = torch.randn(2, 5, 32)
    expected = sum(layer.bottleneck_adapters[name](states) for name in NAMES) / 3
    torch.testing.assert_close(layer.added("mean", states), expected)
    assert model.get_nb_trainable_parameters()[0] == 0
    with pytest.raises(ValueError, match="no attention fusion is active"), record_attention(model):
        pass


def test_a_new_fusion_starts_near_the_average():
    """The value matrix begun near identity and small scores: close to the mean of the adapters, not to noise."""
    model = three_adapters()
    model.add_adapter("fusion", FusionConfig(adapters=list(NAMES)))
    model.add_adapter("mean", FusionConfig(adapters=list(NAMES), method="average"))
    model.set_adapter("fusion")
    started = logits(model)
    model.set_adapter("mean")
    torch.testing.assert_close(started, logits(model), atol=0.15, rtol=0)


def test_only_the_fusion_and_the_head_are_trained():
    """The batch is learned while the base and the three adapters keep every bit; the penalty is part of the loss."""
    model = fused(modules_to_save=["classifier"])
    trained = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained and all(".fusion." in key for key in trained)
    frozen = {key: weight.clone() for key, weight in model.state_dict().items() if ".fusion." not in key}
    before, start = base_hash(model), model(**batch()).loss.item()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for _ in range(20):
        optimizer.zero_grad()
        model(**batch()).loss.backward()
        optimizer.step()
    assert base_hash(model) == before
    assert all(torch.equal(model.state_dict()[key], weight) for key, weight in frozen.items())
    assert model.eval()(**batch()).loss.item() < 0.3 * start


@pytest.mark.parametrize("task_type", [None, "SEQ_CLS"])
def test_the_penalty_pulls_values_to_identity(task_type):
    """It is in the loss while training, whichever class PEFT wraps the model in; not in evaluation."""
    model = fused(adapters={"task_type": task_type}, regularization=0.5)
    assert type(model).__name__ == ("PeftModelForSequenceClassification" if task_type else "PeftModel")
    distances = [(torch.eye(32) - fusion.value.weight).pow(2).sum() for fusion in fusions_of(model)]
    torch.testing.assert_close(fusion_penalty(model), 0.5 * sum(distances))
    plain = model(**batch()).loss
    torch.testing.assert_close(model.train()(**batch()).loss, plain + fusion_penalty(model))
    model.set_adapter("mnli")
    torch.testing.assert_close(model(**batch()).loss, model.eval()(**batch()).loss)
    assert fusion_penalty(model) == 0.0


@pytest.mark.parametrize("task_type", [None, "SEQ_CLS"])
def test_the_penalty_is_in_the_loss_of_a_tuple_too(task_type):
    """With return_dict=False the loss comes first; without labels, nothing is added to the logits."""
    model = fused(adapters={"task_type": task_type}, regularization=0.5).train()
    expected = model(**batch()).loss
    loss, scores = model(**batch(), return_dict=False)[:2]
    assert torch.equal(loss, expected) and fusion_penalty(model) > 1
    inputs = {key: value for key, value in batch().items() if key != "labels"}
    assert torch.equal(model(**inputs, return_dict=False)[0], scores)


def test_an_unloaded_model_has_the_base_models_loss():
    model = fused(regularization=0.5).train()
    base = model.unload()
    assert not base._forward_hooks
    torch.testing.assert_close(base(**batch()).loss, build().train()(**batch()).loss)


def test_what_each_layer_listens_to_is_returned():
    """Weights over the adapters for every token, by layer; they add up to one, and are recorded only when asked for."""
    model = fused()
    logits(model)
    assert all(fusion.attention is None for fusion in fusions_of(model))
    with record_attention(model) as layers:
        logits(model)
    assert list(layers) == list(layers_of(model))
    for fusion in layers.values():
        assert fusion.attention.shape == (3, 8, 3)
        torch.testing.assert_close(fusion.attention.sum(-1), torch.ones(3, 8))
        assert not fusion.recording


@pytest.mark.parametrize("family", ["bert", "distilbert"])
@pytest.mark.parametrize("value", [True, False])
def test_a_fusion_is_saved_and_loaded_alone(family, value, tmp_path):
    """Its folder holds its weights and its head only; with the adapters there, the predictions are the same."""
    model = fused(family, adapters={"placement": "pfeiffer"}, modules_to_save=["classifier"], value=value)
    nn.init.normal_(model.base_model.model.classifier.modules_to_save["fusion"].weight)
    model.save_pretrained(tmp_path, selected_adapters=["fusion"])
    stored = load_file(tmp_path / "fusion" / "adapter_model.safetensors")
    assert sum(weight.numel() for weight in stored.values()) == model.get_nb_trainable_parameters()[0]
    config = PeftConfig.from_pretrained(tmp_path / "fusion")
    assert isinstance(config, FusionConfig) and config.adapters == list(NAMES) and config.placement == "pfeiffer"
    again = three_adapters(family, placement="pfeiffer")
    again.load_adapter(tmp_path / "fusion", "another")
    again.set_adapter("another")
    assert torch.equal(logits(again), logits(model))


def test_an_adapter_that_a_fusion_needs_is_not_deleted():
    model = fused()
    with pytest.raises(ValueError, match="the fusion 'fusion' needs the adapter 'qqp'"):
        model.delete_adapter("qqp")
    model.delete_adapter("fusion")
    model.delete_adapter("qqp")
    assert set(model.peft_config) == {"mnli", "sst"}


def test_adapters_that_differ_are_not_fused():
    """Of another size, placement, base model or set of layers, missing, or with LayerNorms of their own."""
    for options, message in [
        ({"bottleneck_size": 6}, "bottleneck_size is 4 and 6"),
        ({"placement": "pfeiffer"}, "placement is houlsby and pfeiffer"),
        ({"leave_out": [1]}, r"leave_out is \[\] and \[1\]"),
        ({"base_model_name_or_path": "other/roberta"}, "trained on me/bert, 'other' on other/roberta"),
        ({"train_layer_norm": True}, "'other' cannot be fused: it trained its own LayerNorms"),
    ]:
        model = adapt(build(), "mnli")
        model.peft_config["mnli"].base_model_name_or_path = "me/bert"
        model.add_adapter("other", BottleneckConfig(**{"bottleneck_size": 4, **options}))
        with pytest.raises(ValueError, match=message):
            model.add_adapter("fusion", FusionConfig(adapters=["mnli", "other"]))
        assert "fusion" not in model.peft_config
    model.peft_config["other"] = BottleneckConfig(bottleneck_size=4, base_model_name_or_path="/folder/BERT")
    with pytest.raises(ValueError, match="there is no adapter 'sst' to combine: load it first .*mnli, other"):
        model.add_adapter("fusion", FusionConfig(adapters=["mnli", "other", "sst"]))
    with pytest.raises(ValueError, match="trained with pfeiffer adapters, 'mnli' is houlsby"):
        model.add_adapter("fusion", FusionConfig(adapters=["mnli", "other"], placement="pfeiffer"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"adapters": ["mnli"]}, "two or more different names"),
        ({"adapters": ["mnli", "mnli"]}, "two or more different names"),
        ({"adapters": list(NAMES), "method": "max"}, "method is 'max': choose one of attention, average"),
        ({"adapters": list(NAMES), "regularization": -1}, "regularization is -1"),
        ({"adapters": list(NAMES), "dropout": 2}, "dropout is 2"),
    ],
)
def test_a_wrong_setting_is_one_clear_error(options, message):
    with pytest.raises(ValueError, match=message):
        FusionConfig(**options)
    with pytest.raises(TypeError, match="unexpected keyword argument 'regularisation': did you mean 'regularization'"):
        FusionConfig(adapters=list(NAMES), regularisation=1)
