"""Repositories of strangers: nothing of theirs runs, none loads that should not, and each refusal is one line."""

from pathlib import Path

import pytest
from borders.repositories import Case
from borders.repositories.case import code, edit
from borders.trials import READERS, attempt, trials, write_valid_folders
from support.forking import Forks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def forks(root):
    forks = Forks(root / "home")
    write_valid_folders(forks, root)
    yield forks
    forks.close()


def name_of(trial) -> str:
    case, target = trial
    return f"{case.kind}-{case.name}-{case.base}-{target}".replace(" ", "_")


@pytest.mark.parametrize("trial", trials(), ids=name_of)
def test_a_hostile_repository_is_refused_in_one_line_or_is_harmless(forks, root, trial):
    outcome, faults = attempt(forks, root, *trial)
    assert not faults, (outcome.stderr[-2000:], outcome.stdout[-500:])


VALID = [(base, target) for base in READERS for target in READERS[base]]
VALID += [("bottleneck", "ablate_adapters"), ("classifier", "compare"), ("classifier", "publish"), ("lora", "publish")]


@pytest.mark.parametrize(("base", "target"), VALID)
def test_the_same_folder_without_the_stranger_loads(forks, root, base, target):
    unchanged = Case("unchanged", "valid", base, lambda folder: None, True, ())
    outcome, faults = attempt(forks, root, unchanged, target)
    assert outcome.code == 0 and not faults, outcome.stderr


def own_code(folder: Path) -> None:
    code(folder / "evil.py", "\nfrom transformers import BertConfig as C, BertForSequenceClassification as M\n")
    edit(folder / "config.json", auto_map={"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.M"})


def test_the_trace_is_left_where_the_code_was_asked_for(forks, root):
    """Else no test above would see a payload."""
    case = Case("own code", "control", "classifier", own_code, True, ())
    _, faults = attempt(forks, root, case, "classify", "--trust_remote_code")
    assert faults == ["payload: ['code']"]
