"""The metrics: their documented examples, the network off, one process and two, known values, and their pages."""

import contextlib
import doctest
import importlib.util
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import evaluate
import pytest
from scipy import stats

from workbench.runs.metrics import SPACES, load_metric, score_together

ROOT = Path(__file__).resolve().parents[2]
METRICS = ("word_accuracy", "glue")


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


def test_a_metric_loads_where_every_connection_fails(tmp_path):
    program = f"""
import socket, sys
def refuse(*_): raise AssertionError("it went to the network")
socket.socket.connect = socket.getaddrinfo = refuse
sys.path.insert(0, {str(ROOT / "scripts")!r})
from workbench.runs.metrics import load_metric, word_scores
print(word_scores(["ab"], ["ab"]), load_metric("glue", "cola").compute(predictions=[1, 0], references=[1, 0]))
"""
    environment = {"HF_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{'word_accuracy': 1.0, 'cer': 0.0} {'matthews_correlation': 1.0}\n"


TOGETHER = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from accelerate import PartialState
from workbench.runs.metrics import score_together
state = PartialState(cpu=True)
assert state.num_processes == 2, state.num_processes
cases = json.loads(open(sys.argv[2]).read())
for name, task, predictions, references, options in cases:
    half = len(predictions) // 3
    part = slice(0, half) if state.process_index == 0 else slice(half, None)
    scores = score_together(name, predictions[part], references[part], sys.argv[3], task, **options)
    assert (scores is None) == (state.process_index == 1)
    if scores is not None:
        print("scores", json.dumps(scores), flush=True)
"""


@pytest.mark.slow
def test_two_processes_give_the_values_of_one(tmp_path):
    words = ["eamtay", "eetstray", "ymay", "esyay", "airway", "ingkay", "eenquay"]
    right = ["eamtay", "eetstrey", "myay", "esyay", "airway", "inkay", "ueenqay"]
    numbers, classes = [0.5, 1.0, 4.0, 2.5, 3.0], [1, 0, 1, 1, 0]
    cases = [
        ("word_accuracy", None, words, right, {}),
        ("word_accuracy", None, ["a b c", "d e"], ["a c c", "d e f"], {"separator": " "}),
        ("glue", "stsb", numbers, numbers[::-1], {}),
        ("glue", "mrpc", classes, classes[::-1], {}),
    ]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "together.py").write_text(TOGETHER)
    config = ROOT / "accelerate_configs" / "multi_cpu.yaml"
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config, tmp_path / "together.py"]
    command += [ROOT / "scripts", tmp_path / "cases.json", tmp_path / "shared"]
    environment = {"HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    together = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("scores ")]
    alone = [score_together(name, ours, theirs, tmp_path, task, **more) for name, task, ours, theirs, more in cases]
    assert together == alone


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
