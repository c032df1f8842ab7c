"""`publish.py` as a person runs it: what is pushed, what is only shown, and mistakes in one line."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi, constants
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from support import loopback_hub
from support.published_runs import FACTS, tiny_model, write_run

from workbench.errors import UserError, run_main
from workbench.hub.cards import read_runs
from workbench.hub.packages import model_package, read_front_matter
from workbench.hub.push import PushArguments, publish_run

hub = loopback_hub.hub
ROOT = Path(__file__).resolve().parents[2]
REPO = "tester/pig"
MODEL_FILES = {
    "README.md",
    "config.json",
    "configuration_piglatin.py",
    "curves.json",
    "curves.png",
    "generation_config.json",
    "layers_piglatin.py",
    "model.safetensors",
    "modeling_piglatin.py",
    "results.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture
def publish(monkeypatch, capsys, tmp_path):
    """Runs publish.py in this process; returns its exit code and what it printed."""
    import publish as script

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))

    def run(*arguments, token: str | None = None):
        monkeypatch.setattr(sys, "argv", ["publish.py", *map(str, arguments)])
        monkeypatch.setenv("HF_TOKEN", token or "")
        code = 0
        try:
            run_main(script.main)
        except SystemExit as exit_:
            code = exit_.code
        printed = capsys.readouterr()
        assert not token or token not in printed.out + printed.err
        return code, printed

    return run


@pytest.fixture
def run_folder(tmp_path) -> Path:
    return write_run(tmp_path / "run")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_line(code: int, printed, says: str) -> None:
    assert code == 2 and printed.err.startswith("error: ") and printed.err.count("\n") == 1, printed.err
    assert says in printed.err, printed.err


def test_a_model_repository_has_what_its_users_need_and_nothing_else(hub, publish, run_folder):
    code, printed = publish("model", run_folder, REPO, token=hub.tokens.write)
    assert code == 0 and f"{hub.url}/{REPO}" in printed.out
    files = set(hub.files(REPO)) - {".gitattributes", "special_tokens_map.json"}
    assert files == MODEL_FILES
    assert len(hub.history(REPO)) == 2
    for name in MODEL_FILES - {"README.md", "tokenizer_config.json"}:
        assert hub.read(REPO, name) == (run_folder / name).read_bytes(), name
    tokenizer = json.loads(hub.read(REPO, "tokenizer_config.json"))
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert tokenizer["additional_special_tokens"] == ["<eop>"]
    everything = b"".join(hub.read(REPO, name) for name in hub.files(REPO))
    assert str(run_folder.parent).encode() not in everything and hub.tokens.write.encode() not in everything


def test_the_same_command_again_pushes_nothing_and_a_changed_run_replaces_it(hub, publish, run_folder):
    for _ in range(2):
        assert publish("model", run_folder, REPO, token=hub.tokens.write)[0] == 0
    assert len(hub.history(REPO)) == 2
    (run_folder / "curves.png").unlink()
    (run_folder / "attention.png").write_bytes(b"\x89PNG")
    assert publish("model", run_folder, REPO, token=hub.tokens.write)[0] == 0
    files = hub.files(REPO)
    assert "attention.png" in files and "curves.png" not in files and "curves.json" not in files
    assert len(hub.history(REPO)) == 3


def test_a_dry_run_shows_every_file_and_the_card_and_touches_nothing(hub, publish, run_folder):
    before = contents(run_folder)
    code, printed = publish("model", run_folder, REPO, "--dry_run", "--private", "--revision", "next")
    assert code == 0 and "private" in printed.out and "branch next" in printed.out
    for name in MODEL_FILES - {"README.md", "tokenizer_config.json"}:
        assert f"{(run_folder / name).stat().st_size:12,}  {name}\n" in printed.out
    card = printed.out.split("README.md:\n")[1]
    assert card.startswith("---\nlicense: apache-2.0\n") and "## How to cite" in card
    assert contents(run_folder) == before
    assert not hub.exchanges and not hub.state.repositories


def test_a_private_branch(hub, publish, run_folder):
    code, _ = publish("model", run_folder, REPO, "--private", "--revision", "next", token=hub.tokens.write)
    assert code == 0 and hub.repository(REPO).private
    assert hub.files(REPO) == [".gitattributes"] and "model.safetensors" in hub.files(REPO, "next")


def test_runs_with_other_seeds_give_the_card_a_deviation_and_travel_with_it(hub, publish, run_folder, tmp_path):
    others = []
    for seed, accuracy in ((1, 0.5), (2, 1.0)):
        metrics = {"test": {"word_accuracy": accuracy, "cer": 0.125}}
        others.append(write_run(tmp_path / f"seed{seed}", seed=seed, metrics=metrics))
    _results(metrics={"test": {"word_accuracy": 0.75, "cer": 0.125}})(run_folder)
    code, printed = publish("model", run_folder, REPO, "--seed_runs", *others, token=hub.tokens.write)
    assert code == 0, printed.err
    card = hub.read(REPO, "README.md").decode()
    assert "| test | 4 | word accuracy | 0.75 ± 0.25 (n = 3 seeds) |" in card
    assert {"seeds/results-1.json", "seeds/results-2.json"} <= set(hub.files(REPO))
    one_line(*publish("model", run_folder, REPO, "--seed_runs", others[0], "--dry_run"), "give at least 2 with")
    same = [others[0], others[0]]
    one_line(*publish("model", run_folder, REPO, "--seed_runs", *same, "--dry_run"), "needs a seed of its own")
    assert len(read_runs([run_folder])) == 1


def test_a_run_that_was_never_validated_says_that_its_last_weights_are_published(publish, tmp_path):
    folder = write_run(tmp_path / "unvalidated", facts={**FACTS, "best_step": None})
    code, printed = publish("model", folder, REPO, "--dry_run")
    assert code == 0 and "the weights are those of the last step." in printed.out


def _drop(name):
    return lambda folder: (folder / name).unlink()


def _results(**changes):
    def change(folder):
        path = folder / "results.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _stray_import(folder):
    path = folder / "layers_piglatin.py"
    path.write_text(path.read_text() + "\nimport numpy\n")


def _truncate(folder):
    (folder / "config.json").write_text('{"model_type": ')


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_drop("model.safetensors"), "no weights (model.safetensors)"),
        (_drop("results.json"), "results.json: no such file"),
        (_drop("layers_piglatin.py"), "import"),
        (_drop("modeling_piglatin.py"), "modeling_piglatin.py is missing"),
        (_stray_import, "import numpy: this import does not travel"),
        (_truncate, "config.json: cannot be read"),
        (_results(metrics={"test": {"word_accuracy": 0.5}}), "no metrics.test.cer"),
        (_results(metrics={"validation": {"loss": 1}}), "no metrics.test.word_accuracy"),
        (
            _results(metrics={"test": {"word_accuracy": None, "cer": 0.1}}),
            "metrics.test.word_accuracy: input should be a valid number",
        ),
        (
            _results(metrics={"test": {"word_accuracy": float("nan"), "cer": 0.1}}),
            "metrics.test.word_accuracy: a number that is not finite",
        ),
        (_results(schema=99), "schema 99 is newer"),
    ],
)
def test_a_run_that_is_not_whole_is_one_line_and_no_repository(hub, publish, run_folder, change, says):
    change(run_folder)
    one_line(*publish("model", run_folder, REPO, token=hub.tokens.write), says)
    assert not hub.state.repositories


@pytest.mark.parametrize("part", ["decoder.", "encoder.layers.0.", "norm"])
def test_weights_that_would_be_random_for_others_are_not_published(publish, run_folder, part):
    tensors = load_file(run_folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if part not in name}
    save_file(kept, run_folder / "model.safetensors", {"format": "pt"})
    one_line(*publish("model", run_folder, REPO, "--dry_run"), f"the weights lack {len(tensors) - len(kept)} tensors")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("modell", "x", REPO), "did you mean 'model'?"),
        (("model", "nowhere", REPO), "nowhere: no such folder"),
        (("model", "nowhere", "pig"), "give OWNER/NAME"),
        (("dataset", "pigs", REPO), "unknown data set 'pigs'"),
        (("dataset", "pig_latin", REPO, "--base_model", "a/b"), "--base_model is for adapter"),
        (("model", "nowhere", REPO, "--revision", "0" * 40), "a commit cannot be changed"),
        (("model",), "required: SOURCE, REPO_ID"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(publish, arguments, says):
    one_line(*publish(*arguments, "--dry_run"), says)


@pytest.mark.parametrize(
    ("kind", "says"), [("read", "may only read"), ("expired", "has expired"), ("stranger", "may not write there")]
)
def test_a_token_without_the_right_is_one_line(hub, publish, run_folder, kind, says):
    one_line(*publish("model", run_folder, REPO, token=getattr(hub.tokens, kind)), says)
    assert not hub.state.repositories


def test_what_to_run_after_a_failed_private_push_keeps_it_private(hub, run_folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.tokens.read)
    arguments = PushArguments(push_to_hub=REPO, hub_private=True)
    with pytest.raises(UserError, match=f"publish.py model {run_folder} {REPO} --private$"):
        publish_run(model_package(run_folder, REPO), arguments, run_folder)


def test_no_login_and_no_network_are_one_line_each(publish, run_folder, monkeypatch):
    one_line(*publish("model", run_folder, REPO), "hf auth login")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    one_line(*publish("model", run_folder, REPO, token="hf_x"), "no connection to the Hub")


# Adapters


@pytest.fixture
def adapter(tmp_path) -> Path:
    """A LoRA adapter of a tiny model that lies in a folder of this machine."""
    model, _ = tiny_model()
    model.save_pretrained(tmp_path / "base")
    config = LoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_2_SEQ_LM", init_lora_weights=False)
    wrapped = get_peft_model(type(model).from_pretrained(tmp_path / "base"), config)
    wrapped.peft_config["default"].base_model_name_or_path = str(tmp_path / "base")
    wrapped.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_an_adapter_names_its_base_on_the_hub_its_method_and_its_share(hub, publish, adapter):
    code, printed = publish("adapter", adapter, REPO, "--base_model", "tester/base", token=hub.tokens.write)
    assert code == 0, printed.err
    assert hub.files(REPO) == [".gitattributes", "README.md", "adapter_config.json", "adapter_model.safetensors"]
    config = json.loads(hub.read(REPO, "adapter_config.json"))
    assert config["base_model_name_or_path"] == "tester/base"
    card = hub.read(REPO, "README.md").decode()
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["base_model"] == "tester/base" and metadata["library_name"] == "peft"
    model, _ = tiny_model()
    total = sum(parameter.numel() for parameter in model.parameters())
    # one rank-2 pair for query and value in each of three attentions, 16 wide
    ours = 3 * 2 * 2 * (16 + 16)
    assert f"Parameters of the adapter: {ours:,}" in card
    assert f"Trainable share: {100 * ours / (total + ours):.4g} %" in card
    assert "no score is claimed" in card and str(adapter.parent) not in card + json.dumps(config)


def test_an_adapter_of_a_local_model_needs_a_name_that_others_can_load(publish, adapter):
    one_line(*publish("adapter", adapter, REPO, "--dry_run"), "--base_model")
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    one_line(*publish("adapter", adapter, REPO, "--base_model", "a/b", "--dry_run"), "as safetensors")
    (adapter / "adapter_config.json").unlink()
    one_line(*publish("adapter", adapter, REPO, "--dry_run"), "this is no PEFT adapter")


def test_a_base_model_that_is_not_on_the_hub_is_named(hub, publish, adapter):
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "tester/none"}))
    one_line(*publish("adapter", adapter, REPO, token=hub.tokens.write), "base model tester/none: the Hub has no such")


def test_an_adapter_is_no_model_and_a_model_no_adapter(publish, adapter, run_folder):
    one_line(*publish("model", adapter, REPO, "--dry_run"), "publish.py adapter publishes it")
    one_line(*publish("adapter", run_folder, REPO, "--dry_run"), "publish.py model publishes it")
    one_line(*publish("model", run_folder.parent, REPO, "--dry_run"), "a folder of runs, not one of them: name /")


def test_a_base_model_of_another_kind_is_refused(hub, publish, adapter):
    api, config = HfApi(endpoint=hub.url, token=hub.tokens.write), adapter.parent / "base" / "config.json"
    for name, width in (("tester/same", 16), ("tester/wider", 32)):
        api.create_repo(name)
        content = json.dumps({**json.loads(config.read_text()), "hidden_size": width})
        api.upload_file(path_or_fileobj=content.encode(), path_in_repo="config.json", repo_id=name)
    token = hub.tokens.write
    one_line(*publish("adapter", adapter, REPO, "--base_model", "tester/wider", token=token), "its hidden_size is 32")
    assert publish("adapter", adapter, REPO, "--base_model", "tester/same", token=token)[0] == 0


# Spaces and metrics


FRONT = "---\ntitle: Demo\nsdk: gradio\nsdk_version: 6.17.3\napp_file: app.py\n"


@pytest.fixture
def space(tmp_path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    front = {"title": "Demo", "sdk": "gradio", "sdk_version": "6.17.3", "app_file": "app.py"}
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(front)}---\n# Demo\n")
    (folder / "app.py").write_text("print(1)\n")
    (folder / "requirements.txt").write_text("gradio==6.17.3\n")
    (folder / ".env").write_text("HF_TOKEN=secret\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").write_text("x")
    return folder


def test_a_space_is_pushed_as_it_is_without_what_is_hidden(hub, publish, space):
    assert publish("space", space, "tester/demo", token=hub.tokens.write)[0] == 0
    assert hub.files("tester/demo", repo_type="space") == [".gitattributes", "README.md", "app.py", "requirements.txt"]
    assert hub.repository("tester/demo", "space").kind == "space"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("requirements.txt", "gradio==6.17.2\n", "sdk_version is 6.17.3, but requirements.txt pins gradio==6.17.2"),
        ("requirements.txt", "gradio>=6\n", "does not pin gradio"),
        ("requirements.txt", None, "no requirements.txt"),
        ("app.py", None, "no app.py"),
        ("README.md", "# Demo\n", "no front matter"),
        ("README.md", "---\ntitle: Demo\nsdk: gradio\nsdk_version: 6.1\napp_file: app.py\n---\n", "no text for 'sdk"),
        ("README.md", "---\ntitle: [\n---\n", "no YAML"),
        ("README.md", FRONT + "python_version: 3.10\n---\n", "write python_version in quotes"),
    ],
)
def test_a_space_that_the_hub_could_not_start_is_refused(publish, space, name, content, says):
    (space / name).unlink()
    if content is not None:
        (space / name).write_text(content)
    one_line(*publish("space", space, "tester/demo", "--dry_run"), says)


def test_a_metric_is_named_like_its_module(hub, publish):
    folder = ROOT / "spaces" / "word_accuracy"
    one_line(*publish("metric", folder, "tester/accuracy", "--dry_run"), "no accuracy.py")
    assert publish("metric", folder, "tester/word_accuracy", token=hub.tokens.write)[0] == 0
    pushed = hub.files("tester/word_accuracy", repo_type="space")
    assert pushed == [".gitattributes", "README.md", "app.py", "requirements.txt", "word_accuracy.py"]


@pytest.mark.parametrize("folder", sorted((ROOT / "spaces").glob("*/*.py")), ids=lambda path: path.stem)
def test_every_metric_of_ours_can_be_published(publish, folder):
    if folder.stem == folder.parent.name:
        assert publish("metric", folder.parent, f"tester/{folder.stem}", "--dry_run")[0] == 0
        assert read_front_matter(folder.parent / "README.md")["license"] == "apache-2.0"
