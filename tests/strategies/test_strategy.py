"""A strategy is one object: adding one is one entry, and nothing else asks for a strategy's name."""

import ast
import json
from pathlib import Path

import pytest
import torch
from support.encoder_folders import write_encoder
from support.transfer_runs import FAST, write_task
from transformers import TrainerCallback

from workbench.classification.loading import load_classifier
from workbench.runs.results import RunResults
from workbench.strategies.arguments import StrategyArguments
from workbench.strategies.catalogue import FUSIONS, STRATEGIES, check_adapters, find_strategy
from workbench.strategies.encoders import freeze_encoder
from workbench.strategies.strategy import Strategy

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
OWN = SCRIPTS / "workbench" / "strategies"
# A study's report compares with these two by name: they are what a study is about, not what a run does.
REPORTS = {SCRIPTS / "workbench" / "classification" / "strategies_study.py"}
NAMES = {*STRATEGIES, *FUSIONS} | {strategy.prefix for strategy in STRATEGIES.values() if strategy.prefix}


def mentions_strategy(node: ast.AST) -> bool:
    """Whether an expression is `strategy`, `….strategy`, or a part of it."""
    names = [part.attr if isinstance(part, ast.Attribute) else getattr(part, "id", "") for part in ast.walk(node)]
    return "strategy" in names


def names_in_tests(tree: ast.AST) -> list[str]:
    """What a module compares a strategy's name with: text in a comparison or `startswith`, or one of the tables."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and mentions_strategy(node):
            found += [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            found += [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and part.id.isupper()]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "startswith" and mentions_strategy(node):
            found += [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            found += [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and part.id.isupper()]
    return [name for name in found if name in NAMES or (isinstance(name, str) and name.isupper())]


def test_no_name_of_a_strategy_is_tested_for_outside_the_catalogue():
    assert names_in_tests(ast.parse("if arguments.strategy == 'gradual' or strategy in FUSIONS: pass")) == [
        *("gradual", "FUSIONS")
    ]
    assert names_in_tests(ast.parse("arguments.strategy.startswith(ADAPTERS_PREFIX)")) == ["ADAPTERS_PREFIX"]
    modules = [path for path in SCRIPTS.rglob("*.py") if OWN not in path.parents and path not in REPORTS]
    found = {str(path): names_in_tests(ast.parse(path.read_text())) for path in modules}
    assert len(modules) > 40 and {path: names for path, names in found.items() if names} == {}


class Counts(TrainerCallback):
    steps = 0

    def on_step_end(self, args, state, control, **kwargs):
        Counts.steps += 1


class Loud:
    """Mixin before a Trainer."""

    made = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        Loud.made += 1


class HeadAtTwoRates(Strategy):
    """Has every hook that there is."""

    def parameter_groups(self, model, learning_rate, weight_decay):
        weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        return [{"params": [weight], "lr": learning_rate * (1 + ("bias" in name))} for name, weight in weights.items()]

    def callbacks(self, model):
        return [Counts()]

    def trainer_mixins(self):
        return (Loud,)

    def save(self, model, folder, state_dict=None):
        super().save(model, folder, state_dict)
        (Path(folder) / "saved_by.txt").write_text(self.name)

    def facts(self, model):
        return {"shares": {"rows": float(model.classifier.out_proj.weight.shape[0])}}

    def report(self, facts, folder, title):
        return [f"Of {title.split(',')[0]}: {facts['shares']['rows']:g} rows"]


@pytest.fixture
def two_rates(monkeypatch) -> Strategy:
    """A strategy of the test's own, which is one entry."""
    strategy = HeadAtTwoRates(
        "two_rates",
        "the head alone, its biases faster",
        2e-2,
        lambda model, arguments: freeze_encoder(model),
        head="linear",
        reaches_encoder=False,
        why_no_first_stage="is only a test",
        why_no_push="tests publish nothing",
    )
    monkeypatch.setitem(STRATEGIES, strategy.name, strategy)
    return strategy


