"""Published classifiers of every kind answer, from the Hub, as they did in their run's folder."""

import re

import pytest
import torch
from encoder_folders import build, train, word_tokenizer, write_encoder
from huggingface_hub import HfApi
from loopback_hub import hub  # noqa: F401, a fixture

from workbench.classification import predict_logits
from workbench.classifier_loading import load_classifier
from workbench.classifiers import save_classifier
from workbench.errors import UserError
from workbench.hub import push
from workbench.packages import ADAPTER_WEIGHTS, adapter_package

ENCODER, REPO = "tester/encoder", "tester/classifier"
LABELS = ["no", "yes", "maybe"]
TEXTS = [{"text": "w3 w9 w27"}, {"text": "w5"}]


@pytest.fixture
def encoder(hub, tmp_path, monkeypatch) -> str:  # noqa: F811
    """A tiny encoder in a folder of this machine, and the same on the Hub as ENCODER."""
    folder = write_encoder(tmp_path / "encoder")
    monkeypatch.setenv("HF_TOKEN", hub.tokens.write)
    api = HfApi(endpoint=hub.url, token=hub.tokens.write)
    api.create_repo(ENCODER)
    api.upload_folder(repo_id=ENCODER, folder_path=folder)
    return folder


def save(encoder: str, strategy: str, folder, seed: int = 0, **options):
    """A briefly trained classifier's folder."""
    model = build(encoder, strategy, labels=LABELS, seed=seed, **options)
    train(model)
    save_classifier(model, word_tokenizer(), folder)
    return folder


def save_fusion(encoder: str, root):
    members = [
        str(save(encoder, "pfeiffer", root / name, seed, bottleneck_size=8)) for seed, name in enumerate(("one", "two"))
    ]
    return save(encoder, "fusion", root / "run", adapters=members)


def answers(name: str) -> torch.Tensor:
    return torch.from_numpy(predict_logits(*load_classifier(name), TEXTS, 16))


@pytest.mark.parametrize(
    ("strategy", "pooling"),
    [("lora", "cls"), ("pfeiffer", "cls"), ("houlsby_unshared", "cls"), ("lora", "mean"), ("fusion", "cls")],
)
def test_an_adapter_from_the_hub_answers_as_its_folder_does(encoder, tmp_path, strategy, pooling):
    fused = strategy == "fusion"
    run = save_fusion(encoder, tmp_path) if fused else save(encoder, strategy, tmp_path / "run", pooling=pooling)
    expected = answers(str(run))
    package = adapter_package(run, REPO, ENCODER)
    push(package, REPO)
    assert torch.equal(answers(REPO), expected)
    card = package.files["README.md"].decode()
    snippets = re.findall(r"```python\n(.*?)```", card, re.S)
    if not fused and pooling == "cls":
        names: dict = {}
        exec(snippets[0], names)
        inputs = word_tokenizer()([example["text"] for example in TEXTS], padding=True, return_tensors="pt")
        with torch.inference_mode():
            torch.testing.assert_close(names["model"].eval()(**inputs).logits, expected, atol=1e-5, rtol=0)
        assert list(names["config"].id2label.values()) == LABELS
    else:
        assert not snippets and f"python scripts/classify.py {REPO} " in card


def test_a_fusion_is_published_whole_or_not_at_all(encoder, tmp_path):
    run = save_fusion(encoder, tmp_path)
    package = adapter_package(run, REPO, ENCODER)
    parts = [f"{part}{name}" for part in ("", "one/", "two/") for name in ("adapter_config.json", ADAPTER_WEIGHTS)]
    assert set(parts) < set(package.files)
    configs = [content for name, content in package.files.items() if name.endswith("adapter_config.json")]
    assert all(f'"{ENCODER}"'.encode() in content and str(tmp_path).encode() not in content for content in configs)
    (run / "two" / ADAPTER_WEIGHTS).unlink()
    with pytest.raises(UserError, match="two: no weights"):
        adapter_package(run, REPO, ENCODER)
