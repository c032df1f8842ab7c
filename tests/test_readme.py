"""README's commands for the Hub, run as a newcomer copies them: in order, against a Hub on this machine."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support import loopback_hub
from support.published_runs import write_adapter

hub = loopback_hub.hub
ROOT = Path(__file__).resolve().parents[1]
TINY = "--dataset_size small --max_steps 20 --eval_strategy no --save_strategy no".split()
TINY += "--load_best_model_at_end False --hidden_size 16 --num_attention_heads 2".split()
TINY += "--intermediate_size 16 --encoder_layers 1 --decoder_layers 1".split()
WITHOUT_IGPAY = "import sys\nsys.modules.update(custom_models=None, workbench=None)\n"
pytestmark = pytest.mark.slow


def section(title: str, language: str) -> list[str]:
    """The code blocks of one section of the README."""
    text = (ROOT / "README.md").read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(title: str) -> list[list[str]]:
    lines = [line[2:] for block in section(title, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line.replace("you/", "tester/"), comments=True) for line in lines]


class Newcomer:
    """Somebody with a clone, a login, and nothing else; `do` runs a command and returns what it printed."""

    def __init__(self, hub, folder: Path):
        self.hub, self.folder = hub, folder
        for name in ("scripts", "spaces", "accelerate_configs"):
            (folder / name).symlink_to(ROOT / name)

    def do(self, *command: str) -> str:
        programs = {"python": [sys.executable], "hf": [str(Path(sys.executable).with_name("hf"))]}
        programs["make"] = ["make", "--dry-run", "--old-file", ".venv/.ready", "-C", str(ROOT)]
        extra = ["--token", self.hub.tokens.write] if command[:3] == ("hf", "auth", "login") else []
        extra = TINY if "scripts/train_translator.py" in command else extra
        environment = self.hub.environment(home=self.folder / "home") | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*programs[command[0]], *command[1:], *extra],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def newcomer(hub, tmp_path):
    """A newcomer after `make demo`, with an adapter."""
    someone = Newcomer(hub, tmp_path)
    someone.do("python", "scripts/train_translator.py", "--output_dir", "runs/demo")
    write_adapter(tmp_path / "runs" / "demo", tmp_path / "runs" / "lora")
    return someone


def test_the_readmes_commands_publish_and_what_they_published_can_be_used(newcomer, hub):
    printed = {shlex.join(command): newcomer.do(*command) for command in commands("Publish")}
    assert len(printed) == 14 and all(
        "space NAME" not in command or "app.py" in printed[command] for command in printed
    )
    kinds = {repo_id: kind for kind, repo_id in hub.state.repositories}
    models = {"tester/pig-latin": "model", "tester/pig-lora": "model", "tester/my-words": "model"}
    data = {"tester/pig-latin-pairs": "dataset", "tester/pig-studies": "dataset"}
    names = ("word_accuracy", "pig-translator", "pig-results", "my-classifier")
    pages = {f"tester/{name}": "space" for name in names}
    assert kinds == models | data | pages
    assert hub.repository("tester/my-words").private and not hub.repository("tester/pig-latin").private
    assert {"demo/results.json"} <= set(hub.files("tester/pig-studies", repo_type="dataset"))
    assert set(hub.files("tester/pig-translator", repo_type="space")) >= {"app.py", "cards.py", "translation.py"}

    for code in section("Use from the Hub", "python"):
        assert newcomer.do("python", "-c", WITHOUT_IGPAY + code.replace("you/", "tester/")).strip()
    ((*translate, text),) = commands("Use from the Hub")
    translated = newcomer.do(*translate, text)
    assert len(translated.split()) == len(text.split()) and translated.strip().endswith("!")
    assert "HF_TOKEN" not in os.environ
