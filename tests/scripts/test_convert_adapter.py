"""`scripts/convert_adapter.py`, run as a person runs it: both directions, and one line for every mistake."""

import json

import pytest
import torch
from safetensors.torch import load_file
from support import encoder_folders
from support.bottleneck_models import adapt, batch, build, logits, randomise
from transformers import AutoModelForSequenceClassification

from custom_models.bottleneck.adapterhub import load_adapterhub
from workbench.classification.model import save_classifier


@pytest.fixture
def peft_folder(tmp_path):
    adapt(build(), "rte", placement="pfeiffer").save_pretrained(tmp_path, selected_adapters=["rte"])
    return tmp_path / "rte"


@pytest.mark.slow
def test_there_and_back_and_what_is_refused(peft_folder, tmp_path, run_script, refused):
    """Two commands give the same weights back and say what they wrote; mistakes end in one line and exit code 2."""
    there = run_script("convert_adapter", peft_folder, tmp_path / "hub", "--to", "adapterhub")
    assert there.returncode == 0, there.stderr
    assert "pfeiffer adapter 'rte' with bottlenecks of 4, for bert: " in there.stdout
    assert there.stdout.splitlines()[-1] == f"It is in {tmp_path / 'hub'}"
    assert json.loads((tmp_path / "hub" / "adapter_config.json").read_text())["name"] == "rte"
    back = run_script("convert_adapter", tmp_path / "hub", tmp_path / "back", "--to", "peft")
    assert back.returncode == 0, back.stderr
    first, second = (load_file(folder / "adapter_model.safetensors") for folder in (peft_folder, tmp_path / "back"))
    assert first.keys() == second.keys()
    assert all(first[key].equal(second[key]) for key in first)

    full = run_script("convert_adapter", peft_folder, tmp_path / "hub", "--to", "adapterhub")
    assert "not empty; add --overwrite_output_dir" in refused(full)
    (tmp_path / "hub" / "adapter.safetensors").write_bytes(b"\x10")
    cut = run_script("convert_adapter", tmp_path / "hub", tmp_path / "cut", "--to", "peft")
    assert "adapter.safetensors is cut short" in refused(cut)
    assert not (tmp_path / "cut").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["here", "there", "--to", "peft", "--unshare"], "--unshare is for --to adapterhub"),
        (["here", "there", "--to", "onnx"], "to: unknown value 'onnx'"),
        (["here", "there", "--to", "peft", "--with_heads", "false"], "did you mean 'with_head'"),
        (["here"], "required: TARGET"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, run_script, refused, tmp_path):
    assert message in refused(run_script("convert_adapter", *arguments))


def test_help_is_quick_and_shows_two_commands(run_script):
    shown = run_script("convert_adapter", "--help")
    assert shown.returncode == 0
    assert shown.stdout.count("python scripts/convert_adapter.py") == 2


@pytest.fixture
def encoder(tmp_path) -> str:
    return encoder_folders.write_encoder(tmp_path / "encoder")


def train_less(encoder: str, folder, strategy: str):
    """A run of that strategy, with weights that matter, as training leaves it; its model."""
    model = encoder_folders.build(encoder, strategy, bottleneck_size=4)
    randomise(model, "default")
    save_classifier(model.eval(), encoder_folders.word_tokenizer(), folder)
    return model


def test_a_runs_adapter_converts_with_its_pooler_and_says_where_to(encoder, tmp_path, call):
    """Into a head of `adapters` with two layers, whichever way the format is found."""
    model = train_less(encoder, tmp_path / "rte", "pfeiffer")
    code, printed = call("convert_adapter", tmp_path / "rte", tmp_path / "hub")
    assert code == 0, printed.err
    assert "No --to is given: " in printed.out and "converted to adapterhub's format" in printed.out
    head = json.loads((tmp_path / "hub" / "head_config.json").read_text())
    assert head["model_class"] == "BertAdapterModel" and head["config"]["layers"] == 2 and head["name"] == "rte"
    back = load_adapterhub(AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=3), tmp_path / "hub")
    assert torch.equal(logits(back), logits(model))
    assert call("convert_adapter", tmp_path / "hub", tmp_path / "peft")[1].out.count("to peft's format") == 1
    code, printed = call("convert_adapter", tmp_path / "rte", tmp_path / "bare", "--with_head", "false")
    assert code == 0 and "with head" not in printed.out and not (tmp_path / "bare" / "head_config.json").exists()


def test_adapters_itself_loads_a_runs_adapter_with_its_head(encoder, tmp_path, call):
    adapters = pytest.importorskip("adapters", reason="the adapters library needs transformers 4.57")
    model = train_less(encoder, tmp_path / "rte", "pfeiffer")
    assert call("convert_adapter", tmp_path / "rte", tmp_path / "hub", "--to", "adapterhub")[0] == 0
    theirs = adapters.BertAdapterModel.from_pretrained(encoder).eval()
    theirs.set_active_adapters(theirs.load_adapter(str(tmp_path / "hub"), use_safetensors=True))
    inputs = {name: value for name, value in batch().items() if name != "labels"}
    with torch.no_grad():
        assert torch.allclose(theirs(**inputs).logits, model(**inputs).logits, atol=1e-5)


def test_shared_bottlenecks_are_refused_with_a_command_that_works(encoder, tmp_path, call):
    model = train_less(encoder, tmp_path / "rte", "houlsby")
    code, printed = call("convert_adapter", tmp_path / "rte", tmp_path / "hub", "--to", "adapterhub")
    assert code == 2 and "--unshare copies them" in printed.err and not (tmp_path / "hub").exists()
    code, printed = call("convert_adapter", tmp_path / "rte", tmp_path / "hub", "--unshare")
    assert code == 0 and "houlsby adapter 'rte'" in printed.out
    back = load_adapterhub(AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=3), tmp_path / "hub")
    assert torch.allclose(logits(back), logits(model), atol=1e-6)
