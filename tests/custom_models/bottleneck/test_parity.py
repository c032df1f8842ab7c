"""The same numbers as `adapters`, through the converter: logits, gradients, fusions, heads, and files both ways."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from peft import PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from custom_models.bottleneck import BottleneckConfig, FusionConfig, fusion_penalty, record_attention
from custom_models.bottleneck.adapterhub import convert_to_peft, load_adapterhub, save_adapterhub

adapters = pytest.importorskip("adapters", reason="the adapters library needs transformers 4.57")

SIZES = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 40}
FAMILIES = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SIZES)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SIZES, pad_token_id=0)),
    "distilbert": lambda: DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=60, dim=32, n_layers=3, n_heads=2, hidden_dim=40)
    ),
    "electra": lambda: ElectraForSequenceClassification(ElectraConfig(**SIZES, embedding_size=16)),
    "deberta-v2": lambda: DebertaV2ForSequenceClassification(DebertaV2Config(**SIZES)),
}
PLACEMENTS = {"houlsby": "double_seq_bn", "pfeiffer": "seq_bn", "parallel": "par_bn"}
MATRIX = [(family, placement) for family in ("bert", "roberta", "distilbert") for placement in PLACEMENTS]
MATRIX += [("electra", "houlsby"), ("electra", "parallel"), ("deberta-v2", "pfeiffer")]


def build(family: str, seed: int = 0):
    """A tiny random base model whose weights are large enough for a difference to show."""
    torch.manual_seed(seed)
    model = FAMILIES[family]()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def random_batch(family: str) -> dict:
    """Two sequences, one padded, and their labels."""
    torch.manual_seed(1)
    batch = {"input_ids": torch.randint(5, 60, (2, 9)), "labels": torch.tensor([0, 1])}
    batch["attention_mask"] = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    batch["input_ids"][1, 5:] = 0
    return batch


def randomise(model, marks: tuple[str, ...], std: float = 0.3) -> None:
    """Weights far from the near-identity start, where a wrong formula could hide."""
    torch.manual_seed(2)
    for name, parameter in model.named_parameters():
        if any(mark in name for mark in marks):
            torch.nn.init.normal_(parameter, std=std)


def their_model(family: str, config: str, names: tuple[str, ...] = ("a",)):
    """A model of `adapters` with random adapters, the last one active."""
    model = build(family)
    adapters.init(model)
    for name in names:
        model.add_adapter(name, config=config)
    randomise(model, (".adapters.",))
    model.train_adapter(names[-1])
    return model.eval()


def loss_and_gradients(model, batch: dict, mark: str) -> tuple[torch.Tensor, dict]:
    """Logits, and gradients of the weights whose names have `mark`, by their shapes in the order of the layers."""
    model.zero_grad()
    output = model(**batch)
    output.loss.backward()
    return output.logits.detach(), {
        name: parameter.grad for name, parameter in model.named_parameters() if mark in name and parameter.requires_grad
    }


@pytest.mark.parametrize(("family", "placement"), MATRIX)
def test_logits_and_gradients_are_theirs(family, placement, tmp_path):
    """A user who moves an adapter from `adapters` gets the same predictions, and training goes on the same way."""
    theirs = their_model(family, PLACEMENTS[placement])
    theirs.save_adapter(str(tmp_path), "a", use_safetensors=True)
    ours = load_adapterhub(build(family), tmp_path)
    ours.set_adapter("a")
    batch = random_batch(family)
    expected, their_gradients = loss_and_gradients(theirs, batch, ".adapters.a.")
    logits, our_gradients = loss_and_gradients(ours, batch, ".bottleneck_adapters.a.")
    without = build(family)(**batch).logits
    assert (expected - without).abs().max() > 1e-2, "the adapter must matter for this to be a test"
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert len(our_gradients) == len(their_gradients) > 0
    for (name, ours_), (_, theirs_) in zip(our_gradients.items(), their_gradients.items(), strict=True):
        assert theirs_.abs().max() > 0, name
        torch.testing.assert_close(ours_, theirs_, atol=1e-4, rtol=0, msg=name)


FUSED = ("mnli", "qqp", "sst")


def their_fusion(family: str, config: str, folder):
    """A model of `adapters` with a random fusion of three random adapters, all saved under `folder`."""
    names = FUSED
    model = their_model(family, config, names)
    model.add_adapter_fusion(list(names))
    randomise(model, ("adapter_fusion_layer",), std=0.1)
    model.train_adapter_fusion(adapters.Fuse(*names))
    for name in names:
        model.save_adapter(str(folder / name), name, use_safetensors=True)
    model.save_adapter_fusion(str(folder / "fusion"), list(names), use_safetensors=True)
    return model.eval()


def our_fusion(family: str, folder) -> PeftModel:
    model = load_adapterhub(build(family), folder / FUSED[0])
    for name in (*FUSED[1:], "fusion"):
        model = load_adapterhub(model, folder / name)
    model.set_adapter("mnli_qqp_sst")
    return model


@pytest.mark.parametrize(
    ("family", "placement"), [("bert", "pfeiffer"), ("bert", "houlsby"), ("distilbert", "pfeiffer")]
)
def test_a_fusion_of_three_is_theirs(family, placement, tmp_path):
    """A fusion trained with `adapters` predicts, listens and trains the same here; the penalty is the same too."""
    theirs = their_fusion(family, PLACEMENTS[placement], tmp_path)
    ours = our_fusion(family, tmp_path)
    batch = random_batch(family)
    output = theirs(**batch, output_adapter_fusion_attentions=True)
    by_layer = sorted(output["adapter_fusion_attentions"]["mnli,qqp,sst"].items())
    attentions = [layer[place] for _, layer in by_layer for place in sorted(layer)]
    expected, their_gradients = loss_and_gradients(theirs, batch, "adapter_fusion_layer")
    with record_attention(ours) as recorded:
        logits, our_gradients = loss_and_gradients(ours, batch, ".bottleneck_adapters.mnli_qqp_sst.")
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    for ours_, theirs_ in zip(recorded.values(), attentions, strict=True):
        torch.testing.assert_close(ours_.attention, torch.as_tensor(theirs_), atol=1e-5, rtol=0)
    assert len(our_gradients) == len(their_gradients) > 0
    for (name, ours_), theirs_ in zip(our_gradients.items(), their_gradients.values(), strict=True):
        torch.testing.assert_close(ours_, theirs_, atol=1e-4, rtol=0, msg=name)
    torch.testing.assert_close(fusion_penalty(ours), theirs.base_model.get_fusion_regularization_loss())


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_fusion_over_adapters_that_leave_layers_out_is_theirs(on_disk, tmp_path):
    """`adapters` saves weights of fusions in the left-out layers too, which nothing goes through."""
    theirs = their_fusion("bert", adapters.SeqBnConfig(leave_out=[0, 2], reduction_factor=8), tmp_path)
    assert any(".layer.0." in key for key in load_file(tmp_path / "fusion" / "model_adapter_fusion.safetensors"))
    if on_disk:
        for name in (*FUSED, "fusion"):
            convert_to_peft(str(tmp_path / name), str(tmp_path / "peft" / name))
        ours = PeftModel.from_pretrained(build("bert"), tmp_path / "peft" / "mnli", adapter_name="mnli")
        for name in (*FUSED[1:], "fusion"):
            ours.load_adapter(tmp_path / "peft" / name, name)
        ours.set_adapter("fusion")
    else:
        ours = our_fusion("bert", tmp_path)
    batch = random_batch("bert")
    torch.testing.assert_close(ours.eval()(**batch).logits, theirs(**batch).logits, atol=1e-5, rtol=0)
    save_adapterhub(ours, tmp_path / "back", ours.active_adapter)
    loaded = build("bert")
    adapters.init(loaded)
    for name in FUSED:
        loaded.load_adapter(str(tmp_path / name), use_safetensors=True)
    loaded.load_adapter_fusion(str(tmp_path / "back"), set_active=True, use_safetensors=True)
    torch.testing.assert_close(loaded.eval()(**batch).logits, theirs(**batch).logits, atol=1e-5, rtol=0)


def test_weights_of_a_layer_that_is_not_there_are_still_refused(tmp_path):
    """A fusion of a deeper model is not one over adapters with layers left out."""
    their_fusion("bert", adapters.SeqBnConfig(leave_out=[0], reduction_factor=8), tmp_path)
    file = tmp_path / "fusion" / "model_adapter_fusion.safetensors"
    weights = load_file(file)
    save_file(weights | {key.replace(".layer.2.", ".layer.7."): w.clone() for key, w in weights.items()}, file)
    with pytest.raises(ValueError, match=r"layer\.7\..* is not in this model"):
        our_fusion("bert", tmp_path)


@pytest.mark.parametrize("dropout", [None, 0.0, 0.4])
def test_a_fusions_dropout_is_theirs(dropout, tmp_path):
    """In both directions, the modules drop with the same probability: 0.0 there means the model's own, 0.1 here."""
    theirs = their_model("bert", "seq_bn", FUSED)
    theirs.add_adapter_fusion(list(FUSED), config=adapters.DynamicAdapterFusionConfig(dropout_prob=dropout))
    for name in FUSED:
        theirs.save_adapter(str(tmp_path / name), name, use_safetensors=True)
    theirs.save_adapter_fusion(str(tmp_path / "fusion"), list(FUSED), use_safetensors=True)
    ours = our_fusion("bert", tmp_path)
    name = ours.active_adapter
    modules = [module for key, module in ours.named_modules() if key.endswith(f"bottleneck_adapters.{name}.dropout")]
    assert {module.p for module in modules} == {dropout or 0.1}
    ours.add_adapter("none", FusionConfig(adapters=list(FUSED), dropout=0.0))
    for adapter, expected in ((name, dropout or 0.1), ("none", 0.0)):
        save_adapterhub(ours, tmp_path / "back", adapter)
        loaded = build("bert")
        adapters.init(loaded)
        for member in FUSED:
            loaded.load_adapter(str(tmp_path / member), use_safetensors=True)
        loaded.load_adapter_fusion(str(tmp_path / "back"), use_safetensors=True)
        there = [module.p for key, module in loaded.named_modules() if key.endswith("mnli,qqp,sst.dropout")]
        assert there == pytest.approx([expected] * 3, abs=1e-9)


