"""Classifiers and encoders that lack weights are refused, and so are tokenizers that cannot be used; slow ones load."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.encoder_folders import LABELS, build, write_encoder
from transformers import AutoConfig

from workbench.classification.loading import load_classifier
from workbench.classification.model import load_base_tokenizer, save_classifier
from workbench.errors import UserError
from workbench.strategies.arguments import StrategyArguments


@pytest.fixture
def encoder(tmp_path) -> str:
    return write_encoder(tmp_path / "encoder")


@pytest.fixture
def classifier(encoder, tmp_path) -> Path:
    tokenizer = load_base_tokenizer(StrategyArguments(model_name_or_path=encoder))
    save_classifier(build(encoder), tokenizer, tmp_path / "classifier")
    return tmp_path / "classifier"


def drop(folder: Path, part: str) -> int:
    """Takes the tensors with `part` in their name out of the weights; how many."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    kept = {name: tensor for name, tensor in tensors.items() if part not in name}
    save_file(kept, file, metadata={"format": "pt"})
    return len(tensors) - len(kept)


@pytest.mark.parametrize("part", ["classifier.", "layer.1.", "word_embeddings"])
def test_a_classifier_that_lacks_weights_is_refused(classifier, part):
    load_classifier(str(classifier))
    count = drop(classifier, part)
    with pytest.raises(UserError, match=f"the weights lack {count} tensors of this model, such as .*{part}"):
        load_classifier(str(classifier))


def test_a_bare_encoder_is_no_classifier(encoder):
    with pytest.raises(UserError, match=r"the weights lack \d+ tensors of this model, such as classifier"):
        load_classifier(encoder)


def test_a_classifier_whose_weights_have_other_shapes_is_refused(classifier):
    config = json.loads((classifier / "config.json").read_text())
    (classifier / "config.json").write_text(json.dumps(config | {"vocab_size": config["vocab_size"] + 1}))
    with pytest.raises(UserError, match="cannot load this model") as no:
        load_classifier(str(classifier))
    assert "\n" not in str(no.value)


def test_an_encoder_whose_weights_have_other_shapes_is_refused(encoder):
    config = AutoConfig.from_pretrained(encoder)
    config.vocab_size += 1
    config.save_pretrained(encoder)
    with pytest.raises(UserError, match="the weights lack 1 tensors of this model, such as .*word_embeddings"):
        build(encoder)


def test_a_tokenizer_that_would_be_saved_elsewhere_is_refused_before_training(encoder, tmp_path):
    path = Path(encoder) / "tokenizer_config.json"
    templates = [{"name": "../../escaped", "template": "x"}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": templates}))
    with pytest.raises(UserError, match=r"chat template '../../escaped' would be saved outside"):
        load_base_tokenizer(StrategyArguments(model_name_or_path=encoder))


def bertweet(folder: Path) -> Path:
    """A small RoBERTa with the files of vinai/bertweet-base: `vocab.txt`, `bpe.codes`, and weights of torch alone."""
    write_encoder(folder, "roberta")
    for name in ("tokenizer.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps({"normalization": True}))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tokenizer_class": "BertweetTokenizer"}))
    (folder / "vocab.txt").write_text("go@@ 9\nod</w> 8\nday 7\ngo 6\nod 5\n")
    (folder / "bpe.codes").write_text("g o 9\no d</w> 8\nd a 7\nda y</w> 6\n")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_a_tokenizer_without_a_fast_form_loads_encodes_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home"))
    folder = str(bertweet(tmp_path / "bertweet"))
    tokenizer = load_base_tokenizer(StrategyArguments(model_name_or_path=folder))
    save_classifier(build(folder), tokenizer, tmp_path / "classifier")
    model, again = load_classifier(str(tmp_path / "classifier"))
    texts = ["good day", "day"]
    ids = tokenizer(texts, padding=True)["input_ids"]
    assert ids == again(texts, padding=True)["input_ids"] and ids[0] != ids[1]
    assert tokenizer.convert_tokens_to_ids("day") in ids[1]
    assert model(**again(texts, padding=True, return_tensors="pt")).logits.shape == (2, len(LABELS))


def test_a_tokenizer_whose_library_is_missing_is_refused_in_one_line(encoder):
    for name in ("tokenizer.json", "special_tokens_map.json"):
        (Path(encoder) / name).unlink(missing_ok=True)
    kind = {"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}
    (Path(encoder) / "tokenizer_config.json").write_text(json.dumps(kind))
    (Path(encoder) / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(UserError, match="cannot load this model: .*fugashi") as no:
        load_base_tokenizer(StrategyArguments(model_name_or_path=encoder))
    assert "\n" not in str(no.value)
