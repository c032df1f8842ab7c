"""Translators that lack weights, or whose tokenizer would write elsewhere, are refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from custom_models import ARCHITECTURES, PigLatinConfig, build_tokenizer
from workbench.errors import UserError
from workbench.translation.model import load_translator


@pytest.fixture(params=list(ARCHITECTURES))
def folder(request, tmp_path) -> Path:
    tokenizer = build_tokenizer(["abc"], request.param)
    config = PigLatinConfig(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16)
    torch.manual_seed(0)
    ARCHITECTURES[request.param](config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("part", ["lm_head.", "feed_forward.", "embed_tokens."])
def test_a_translator_that_lacks_weights_is_refused(folder, part, caplog):
    tensors = load_file(folder / "model.safetensors")
    load_translator(str(folder))
    kept = {name: tensor for name, tensor in tensors.items() if part not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    caplog.clear()
    with pytest.raises(UserError, match=f"the weights lack {len(tensors) - len(kept)} tensors of this model, such as "):
        load_translator(str(folder))
    assert caplog.records == []


def test_a_translator_whose_weights_have_other_shapes_is_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": config["vocab_size"] + 1}))
    with pytest.raises(UserError, match="cannot load this model") as no:
        load_translator(str(folder))
    assert "\n" not in str(no.value)


@pytest.mark.parametrize("value", [10**6, -1, "x", [], {}, 1.5])
def test_a_translator_whose_end_is_no_symbol_is_refused(folder, value):
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"eos_token_id": value}))
    with pytest.raises(UserError, match="eos_token_id") as no:
        load_translator(str(folder))
    assert "\n" not in str(no.value)


def test_how_a_stranger_would_have_it_generate_is_not_kept(folder):
    path = folder / "generation_config.json"
    wishes = {"num_return_sequences": 4, "num_beams": 4, "return_dict_in_generate": True, "suppress_tokens": [3]}
    path.write_text(json.dumps(json.loads(path.read_text()) | wishes))
    settings = load_translator(str(folder))[0].generation_config
    assert settings.num_return_sequences in (1, None) and not settings.return_dict_in_generate
    assert settings.eos_token_id == 2


def test_code_beside_a_translator_does_not_run(folder, tmp_path):
    """transformers 4.57 runs a local folder's `custom_generate` without being asked."""
    (folder / "custom_generate").mkdir()
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\ndef generate(model, **options):\n    return model\n"
    (folder / "custom_generate" / "generate.py").write_text(code)
    load_translator(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_translator_whose_chat_templates_would_be_saved_elsewhere_is_refused(folder):
    path = folder / "tokenizer_config.json"
    templates = [{"name": "a/../../b", "template": "x"}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": templates}))
    with pytest.raises(UserError, match="chat template 'a/../../b' would be saved outside"):
        load_translator(str(folder))
