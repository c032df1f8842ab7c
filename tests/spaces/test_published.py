"""Spaces that went through the Hub: pushed, downloaded by the real client, and started where nothing else is."""

import json
import re
from pathlib import Path

import pytest
from gradio_client import Client
from huggingface_hub import HfApi, constants, snapshot_download
from support import loopback_hub
from support.published_runs import METRICS, write_run
from support.running_spaces import SPACES, running

from workbench.hub.packages import metric_package, model_package, space_package
from workbench.hub.push import push
from workbench.translation.decoding import text_translator
from workbench.translation.model import load_translator

hub = loopback_hub.hub
MODELS = {"MODEL_ID": "encoder-decoder", "DECODER_ONLY_MODEL_ID": "decoder-only"}
pytestmark = pytest.mark.slow


@pytest.fixture
def writer(hub, monkeypatch, tmp_path):
    """The loopback Hub, logged in with the right to write."""
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))
    monkeypatch.setenv("HF_TOKEN", hub.tokens.write)
    return hub


def through_the_hub(name: str, folder: Path, make=space_package) -> Path:
    """Pushes one of our Spaces and downloads it into an empty folder."""
    push(make(SPACES / name, f"tester/{name}"), f"tester/{name}")
    return Path(snapshot_download(f"tester/{name}", repo_type="space", local_dir=folder / name))


def started(hub, folder: Path, **variables):
    """Runs a downloaded Space with a home of its own and a token that may only read, as its secret."""
    environment = hub.environment(token=hub.tokens.read, home=folder.parent / "home")
    return running(folder, folder.parent / "log.txt", **environment, HF_HUB_OFFLINE="0", **variables)


def asked(hub, repo_id: str, name: str) -> bool:
    return any(f"{repo_id}/resolve/" in seen.path and seen.path.endswith(name) for seen in hub.exchanges)


def test_the_translator_loads_private_models_from_the_hub_and_answers(writer, tmp_path):
    references = {}
    for architecture in MODELS.values():
        run = write_run(tmp_path / architecture, architecture)
        push(model_package(run, f"tester/pig-{architecture}"), f"tester/pig-{architecture}", private=True)
        references[architecture] = next(text_translator(*load_translator(str(run))).lines(["Street, apple?"]))
    space = through_the_hub("translator", tmp_path / "fresh")
    names = {variable: f"tester/pig-{architecture}" for variable, architecture in MODELS.items()}
    with started(writer, space, **names) as served:
        code = re.search(r"print\(Client\(.*\.predict\((.*)\)\)", (space / "README.md").read_text())[1]
        assert code == '"Hello, World!", api_name="/translate"'
        answers = Client(served.url, verbose=False).predict("Street, apple?", api_name="/translate")
        assert answers.keys() == references.keys()
        for name, answer in answers.items():  # weights that learned nothing find no end, so only beginnings are equal
            assert answer["translation"][:8] == references[name][:8]
        assert served.call("attention", "apple").keys() == references.keys()
    assert all(asked(writer, repo_id, "model.safetensors") for repo_id in names.values())


def write_results(folder: Path, accuracy: float, seed: int) -> None:
    folder.mkdir(parents=True)
    metrics = {"test": {"word_accuracy": accuracy}}
    content = {"metrics": metrics, "seed": seed, "parameters": {"total": 12}, "schema": 1}
    (folder / "results.json").write_text(json.dumps(content))


def test_results_are_read_from_a_data_set_on_the_hub(writer, tmp_path):
    for seed, accuracy in enumerate((0.8, 0.9, 1.0)):
        write_results(tmp_path / "runs" / "capacity" / f"wide-seed{seed}", accuracy, seed)
    api = HfApi(token=writer.tokens.write)
    api.create_repo("tester/studies", repo_type="dataset", private=True)
    api.upload_folder(repo_id="tester/studies", repo_type="dataset", folder_path=tmp_path / "runs")
    space = through_the_hub("results", tmp_path / "fresh")
    with started(writer, space, RESULTS_REPO="tester/studies") as served:
        client = Client(served.url, verbose=False)
        (mean,) = client.predict("capacity", "test", "word_accuracy", "", api_name="/results")["means"]
    assert (mean["setting"], mean["n"]) == ("wide", 3) and mean["mean"] == pytest.approx(0.9)


def test_results_of_a_published_model_bear_its_name_and_not_a_commits(writer, tmp_path):
    push(model_package(write_run(tmp_path / "run"), "tester/pig"), "tester/pig")
    space = through_the_hub("results", tmp_path / "fresh")
    with started(writer, space, RESULTS_REPO="tester/pig") as served:
        runs = served.call("results", "all", "test", "word_accuracy", "")["runs"]
    assert [(run["study"], run["run"], run["value"]) for run in runs] == [
        ("tester/pig", "tester/pig", METRICS["test"]["word_accuracy"])
    ]


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("word_accuracy", ("ab\ncd", "ab\ncx", ""), [0.5, 0.25, 0.25]),
        ("glue", ("mrpc", "1\n0\n1\n1", "1\n0\n0\n1"), {"accuracy": 0.75, "f1": 0.8}),
    ],
)
def test_the_page_of_a_metric_works_from_the_hub(writer, tmp_path, name, inputs, expected):
    space = through_the_hub(name, tmp_path / "fresh", metric_package)
    with started(writer, space) as served:
        assert served.call("score", *inputs) == expected


def test_a_space_whose_model_is_not_there_says_so_in_one_line(writer, tmp_path):
    space = through_the_hub("translator", tmp_path / "fresh")
    with pytest.raises(AssertionError) as failed, started(writer, space, MODEL_ID="tester/none"):
        pass
    log = (tmp_path / "fresh" / "log.txt").read_text()
    assert "error: MODEL_ID: tester/none cannot be loaded" in log and "Traceback" not in log, failed