def test_a_new_strategy_is_one_entry_and_trains(two_rates, tmp_path, call):
    encoder, table = write_encoder(tmp_path / "encoder"), write_task(tmp_path / "mine.csv")
    start = ["--model_name_or_path", encoder, "--train_file", table, "--strategy", "two_rates", *FAST[:4]]
    start += ["--max_length", 16, "--output_dir", tmp_path / "run"]
    code, told = call("train_classifier", *start, "--intermediate_task", "rte")
    assert code == 2 and "two_rates is only a test" in told.err
    code, told = call("train_classifier", *start, "--push_to_hub", "me/mine")
    assert code == 2 and "push_to_hub: tests publish nothing" in told.err
    code, told = call("train_classifier", *start, "--adapters", "a", "b")
    assert code == 2 and "'two_rates' none" in told.err
    code, told = call("train_classifier", "--strategy", "list")
    assert "the head alone, its biases faster" in told.out
    before = Counts.steps, Loud.made
    code, told = call("train_classifier", *start, "--gradient_checkpointing")
    assert code == 0, told.err
    results = RunResults.read(tmp_path / "run")
    assert Counts.steps > before[0] and Loud.made == before[1] + 1
    assert results.metrics["test"]["accuracy"] > 0.6 and results.parameters["trainable"] == 3 * 32 + 3
    assert results.facts["shares"] == {"rows": 3.0} and "Of mine" in told.out and ": 3 rows" in told.out
    assert results.facts["hyperparameters"]["learning_rate"] == 2e-2
    assert (tmp_path / "run" / "saved_by.txt").read_text() == "two_rates"
    loaded, _ = load_classifier(str(tmp_path / "run"))
    assert loaded.config.head == "linear"


def test_a_learned_mix_tells_its_weights(tmp_path, call):
    encoder, table = write_encoder(tmp_path / "encoder"), write_task(tmp_path / "mine.csv")
    start = ["--model_name_or_path", encoder, "--train_file", table, "--strategy", "feature_mix", *FAST]
    code, told = call("train_classifier", *start, "--output_dir", tmp_path / "run")
    assert code == 0, told.err
    weights = RunResults.read(tmp_path / "run").facts["layer_weights"]
    model, _ = load_classifier(str(tmp_path / "run"))
    assert weights == pytest.approx(torch.softmax(model.scalar_mix.scores, 0).tolist())
    assert len(weights) == 4 and sum(weights) == pytest.approx(1) and max(weights) > min(weights) + 0.01
    line = next(line for line in told.out.splitlines() if line.startswith("Layer weights: "))
    assert line.startswith(f"Layer weights: embeddings {weights[0]:.3f}, layer 1 {weights[1]:.3f}")
    assert json.loads((tmp_path / "run" / "layer_weights.json").read_text())["layer_weights"] == weights
    assert (tmp_path / "run" / "layer_weights.png").stat().st_size > 5_000


def test_only_those_that_need_it_have_a_training_of_their_own():
    own = {name for name in STRATEGIES if find_own(name, "callbacks") or find_own(name, "parameter_groups")}
    assert own == {"gradual", "peft:<method>"}
    assert find_strategy("houlsby").trainer_class(dict) is dict


def find_own(name: str, hook: str) -> bool:
    return getattr(type(STRATEGIES[name]), hook) is not getattr(Strategy, hook)


def test_adapters_are_given_to_fusions_and_to_nothing_else():
    from workbench.errors import UserError

    with pytest.raises(UserError, match="adapters: fusions combine trained adapters, 'full' none"):
        check_adapters(StrategyArguments(strategy="full", adapters=["a", "b"]))
    with pytest.raises(UserError, match="fusion combines two or more trained adapters, got 1"):
        check_adapters(StrategyArguments(strategy="fusion", adapters=["a"]))
    check_adapters(StrategyArguments(strategy="fusion", adapters=["a", "b"]))
