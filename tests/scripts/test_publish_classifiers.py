"""Published classifiers of every kind answer, from the Hub, as they did in their run's folder."""

import re

import pytest
import torch
from huggingface_hub import HfApi
from support.encoder_folders import build, train, word_tokenizer, write_encoder
from support.loopback_hub import hub  # noqa: F401, a fixture

from workbench.classification.loading import load_classifier
from workbench.classification.model import save_classifier
from workbench.classification.predict import predict_logits
from workbench.errors import UserError
from workbench.hub.packages import ADAPTER_WEIGHTS, adapter_package
from workbench.hub.push import push

LABELS = ["no", "yes", "maybe"]
TEXTS = [{"text": "w3 w9 w27"}, {"text": "w5"}]


# Each test has repositories of its own names: transformers 5 remembers the commits of those it has read.


@pytest.fixture
def names(tmp_path) -> tuple[str, str]:
    """The encoder's and the classifier's repository."""
    return f"tester/encoder-{tmp_path.name}", f"tester/{tmp_path.name}"


@pytest.fixture
def encoder(names, hub, tmp_path, monkeypatch) -> str:  # noqa: F811
    """A tiny encoder in a folder of this machine, and the same on the Hub."""
    folder = write_encoder(tmp_path / "encoder")
    monkeypatch.setenv("HF_TOKEN", hub.tokens.write)
    api = HfApi(endpoint=hub.url, token=hub.tokens.write)
    api.create_repo(names[0])
    api.upload_folder(repo_id=names[0], folder_path=folder)
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
    [
        *(("lora", "cls"), ("pfeiffer", "cls"), ("houlsby", "cls"), ("peft:ia3", "cls"), ("fusion", "cls")),
        *(("houlsby_unshared", "cls"), ("lora", "mean")),
    ],
)
def test_an_adapter_from_the_hub_answers_as_its_folder_does(encoder, names, tmp_path, strategy, pooling):
    base, repo = names
    fused = strategy == "fusion"
    run = save_fusion(encoder, tmp_path) if fused else save(encoder, strategy, tmp_path / "run", pooling=pooling)
    expected = answers(str(run))
    package = adapter_package(run, repo, base)
    push(package, repo)
    assert torch.equal(answers(repo), expected)
    card = package.files["README.md"].decode()
    snippets = re.findall(r"```python\n(.*?)```", card, re.S)
    # A mean, and two layers above a pooler, are a classifier of ours.
    if not fused and pooling == "cls" and strategy != "houlsby_unshared":
        found: dict = {}
        exec(snippets[0], found)
        inputs = word_tokenizer()([example["text"] for example in TEXTS], padding=True, return_tensors="pt")
        with torch.inference_mode():
            torch.testing.assert_close(found["model"].eval()(**inputs).logits, expected, atol=1e-5, rtol=0)
        assert list(found["config"].id2label.values()) == LABELS
    else:
        assert not snippets and f"python scripts/classify.py {repo} " in card


def test_a_fusion_is_published_whole_or_not_at_all(encoder, names, tmp_path):
    base, repo = names
    run = save_fusion(encoder, tmp_path)
    package = adapter_package(run, repo, base)
    parts = [f"{part}{name}" for part in ("", "one/", "two/") for name in ("adapter_config.json", ADAPTER_WEIGHTS)]
    assert set(parts) < set(package.files)
    configs = [content for name, content in package.files.items() if name.endswith("adapter_config.json")]
    assert all(f'"{base}"'.encode() in content and str(tmp_path).encode() not in content for content in configs)
    (run / "two" / ADAPTER_WEIGHTS).unlink()
    with pytest.raises(UserError, match="two: no weights"):
        adapter_package(run, repo, base)
