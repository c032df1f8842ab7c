"""Classifier folders, ours and those of others: what begins anew, what is refused, and how it is named."""

import json

import pytest
import torch
from support.bottleneck_models import logits
from support.encoder_folders import build, train, word_tokenizer, write_encoder

from workbench.classification.loading import load_classifier
from workbench.classification.model import save_classifier
from workbench.errors import UserError
from workbench.strategies.adapters_library import has_adapters_library
from workbench.strategies.catalogue import find_strategy


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The folder of a tiny pretrained BERT."""
    return write_encoder(tmp_path_factory.mktemp("bert"))


def test_an_earlier_tasks_head_is_kept_for_the_same_labels_and_renewed_for_others(encoder, tmp_path):
    earlier = build(encoder, "full", seed=5)
    train(earlier)
    save_classifier(earlier, word_tokenizer(), tmp_path)
    again = build(str(tmp_path), "full", seed=6)
    other = build(str(tmp_path), "full", labels=["a", "b", "c"], seed=6)
    fewer = build(str(tmp_path), "full", labels=["a", "b"], seed=6)
    assert torch.equal(again.classifier.weight, earlier.classifier.weight)
    assert not torch.equal(other.classifier.weight, earlier.classifier.weight)
    for model in (other, fewer):
        assert torch.equal(model.bert.pooler.dense.weight, earlier.bert.pooler.dense.weight)
    assert fewer.classifier.weight.shape[0] == 2


def test_an_adapter_without_our_config_tells_its_classes_by_its_head(encoder, tmp_path):
    model = build(encoder, "lora")
    save_classifier(model, word_tokenizer(), tmp_path)
    (tmp_path / "config.json").unlink()
    loaded, _ = load_classifier(str(tmp_path))
    assert torch.equal(logits(loaded), logits(model.eval()))


def edit_json(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "brings its own code; read it, then pass --trust_remote_code"),
        ({"_attn_implementation_internal": "someone/kernel"}, "refused, because its '_attn_implementation_internal'"),
    ],
)
def test_a_config_that_could_run_code_is_refused_as_encoder_as_model_and_under_an_adapter(tmp_path, fields, message):
    folder = tmp_path / "encoder"
    write_encoder(folder)
    for name in ("full", "lora"):
        save_classifier(build(str(folder), name), word_tokenizer(), tmp_path / name)
    for path in (folder, tmp_path / "full"):
        edit_json(path / "config.json", **fields)
    with pytest.raises(UserError, match=message):
        build(str(folder))
    for name in ("full", "lora"):
        with pytest.raises(UserError, match=message):
            load_classifier(str(tmp_path / name))


def test_what_is_missing_or_damaged_is_named(encoder, tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        build(str(tmp_path / "absent"))
    save_classifier(build(encoder, "houlsby"), word_tokenizer(), tmp_path / "a")
    weights = tmp_path / "a" / "adapter_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="/a: "):
        load_classifier(str(tmp_path / "a"))
    weights.rename(tmp_path / "a" / "adapter_model.bin")
    with pytest.raises(UserError, match="no weights .adapter_model.safetensors."):
        load_classifier(str(tmp_path / "a"))
    save_classifier(build(encoder, "lora"), word_tokenizer(), tmp_path / "b")
    edit_json(tmp_path / "b" / "adapter_config.json", base_model_name_or_path=str(tmp_path / "moved"))
    with pytest.raises(UserError, match="/b: the encoder that this adapter was trained on: .*moved: no such folder"):
        load_classifier(str(tmp_path / "b"))


def test_an_encoder_that_lacks_weights_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_encoder(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {key: value for key, value in weights.items() if "layer.1." not in key}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for pooling in ("cls", "mean"):
        with pytest.raises(UserError, match="the weights lack 16 tensors of this model, such as .*layer.1."):
            build(folder, pooling=pooling)


def test_of_several_processes_only_the_first_writes(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    save_classifier(build(encoder), word_tokenizer(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_strategy_that_does_not_exist_names_the_nearest_and_all():
    with pytest.raises(
        UserError, match="unknown 'houlsbi'; did you mean 'houlsby'.*scratch, frozen.*adapters:<config>"
    ):
        find_strategy("houlsbi")


def test_the_adapters_library_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("workbench.strategies.adapters_library.has_adapters_library", lambda: False)
    with pytest.raises(UserError, match="adapters:seq_bn' needs the adapters library.*4.57 only.*requirements.txt"):
        find_strategy("adapters:seq_bn")


@pytest.mark.skipif(not has_adapters_library(), reason="the adapters library exists for transformers 4.57 only")
def test_a_configuration_that_the_library_does_not_know_names_those_it_knows(encoder):
    with pytest.raises(UserError, match="adapters:seq_bm.*did you mean 'seq_bn'.*choose one of .*prefix_tuning"):
        build(encoder, "adapters:seq_bm")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "top_k", "top_k": 4}, "top_k: 4; this encoder has 3 layers, give 1 to 3"),
        ({"strategy": "houlsby", "bottleneck_size": 0}, "bottleneck_size is 0"),
        ({"strategy": "lora", "lora_rank": 0}, "lora_rank and lora_alpha are 0 and 16"),
        ({"classifier_dropout": 1.5}, "classifier_dropout: 1.5"),
        ({"labels": ["only"]}, r"1 class\(es\)"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_line(encoder, options, message):
    with pytest.raises(UserError, match=message):
        build(encoder, **options)
