"""The metrics, ours and their `evaluate` modules: known values, the same ones on both sides, examples and pages."""

import contextlib
import doctest
import importlib.util
import io
import math
import random
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import evaluate
import pytest
from scipy import stats
from support.running_spaces import SPACES

from workbench.runs.metrics import label_scores, word_scores

ROOT = Path(__file__).resolve().parents[2]
METRICS = ("word_accuracy", "glue")
# Where GLUE's module spells a score otherwise than we do.
OURS = {"spearmanr": "spearman"}


def load_metric(name: str, task: str | None = None) -> evaluate.Metric:
    return evaluate.load(str(SPACES / name / f"{name}.py"), task)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "task", ["cola", "stsb", "mrpc", "qqp", "sst2", "mnli", "mnli_matched", "mnli_mismatched", "qnli", "rte", "wnli"]
)
def test_the_module_of_glue_gives_the_scores_of_training(task, seed):
    chance = random.Random(seed)
    draw = {"stsb": lambda: chance.uniform(0, 5), "mnli": lambda: chance.randrange(3)}
    answers, right = ([draw.get(task.split("_")[0], lambda: chance.randrange(2))() for _ in range(40)] for _ in "ab")
    theirs = load_metric("glue", task).compute(predictions=answers, references=right)
    ours = label_scores(tuple(OURS.get(name, name) for name in theirs), answers, right)
    assert list(ours.values()) == pytest.approx(list(theirs.values()), rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_module_of_word_accuracy_gives_the_scores_of_training(seed):
    chance = random.Random(seed)
    right = ["".join(chance.choices("abcé ", k=chance.randint(1, 9))) for _ in range(40)]
    written = [word if chance.random() < 0.5 else word.replace("a", "bc") for word in right]
    theirs = load_metric("word_accuracy").compute(predictions=written, references=right)
    ours = word_scores(written, right)
    assert ours == {name: theirs[name] for name in ours}


def test_the_same_answer_to_everything_correlates_with_nothing():
    with pytest.warns(stats.ConstantInputWarning):
        assert label_scores(("pearson", "spearman"), [1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == {"pearson": 0, "spearman": 0}


def test_macro_f1_is_the_plain_mean_of_the_classes():
    assert label_scores(("macro_f1",), [0, 0, 1, 2], [0, 1, 1, 1])["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 3)


@pytest.mark.parametrize("name", METRICS)
def test_the_examples_of_the_docstring_give_what_they_show(name):
    text = load_metric(name, "cola" if name == "glue" else None).inputs_description
    short = SimpleNamespace(load=lambda name, task=None: evaluate.load(str(SPACES / name / f"{name}.py"), task))
    example = doctest.DocTestParser().get_doctest(text, {"evaluate": short}, name, None, 0)
    assert len(example.examples) >= 3
    assert doctest.DocTestRunner().run(example).failed == 0


@pytest.mark.parametrize("name", METRICS)
def test_the_readme_shows_the_same_values_as_the_metric(name):
    code = (SPACES / name / "README.md").read_text().split("```python\n")[1].split("```")[0]
    code = code.replace(f'"OWNER/{name}"', repr(str(SPACES / name / f"{name}.py")))
    shown = code.split("# {")[1].split("}")[0]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue().strip() == "{" + shown + "}"


def test_rates_are_ratios_over_the_corpus_not_means_of_words():
    scores = load_metric("word_accuracy").compute(predictions=["a", "bbbb"], references=["x", "bbbb"])
    assert scores["cer"] == pytest.approx(1 / 5)
    assert scores["word_accuracy"] == 0.5
    worse = load_metric("word_accuracy").compute(predictions=["abcdef"], references=["ab"])
    assert worse["cer"] == 2.0


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        # hand-counted: TP 2, TN 1, FP 1, FN 1
        ("cola", {"matthews_correlation": (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)}),
        ("mrpc", {"accuracy": 3 / 5, "f1": 4 / 6}),
        ("qqp", {"accuracy": 3 / 5, "f1": 4 / 6}),
        *((task, {"accuracy": 3 / 5}) for task in ("sst2", "mnli", "qnli", "rte", "wnli", "mnli_matched")),
    ],
)
def test_each_glue_task_has_its_own_metrics(task, expected):
    scores = load_metric("glue", task).compute(predictions=[1, 1, 1, 0, 0], references=[1, 1, 0, 1, 0])
    assert scores == pytest.approx(expected)


def test_similarities_keep_their_fractions():
    written, right = [0.0, 1.25, 3.5, 2.0], [0.5, 1.0, 2.5, 5.0]
    scores = load_metric("glue", "stsb").compute(predictions=written, references=right)
    assert scores["pearson"] == pytest.approx(stats.pearsonr(written, right).statistic)
    assert scores["spearmanr"] == pytest.approx(0.8)


def test_an_unknown_glue_task_is_named():
    with pytest.raises(KeyError, match="no task 'colla'"):
        load_metric("glue", "colla")


def test_scores_of_training_need_neither_the_network_nor_evaluate(tmp_path):
    program = f"""
import socket, sys
def refuse(*_): raise AssertionError("it went to the network")
socket.socket.connect = socket.getaddrinfo = refuse
sys.modules["evaluate"] = None
sys.path.insert(0, {str(ROOT / "scripts")!r})
from workbench.runs.metrics import label_scores, word_scores
names = ("accuracy", "f1", "macro_f1", "matthews_correlation", "pearson", "spearman")
scores = label_scores(names, [1, 0], [1, 0])
print(word_scores(["ab"], ["ab"]), len(scores), round(sum(scores.values()), 4))
"""
    environment = {"HF_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'word_accuracy': 1.0, 'cer': 0.0} 6 6.0\n"


def test_a_metric_loads_where_every_connection_fails(monkeypatch):
    def refuse(*_):
        raise AssertionError("it went to the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert load_metric("glue", "cola").compute(predictions=[1, 0], references=[1, 0]) == {"matthews_correlation": 1.0}


@pytest.fixture(scope="module")
def page():
    """Imports the page of a metric."""

    def load(name: str):
        spec = importlib.util.spec_from_file_location(f"{name}_page", SPACES / name / "app.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        ("word_accuracy", ("ab\ncd", "ab\ncx", ""), (0.5, 0.25, 0.25)),
        ("glue", ("mrpc", "1\n0\n1\n1", "1\n0\n0\n1"), {"accuracy": 0.75, "f1": 0.8}),
    ],
)
def test_the_page_of_a_metric_answers_over_its_named_endpoint(page, name, inputs, expected):
    from gradio_client import Client

    app = page(name).build()
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        assert Client(url, verbose=False).predict(*inputs, api_name="/score") == expected
    finally:
        app.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "inputs", "says"),
    [
        ("word_accuracy", ("a\nb", "a", ""), "2 written lines, but 1 right"),
        ("word_accuracy", ("", "", ""), "at least one"),
        ("word_accuracy", ("a" * 1_000_001, "a", ""), "1,000,000"),
        ("glue", ("mrpc", "1\nx", "1\n0"), "whole numbers"),
        ("glue", ("nope", "1", "1"), "Choose one"),
        ("glue", ("stsb", "1\n2", "1"), "as many of each"),
    ],
)
def test_bad_input_is_told_to_the_person(page, name, inputs, says):
    with pytest.raises(Exception, match=says):
        page(name).score(*inputs)
