"""The heads that courses teach: what each is made of in each family, what of it is trained, and that it comes back."""

import json

import pytest
import torch
from support.bottleneck_models import batch, logits
from support.encoder_folders import build, train, word_tokenizer, write_encoder
from torch import nn
from transformers import AutoModel

from workbench.classification.loading import load_classifier
from workbench.classification.model import save_classifier
from workbench.classification.strategy_table import head_linears
from workbench.errors import UserError
from workbench.strategies.encoders import encoder_of


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Folders of tiny pretrained encoders by family."""
    families = ("bert", "roberta", "distilbert", "mpnet", "deberta-v2", "modernbert")
    return {family: write_encoder(tmp_path_factory.mktemp(family), family) for family in families}


def trained(model) -> set[str]:
    return {name for name, weight in model.named_parameters() if weight.requires_grad}


def states(folder: str) -> torch.Tensor:
    """(B, T, H) of the encoder itself."""
    encoder, inputs = AutoModel.from_pretrained(folder).eval(), batch()
    with torch.no_grad():
        return encoder(inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state


def test_the_linear_head_is_one_linear_on_the_first_token_or_on_the_mean(encoders):
    for pooling in ("cls", "mean"):
        model = build(encoders["bert"], "frozen", pooling=pooling)
        (linear,) = head_linears(model)
        assert trained(model) == {"classifier.out_proj.weight", "classifier.out_proj.bias"}
        found, mask = states(encoders["bert"]), batch()["attention_mask"][:, :, None]
        vectors = found[:, 0] if pooling == "cls" else (found * mask).sum(1) / mask.sum(1)
        torch.testing.assert_close(logits(model.eval()), linear(vectors))


def test_two_layers_are_above_the_pretrained_pooler(encoders):
    model = build(encoders["bert"], "full", head="two_layer").eval()
    pooler = AutoModel.from_pretrained(encoders["bert"]).pooler
    first, second = model.classifier.dense, model.classifier.out_proj
    vectors = pooler(states(encoders["bert"]))
    torch.testing.assert_close(logits(model), second(torch.tanh(first(vectors))))


@pytest.mark.parametrize(
    ("family", "linears"),
    [("bert", 3), ("roberta", 2), ("distilbert", 2), ("mpnet", 2), ("deberta-v2", 2), ("modernbert", 2)],
)
def test_every_family_has_every_head_and_its_own_class_where_that_has_it(encoders, tmp_path, family, linears):
    """Only BERT of these has a pretrained pooler; the others' own head has two layers."""
    for head, count, is_own in (("linear", 1, False), ("pooler", 2, True), ("two_layer", linears, linears == 2)):
        model = build(encoders[family], "full", head=head)
        assert len(head_linears(model)) == count, head
        assert (model.config.model_type == family) is is_own, head
        losses = train(model)
        assert losses[-1] < 0.9 * losses[0], head
        save_classifier(model, word_tokenizer(), tmp_path / head)
        assert (tmp_path / head / "modeling_sentence_encoder.py").exists() is not is_own
        loaded, _ = load_classifier(str(tmp_path / head))
        assert torch.equal(logits(loaded), logits(model.eval())), head


def test_under_a_mean_there_is_no_pooler_so_that_two_layers_are_all(encoders):
    model = build(encoders["bert"], "houlsby_unshared", pooling="mean")
    assert model.get_base_model().config.head == "pooler"
    assert any("classifier.modules_to_save.default.dense" in name for name in trained(model))


@pytest.mark.parametrize("name", ["houlsby", "houlsby_3shared", "houlsby_unshared", "lora", "full", "gradual"])
def test_a_pooler_is_trained_as_the_strategy_or_the_option_says(encoders, name):
    by_default = not name.startswith("houlsby")
    for asked in (None, True, False):
        model = build(encoders["bert"], name, train_pooler=asked)
        names = [key for key in trained(model) if "pooler" in key]
        assert bool(names) is (by_default if asked is None else asked), asked


def test_gradual_unfreezing_leaves_a_frozen_pooler_as_it_is(encoders):
    model = build(encoders["bert"], "gradual", train_pooler=False)
    (callback,) = model.strategy.callbacks(model)
    callback.unfreeze(10.0)
    assert not any("pooler" in name for name in trained(model))


@pytest.mark.parametrize("head", ["pooler", "two_layer"])
@pytest.mark.parametrize("train_pooler", [True, False])
def test_an_adapter_comes_back_with_its_head_and_its_pooler(encoders, tmp_path, head, train_pooler):
    model = build(encoders["bert"], "houlsby", head=head, train_pooler=train_pooler)
    pretrained = AutoModel.from_pretrained(encoders["bert"]).pooler.dense.weight
    train(model)
    now = [weight for key, weight in model.named_parameters() if key.endswith("pooler.dense.weight")]
    now += [weight for key, weight in model.named_parameters() if "pooler.modules_to_save.default.dense.weight" in key]
    assert torch.equal(now[-1], pretrained) is not train_pooler
    save_classifier(model, word_tokenizer(), tmp_path)
    loaded, _ = load_classifier(str(tmp_path))
    assert torch.equal(logits(loaded), logits(model.eval()))


def test_a_pooler_without_pretrained_weights_is_trained_whatever_the_strategy(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_encoder(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {key: value for key, value in weights.items() if not key.startswith("pooler")}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for name in ("houlsby", "houlsby_unshared"):
        assert any("pooler" in key for key in trained(build(folder, name))), name
        with pytest.raises(UserError, match="no pretrained pooler"):
            build(folder, name, train_pooler=False)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("roberta", {"train_pooler": False}),
        ("distilbert", {"train_pooler": True}),
        ("bert", {"head": "linear", "train_pooler": True}),
        ("bert", {"pooling": "mean", "train_pooler": False}),
    ],
)
def test_a_pooler_that_there_is_not_is_refused(encoders, family, options):
    with pytest.raises(UserError, match="train_pooler: this classifier has no pretrained pooler"):
        build(encoders[family], **options)


def test_an_encoder_with_code_of_its_own_keeps_its_own_head(encoders, tmp_path):
    folder = write_encoder(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": {"AutoModel": "theirs.Model"}}))
    with pytest.raises(UserError, match="brings its own code; .*give --head pooler"):
        build(folder, "frozen", trust_remote_code=True)


def test_a_decoder_reads_its_last_token_with_one_linear(tmp_path):
    from transformers import GPT2Config, GPT2Model

    GPT2Model(GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=2, pad_token_id=0)).save_pretrained(tmp_path)
    model = build(str(tmp_path), "frozen")
    assert model.config.model_type == "gpt2" and trained(model) == {"score.weight"}
    with pytest.raises(UserError, match="head: a 'gpt2' model has one Linear"):
        build(str(tmp_path), head="two_layer")


def test_a_classifier_saved_before_there_were_heads_is_the_same_now(tmp_path, encoders):
    model = build(encoders["bert"], "full", pooling="mean")
    save_classifier(model, word_tokenizer(), tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    assert config.pop("head") == "pooler"
    path.write_text(json.dumps(config))
    loaded, _ = load_classifier(str(tmp_path))
    assert isinstance(loaded.classifier.dense, nn.Linear) and encoder_of(loaded).pooler is None
    assert torch.equal(logits(loaded), logits(model.eval()))