@pytest.mark.parametrize(("family", "placement"), MATRIX)
def test_ours_loads_there_and_comes_back_bit_for_bit(family, placement, tmp_path):
    """Nothing is lost by keeping an adapter with its head in either format, and `adapters` runs what we save."""
    theirs = their_model(family, PLACEMENTS[placement])
    theirs.save_adapter(str(tmp_path / "first"), "a", use_safetensors=True)
    ours = load_adapterhub(build(family), tmp_path / "first")
    save_adapterhub(ours, tmp_path / "second", "a")
    for name in ("adapter.safetensors", "model_head.safetensors"):
        first, second = load_file(tmp_path / "first" / name), load_file(tmp_path / "second" / name)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first), name
    loaded = build(family, seed=3)
    loaded.load_state_dict(build(family).state_dict())
    adapters.init(loaded)
    loaded.load_adapter(str(tmp_path / "second"), set_active=True, use_safetensors=True)
    batch = random_batch(family)
    torch.testing.assert_close(loaded.eval()(**batch).logits, theirs(**batch).logits, atol=1e-6, rtol=0)
    again = load_adapterhub(build(family), tmp_path / "second")
    before, after = (get_peft_model_state_dict(model, adapter_name="a") for model in (ours, again))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert again.peft_config["a"].to_dict() == ours.peft_config["a"].to_dict()


