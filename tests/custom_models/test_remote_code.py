"""What was pushed, used where igpay is not installed: the card's own lines, the same logits, the same translations."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from support.interpreters import INTERPRETERS
from support.loopback_hub import LoopbackHub
from support.published_runs import write_adapter

from workbench.data.pig_latin import pig_latin_pairs, to_pig_latin
from workbench.errors import run_main
from workbench.hub.packages import imports_that_stay

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(path for path in (ROOT / "custom_models").glob("*.py") if path.name != "__init__.py")
WORDS = [first + second for first in ("b", "st", "qu", "pl", "") for second in ("at", "end", "ill", "op", "um", "ask")]
TINY = "--hidden_size 32 --encoder_layers 1 --decoder_layers 1 --num_attention_heads 2 --intermediate_size 32".split()
STEPS = "--max_steps 360 --eval_strategy steps --save_strategy steps --eval_steps 180 --save_steps 180".split()
FAST = [*TINY, *STEPS, *"--train_batch_size 10 --dropout 0 --warmup_steps 5".split()]
MODELS = {"encoder-decoder": "tester/pig-encoder-decoder", "decoder-only": "tester/pig-decoder-only"}
ADAPTER = "tester/pig-lora"


# Imports that travel


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.name)
def test_our_models_import_only_what_travels(path):
    assert imports_that_stay(path) == []


@pytest.mark.parametrize(
    ("line", "travels"),
    [
        ("import math, torch.nn.functional as F", True),
        ("from transformers.cache_utils import DynamicCache", True),
        ("from .sibling import name", True),
        ("from .absent import name", False),
        ("from . import sibling", False),
        ("from ..package import name", False),
        ("from .sibling.inner import name", False),
        ("import numpy", False),
        ("import torch, workbench.data.pairs", False),
        ("from custom_models.sibling import name", False),
        ("def later():\n    from peft import LoraConfig", False),
    ],
)
def test_an_import_that_would_not_travel_is_found(tmp_path, line, travels):
    (tmp_path / "sibling.py").write_text("name = 1\n")
    (tmp_path / "modeling_x.py").write_text(f"import json\n{line}\n")
    assert bool(imports_that_stay(tmp_path / "modeling_x.py")) is not travels


# Trained, pushed, and used from the Hub


def run(name: str, *arguments) -> None:
    """Runs a script in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        run_main(__import__(name).main)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A Hub with two trained models, an adapter, the pairs and the metric; and the folder of what was trained."""
    folder = tmp_path_factory.mktemp("published")
    pairs = folder / "pairs.tsv"
    pairs.write_text("".join(f"{word}\t{to_pig_latin(word)}\n" for word in WORDS))
    with LoopbackHub(tmp_path_factory.mktemp("hub")) as hub, pytest.MonkeyPatch.context() as patch:
        hub.use_in_process(patch)
        patch.setattr(constants, "HF_TOKEN_PATH", str(folder / "no-login"))
        patch.setenv("HF_TOKEN", hub.tokens.write)
        for architecture, repo_id in MODELS.items():
            options = ["--train_file", pairs, "--architecture", architecture, "--output_dir", folder / architecture]
            run("train_translator", *options, *FAST, "--push_to_hub", repo_id, "--hub_private")
        write_adapter(folder / "encoder-decoder", folder / "lora")
        run("publish", "adapter", folder / "lora", ADAPTER, "--base_model", MODELS["encoder-decoder"])
        run("publish", "dataset", "pig_latin", "tester/pairs")
        run("publish", "metric", ROOT / "spaces" / "word_accuracy", "tester/word_accuracy")
        yield hub, folder
    assert not hub.problems


def load(folder: Path):
    from workbench.translation.model import load_translator

    return load_translator(str(folder))


def logits_of(model, tokenizer) -> torch.Tensor:
    inputs = tokenizer("street", return_tensors="pt")
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = tokenizer("eet", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return model.eval()(**inputs).logits


def snippet(hub, repo_id: str, repo_type: str = "model") -> str:
    return hub.read(repo_id, "README.md", repo_type=repo_type).decode().split("```python\n")[1].split("```")[0]


CONSUMER = """
import json, sys
for name in ("custom_models", "workbench"):
    sys.modules[name] = None
