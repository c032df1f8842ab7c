"""The sentence encoder: its mix and its pooling are the paper's, and its folder works where igpay is not installed."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from support.bottleneck_models import CONFIGS, batch, logits
from support.encoder_folders import write_encoder
from support.interpreters import INTERPRETERS
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification

from custom_models import SentenceEncoderConfig, SentenceEncoderForSequenceClassification
from custom_models.modeling_sentence_encoder import ScalarMix, pool
from workbench.classification.model import build_classifier
from workbench.strategies.arguments import StrategyArguments


def make(family: str = "bert", **options) -> SentenceEncoderForSequenceClassification:
    torch.manual_seed(0)
    model = SentenceEncoderForSequenceClassification(SentenceEncoderConfig(encoder_config=CONFIGS[family], **options))
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.2)
    return model.eval()


def test_the_mix_is_equation_1_of_peters_et_al():
    states = tuple(torch.randn(2, 5, 4) for _ in range(3))
    mix = ScalarMix(3)
    torch.testing.assert_close(mix(states), sum(states) / 3)
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 1.0, -2.0]))
        mix.gamma.fill_(2.5)
    shares = torch.tensor([1.0, 2.718281828, 0.1353352832])
    expected = 2.5 * sum(share * state for share, state in zip(shares / shares.sum(), states, strict=True))
    torch.testing.assert_close(mix(states), expected)
    with pytest.raises(ValueError, match="2 hidden states to mix with 3 scores"):
        mix(states[:2])


def test_the_mix_reads_the_embeddings_and_every_layer():
    model = make(use_scalar_mix=True)
    encoded = model.encoder(batch()["input_ids"], batch()["attention_mask"], output_hidden_states=True)
    for layer in range(4):
        with torch.no_grad():
            model.scalar_mix.scores.fill_(-1e9)
            model.scalar_mix.scores[layer] = 0.0
        expected = model.classifier(encoded.hidden_states[layer][:, 0])
        torch.testing.assert_close(logits(model), expected)


def test_mean_pooling_is_the_mean_over_what_is_no_padding():
    states, mask = torch.randn(2, 4, 3), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    expected = torch.stack([states[0].mean(dim=0), states[1, :2].mean(dim=0)])
    torch.testing.assert_close(pool(states, mask, "mean"), expected)
    torch.testing.assert_close(pool(states, None, "mean"), states.mean(dim=1))
    torch.testing.assert_close(pool(states, mask, "cls"), states[:, 0])


@pytest.mark.parametrize("family", CONFIGS)
def test_more_padding_changes_no_logits(family):
    model, inputs = make(family, pooling="mean", use_scalar_mix=True), batch()
    longer = {key: nn.functional.pad(inputs[key], (0, 4)) for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        torch.testing.assert_close(model(**longer).logits, logits(model), rtol=0, atol=1e-5)


@pytest.mark.parametrize("mix", [False, True])
@pytest.mark.parametrize("family", CONFIGS)
def test_every_weight_gets_a_gradient_and_the_folder_gives_the_same_model(family, mix, tmp_path):
    model = make(family, pooling="mean", use_scalar_mix=mix, num_labels=3)
    model(**batch()).loss.backward()
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.config.encoder_config.model_type == family and loaded.config.use_scalar_mix is mix
    assert torch.equal(logits(loaded.eval()), logits(model))


def test_the_loss_is_cross_entropy_for_classes_and_squared_error_for_numbers():
    model, inputs = make(num_labels=3), batch()
    expected = -logits(model).log_softmax(dim=-1)[torch.arange(3), inputs["labels"]].mean()
    torch.testing.assert_close(model(**inputs).loss, expected)
    model, labels = make(num_labels=1), torch.tensor([0.5, -1.0, 2.0])
    expected = ((logits(model).squeeze(-1) - labels) ** 2).mean()
    torch.testing.assert_close(model(**inputs | {"labels": labels}).loss, expected)


def test_outputs_are_those_of_transformers():
    model = make(pooling="mean")
    output = model(**batch(), output_hidden_states=True)
    assert len(output.hidden_states) == 4 and output.hidden_states[0].shape == (3, 8, 32)
    assert model(**batch()).hidden_states is None
    assert torch.equal(model(**batch(), return_dict=False)[1], output.logits)


def test_an_unknown_pooling_or_encoder_is_named():
    with pytest.raises(ValueError, match="pooling is 'max': choose one of cls, mean"):
        SentenceEncoderConfig(pooling="max")
    with pytest.raises(ValueError, match="nosuchmodel"):
        SentenceEncoderConfig(encoder_config={"model_type": "nosuchmodel"})


def test_a_mix_of_layers_begins_with_the_encoders_own_pooler(tmp_path):
    folder = write_encoder(tmp_path)
    pooler = AutoModel.from_pretrained(folder).pooler.dense.weight
    for pooling, same in (("cls", True), ("mean", False)):
        arguments = StrategyArguments(model_name_or_path=folder, strategy="feature_mix", pooling=pooling, head="pooler")
        model = build_classifier(arguments, ["no", "yes"], is_regression=False, seed=0)
        assert torch.equal(model.classifier.dense.weight, pooler) is same


CONSUMER = """
import json, sys
for name in ("custom_models", "workbench"):
    sys.modules[name] = None
import torch
from transformers import AutoModelForSequenceClassification
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], trust_remote_code=True, dtype=torch.float32)
inputs = {name: torch.tensor(rows) for name, rows in json.loads(sys.argv[2]).items()}
with torch.inference_mode():
    print(json.dumps(model.eval()(**inputs).logits.tolist()))
"""


@pytest.mark.slow
@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda path: Path(path).parents[1].name)
def test_the_saved_folder_works_where_igpay_is_not_installed(tmp_path, interpreter):
    model = make("roberta", pooling="mean", use_scalar_mix=True, num_labels=3)
    model.save_pretrained(tmp_path / "model")
    inputs = json.dumps({name: batch()[name].tolist() for name in ("input_ids", "attention_mask")})
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [interpreter, "-c", CONSUMER, str(tmp_path / "model"), inputs]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    torch.testing.assert_close(torch.tensor(json.loads(done.stdout)), logits(model), rtol=0, atol=1e-6)