def test_a_fusion_goes_there_and_back_bit_for_bit(tmp_path):
    """A fusion saved by us is one that `adapters` loads, with the same weights."""
    theirs = their_fusion("bert", "seq_bn", tmp_path)
    ours = our_fusion("bert", tmp_path)
    save_adapterhub(ours, tmp_path / "back", "mnli_qqp_sst")
    first, second = (load_file(tmp_path / name / "model_adapter_fusion.safetensors") for name in ("fusion", "back"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    loaded = build("bert")
    adapters.init(loaded)
    for name in FUSED:
        loaded.load_adapter(str(tmp_path / name), use_safetensors=True)
    loaded.load_adapter_fusion(str(tmp_path / "back"), set_active=True, use_safetensors=True)
    batch = random_batch("bert")
    torch.testing.assert_close(loaded.eval()(**batch).logits, theirs(**batch).logits, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("family", "head"),
    [
        ("bert", {"layers": 2, "use_pooler": False}),
        ("bert", {"layers": 1, "use_pooler": True}),
        ("roberta", {"layers": 2}),
        ("distilbert", {"layers": 2, "activation_function": "relu"}),
    ],
)
def test_a_flexible_head_becomes_the_task_models_head(family, head, tmp_path):
    """An AdapterHub task adapter, saved with a flexible head, predicts on `AutoModelForSequenceClassification`."""
    base = build(family)
    flexible = adapters.AutoAdapterModel.from_config(base.config)
    flexible.load_state_dict(base.state_dict(), strict=False)
    flexible.add_adapter("a", config="seq_bn")
    flexible.add_classification_head("a", num_labels=2, **head)
    randomise(flexible, (".adapters.", "heads."))
    flexible.set_active_adapters("a")
    flexible.save_adapter(str(tmp_path), "a", use_safetensors=True)
    batch = random_batch(family)
    ours = load_adapterhub(base, tmp_path)
    torch.testing.assert_close(ours(**batch).logits, flexible.eval()(**batch).logits, atol=1e-5, rtol=0)


def test_learned_scaling_leave_out_and_old_bin_files_come_over(tmp_path):
    """Less common settings keep their meaning; a `.bin` file is read with torch's reader for weights alone."""
    config = adapters.DoubleSeqBnConfig(scaling="learned", leave_out=[1], non_linearity="leakyrelu", reduction_factor=5)
    theirs = their_model("bert", config)
    theirs.save_adapter(str(tmp_path), "a", use_safetensors=False)
    convert_to_peft(str(tmp_path), str(tmp_path / "peft"))
    ours = PeftModel.from_pretrained(build("bert"), str(tmp_path / "peft"), adapter_name="other").eval()
    batch = random_batch("bert")
    torch.testing.assert_close(ours(**batch).logits, theirs(**batch).logits, atol=1e-5, rtol=0)
    save_adapterhub(ours, tmp_path / "back", "other")
    assert json.loads((tmp_path / "back" / "adapter_config.json").read_text())["config"]["scaling"] == "learned"


def test_shared_bottlenecks_are_copied_for_adapters_on_request(tmp_path):
    """`adapters` cannot share; unshared, the same predictions come out there."""
    ours = get_peft_model(build("bert"), BottleneckConfig(bottleneck_size=4, sharing=2, init="normal"), "a").eval()
    randomise(ours, (".bottleneck_adapters.",))
    with pytest.raises(ValueError, match="cannot share"):
        save_adapterhub(ours, tmp_path, "a")
    save_adapterhub(ours, tmp_path, "a", unshare=True)
    loaded = build("bert")
    adapters.init(loaded)
    loaded.load_adapter(str(tmp_path), set_active=True, use_safetensors=True)
    batch = random_batch("bert")
    torch.testing.assert_close(loaded.eval()(**batch).logits, ours(**batch).logits, atol=1e-5, rtol=0)


ON_V5 = """
import pathlib, sys
import torch, transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification
from custom_models.bottleneck.adapterhub import load_adapterhub
assert transformers.__version__ >= "5"
for case in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    model = AutoModelForSequenceClassification.from_pretrained(case / "base", dtype="float32")
    for name in ["a"] if (case / "a").is_dir() else ["mnli", "qqp", "sst", "fusion"]:
        model = load_adapterhub(model, case / name)
    saved = load_file(case / "batch.safetensors")
    expected = saved.pop("logits")
    torch.testing.assert_close(model(**saved).logits, expected, atol=1e-5, rtol=0)
    print(case.name)
"""
NEWEST = Path(__file__).resolve().parents[3] / ".venv-v5" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.skipif(
    not NEWEST.exists(), reason="the environment with transformers 5 is not there: make test-v5 makes it"
)
def test_the_same_files_give_the_same_logits_on_transformers_5(tmp_path):
    """What `adapters` saved on 4.57 predicts on 5, where it does not run, what it did there."""
    for family, placement in [*MATRIX, ("bert", "fusion")]:
        case = tmp_path / f"{family}-{placement}"
        build(family).save_pretrained(case / "base")
        if placement == "fusion":
            theirs = their_fusion(family, PLACEMENTS["pfeiffer"], case)
        else:
            theirs = their_model(family, PLACEMENTS[placement])
            theirs.save_adapter(str(case / "a"), "a", use_safetensors=True)
        batch = random_batch(family)
        save_file(batch | {"logits": theirs(**batch).logits.detach()}, case / "batch.safetensors")
    done = subprocess.run([NEWEST, "-c", ON_V5, tmp_path], cwd=NEWEST.parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.split()) == len(MATRIX) + 1