import torch
for snippet, logits in json.loads(open(sys.argv[1]).read()):
    space = {}
    exec(snippet, space)
    model = space["model"].eval()
    tokenizer = space.get("tokenizer") or tokenizer
    inputs = tokenizer("street", return_tensors="pt")
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = tokenizer("eet", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        difference = (model(**inputs).logits - torch.tensor(logits)).abs().max().item()
    print("difference", difference)
"""


def consume(interpreter: str, hub, folder: Path, program: str, *arguments) -> list[str]:
    """Runs a program against the Hub in a fresh process with a home of its own; returns its lines."""
    environment = hub.environment(token=hub.tokens.read, home=folder / "home")
    environment |= {"OMP_NUM_THREADS": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
    command = [interpreter, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda path: Path(path).parents[1].name)
def test_the_cards_own_lines_give_the_trained_models_logits_and_words(published, tmp_path, interpreter):
    hub, folder = published
    cases = [
        (snippet(hub, repo_id), logits_of(*load(folder / architecture)).tolist())
        for architecture, repo_id in reversed(MODELS.items())
    ]
    from peft import PeftModel

    base, tokenizer = load(folder / "encoder-decoder")
    adapted = PeftModel.from_pretrained(base, folder / "lora")
    cases.append((snippet(hub, ADAPTER), logits_of(adapted, tokenizer).tolist()))
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    lines = consume(interpreter, hub, tmp_path, CONSUMER, tmp_path / "cases.json")
    differences = [float(line.split()[1]) for line in lines if line.startswith("difference")]
    assert len(differences) == 3 and max(differences) <= 1e-6
    printed = [line for line in lines if not line.startswith("difference")]
    assert printed == [code.split(")  # ")[1].strip() for code, _ in cases]
    for line, (code, _) in zip(printed, cases[:2], strict=False):
        words = json.loads(code.split("tokenizer([")[1].split("]")[0].join("[]"))
        assert len(json.loads(line.replace("'", '"'))) == len(words) == 2


@pytest.mark.slow
def test_a_learned_model_translates_the_words_it_learned_from_the_hub(published, tmp_path):
    hub, _ = published
    from workbench.data.pairs import PairFile, load_pairs

    learned = list(load_pairs(PairFile(str(published[1] / "pairs.tsv")), None, None, seed=0)["train"]["source"])[:8]
    code = snippet(hub, MODELS["encoder-decoder"])
    before, after = code.split("tokenizer([")
    code = f"{before}tokenizer({json.dumps(learned)}{after.split(']', 1)[1]}"
    printed = consume(sys.executable, hub, tmp_path, code)
    assert printed == [str([to_pig_latin(word) for word in learned])]


@pytest.mark.slow
def test_the_pairs_and_the_metric_come_back_the_same(published, tmp_path):
    hub, _ = published
    program = (
        snippet(hub, "tester/pairs", "dataset")
        + """
import evaluate, json
for name, data in (("large", large), ("small", small)):
    open(f"{name}.json", "w").write(json.dumps({split: rows.to_list() for split, rows in data.items()}))
metric = evaluate.load("tester/word_accuracy")
print(metric.compute(predictions=["ab", "cd"], references=["ab", "cx"]))
"""
    )
    lines = consume(sys.executable, hub, tmp_path, program)
    assert lines[-1] == "{'word_accuracy': 0.5, 'cer': 0.25, 'ser': 0.25}"
    shown = [line.split("# ")[1] for line in snippet(hub, "tester/pairs", "dataset").splitlines() if "# " in line]
    assert lines[-3:-1] == shown
    for size in ("large", "small"):
        ours = {split: rows.to_list() for split, rows in pig_latin_pairs(size).items()}
        assert json.loads((tmp_path / f"{size}.json").read_text()) == ours


@pytest.mark.slow
def test_training_pushes_after_evaluation_with_the_run_whole_beside(published):
    hub, folder = published
    for architecture, repo_id in MODELS.items():
        assert hub.repository(repo_id).private and len(hub.history(repo_id)) == 2
        assert hub.read(repo_id, "README.md") == (folder / architecture / "README.md").read_bytes()
        assert hub.read(repo_id, "results.json") == (folder / architecture / "results.json").read_bytes()
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert not any(hub.tokens.write.encode() in path.read_bytes() for path in written)


@pytest.mark.slow
def test_a_token_that_may_not_write_is_refused_before_training(published, run_script, refused, tmp_path):
    hub, _ = published
    environment = hub.environment(token=hub.tokens.read) | {"HF_HUB_OFFLINE": "0"}
    folder = tmp_path / "run"
    done = run_script("train_translator", "--output_dir", folder, "--push_to_hub", "tester/x", environment=environment)
    assert "may only read" in refused(done) and not folder.exists()
    assert hub.tokens.read not in done.stdout + done.stderr and os.environ.get("HF_TOKEN") != hub.tokens.read


@pytest.mark.slow
def test_a_private_push_onto_a_public_model_is_refused_before_training(published, run_script, refused, tmp_path):
    hub, _ = published
    environment = hub.environment(token=hub.tokens.write) | {"HF_HUB_OFFLINE": "0"}
    options = ["--output_dir", tmp_path / "run", "--push_to_hub", ADAPTER, "--hub_private"]
    done = run_script("train_translator", *options, environment=environment)
    assert "exists and is public" in refused(done) and not (tmp_path / "run").exists()
