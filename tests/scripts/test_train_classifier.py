"""train_classifier, classify, ablate_adapters and study_strategies as a person runs them, on tiny encoders."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support.encoder_folders import write_encoder

from workbench.classification.loading import load_classifier
from workbench.classification.predict import predict_logits
from workbench.data.examples import text_key
from workbench.errors import UserError
from workbench.runs.predictions import example_ids, read_predictions
from workbench.runs.results import RunResults
from workbench.strategies import ablation

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("bad", "fine", "good")
FAST = ["--num_train_epochs", 8, "--train_batch_size", 16, "--learning_rate", 1e-2, "--max_length", 16]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return write_encoder(tmp_path_factory.mktemp("encoder"), hidden_dropout_prob=0.1)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Three classes, each with words of its own: w2 to w9, w10 to w17, w18 to w25."""
    draw = random.Random(0)
    rows = [
        (" ".join(f"w{2 + 8 * place + draw.randrange(8)}" for _ in range(4 + number % 3)), label)
        for number in range(80)
        for place, label in enumerate(LABELS)
    ]
    path = tmp_path_factory.mktemp("table") / "mine.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in dict(rows).items()))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory, table, encoder) -> dict[str, Path]:
    """A finished run per strategy."""
    folders = {}
    for strategy in ("full", "houlsby"):
        folders[strategy] = tmp_path_factory.mktemp("runs") / strategy
        arguments = ["--train_file", table, "--model_name_or_path", encoder, "--strategy", strategy, *FAST]
        done = script("train_classifier", *arguments, "--output_dir", folders[strategy], "--predict", table)
        assert done.returncode == 0, done.stderr
        (folders[strategy] / "stdout.txt").write_text(done.stdout)
    return folders


def script(name: str, *arguments, stdin: str | None = None, launcher=(sys.executable,), **environment):
    command = [*launcher, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    import os

    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, input=stdin, text=True, capture_output=True, env=environment, cwd=ROOT, timeout=600)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["full", "houlsby"])
def test_a_file_becomes_a_classifier_that_has_learned_it(trained, strategy):
    folder, told = trained[strategy], (trained[strategy] / "stdout.txt").read_text()
    results = RunResults.read(folder)
    assert results.metrics["test"]["accuracy"] >= 0.9
    assert results.metrics["test"].keys() == {"loss", "accuracy", "macro_f1"} == results.metrics["validation"].keys()
    assert sum(results.splits.values()) == len((folder / "predictions.tsv").read_text().splitlines()) - 1
    assert (results.parameters["trainable"] < results.parameters["total"]) == (strategy == "houlsby")
    assert results.seconds["epoch"] <= results.seconds["train"] and results.facts["peak_memory_mib"] > 100
    assert "'text'" in told or "text column" in told or "column text" in told
    for name in ("curves.png", "confusion.png", "test_predictions.tsv", "README.md", "config.yaml"):
        assert (folder / name).stat().st_size > 100, name
    assert told.rstrip().endswith(str(folder))
    for split, kept in read_predictions(folder).items():
        rows = [line.split("\t") for line in (folder / f"{split}_predictions.tsv").read_text().splitlines()[1:]]
        assert kept.ids == example_ids(text_key(row[0]) for row in rows)
        assert kept.labels == [row[1] for row in rows] and kept.predictions == [row[2] for row in rows]
        shown = [[f"{share:.4f}" for share in shares] for shares in kept.probabilities]
        assert shown == [row[3:] for row in rows]
        majority = max(kept.labels.count(label) for label in LABELS) / len(kept.labels)
        assert results.facts["majority"][split]["accuracy"] <= majority


@pytest.mark.slow
def test_what_was_saved_answers_as_the_run_did(trained):
    model, tokenizer = load_classifier(str(trained["houlsby"]))
    rows = [line.split("\t") for line in (trained["houlsby"] / "test_predictions.tsv").read_text().splitlines()[1:]]
    logits = predict_logits(model, tokenizer, [{"text": row[0]} for row in rows], 16)
    shares = torch.from_numpy(logits).softmax(-1)
    for row, given in zip(rows, shares.tolist(), strict=True):
        assert [float(share) for share in row[3:]] == pytest.approx(given, abs=1e-4)
        assert row[2] == LABELS[given.index(max(given))]


@pytest.mark.slow
def test_runs_are_compared_text_by_text(trained):
    one = script("classify", trained["full"], "w2 w3 w4")
    assert one.returncode == 0 and one.stdout.split()[0] == "bad"
    assert len(one.stdout.splitlines()) == 3
    both = script(
        "classify", trained["full"], "--compare", trained["houlsby"], stdin="w2 w3 w4 w5\n\nw19 w20 w21 w22\n"
    )
    header, *rows = [line.split("\t") for line in both.stdout.splitlines()]
    assert header == ["text", str(trained["full"]), str(trained["houlsby"]), "differ"]
    assert [row[1].split()[0] for row in rows] == ["bad", "good"]
    assert "agree on 2 of 2 texts (100.0%)" in both.stderr


@pytest.mark.slow
def test_the_ablation_by_shared_states_is_the_naive_one_and_cheaper(trained):
    model, tokenizer = load_classifier(str(trained["houlsby"]))
    layers = ablation.adapted_layers(model)
    batch = dict(tokenizer(["w2 w3", "w20 w21 w22"], return_tensors="pt", padding=True))
    calls = []
    hooks = [layer.register_forward_hook(lambda *_: calls.append(1)) for layer in layers]
    naive = ablation.span_logits_naively(model, layers, batch)
    hooks and [hook.remove() for hook in hooks]
    shared = ablation.span_logits(model, layers, batch)
    assert shared.keys() == naive.keys() and len(shared) == 1 + len(layers) * (len(layers) + 1) // 2
    for span, logits in naive.items():
        assert torch.from_numpy(logits).equal(torch.from_numpy(shared[span])), span
    assert not torch.from_numpy(shared[None]).equal(torch.from_numpy(shared[0, 0]))
    # Nothing of it stays behind.
    again = model(**batch).logits.detach()
    assert torch.from_numpy(shared[None]).equal(again)


@pytest.mark.slow
def test_an_ablation_ends_in_a_heatmap_with_its_numbers(trained, refused):
    done = script("ablate_adapters", trained["houlsby"], "--naive")
    assert done.returncode == 0, done.stderr
    told = json.loads((trained["houlsby"] / "ablation.json").read_text())
    assert len(told["spans"]) == 6 and "7 of 7 scores are equal" in done.stdout
    for span in told["spans"]:
        assert span["change"] == pytest.approx((span["accuracy"] - told["whole"]) / told["whole"])
    assert (trained["houlsby"] / "ablation.png").stat().st_size > 10_000
    assert "no bottleneck adapters" in refused(script("ablate_adapters", trained["full"]))
    inputs = trained["houlsby"] / "inputs.json"
    before = inputs.read_text()
    inputs.write_text(json.dumps(json.loads(before) | {"train_file": "of other labels"}))
    said = refused(script("ablate_adapters", trained["houlsby"]))
    assert "train_file is not what this run was trained with" in said
    inputs.write_text(before)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "weighted"), [("full", "true"), ("houlsby", "false")])
def test_two_processes_score_as_one(tmp_path, table, strategy, weighted):
    # Without dropout, which each process draws for itself.
    encoder, scores = write_encoder(tmp_path / "encoder"), []
    arguments = ["--train_file", table, "--model_name_or_path", encoder, "--strategy", strategy, *FAST]
    arguments += ["--classifier_dropout", 0, "--num_train_epochs", 2, "--learning_rate", 1e-3]
    for launcher in ((sys.executable,), ("torchrun", "--standalone", "--nproc_per_node", "2")):
        folder = tmp_path / str(len(scores))
        paths = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "ACCELERATE_USE_CPU": "true"}
        run = [*arguments, "--class_weights", weighted, "--output_dir", folder]
        done = script("train_classifier", *run, launcher=launcher, **paths)
        assert done.returncode == 0, done.stderr
        scores.append(RunResults.read(folder).metrics)
    for split in ("validation", "test"):
        assert scores[1][split] == pytest.approx(scores[0][split], rel=1e-5), split


@pytest.mark.slow
def test_a_run_with_results_has_its_answers(tmp_path, table, encoder, call, monkeypatch):
    """A study takes a run that has results.json for finished: whatever else it reads must be there before."""
    monkeypatch.setattr(RunResults, "write", lambda self, folder: (_ for _ in ()).throw(UserError("killed here")))
    arguments = ["--train_file", table, "--model_name_or_path", encoder, *FAST, "--max_steps", 10]
    code, told = call("train_classifier", *arguments, "--output_dir", tmp_path / "run")
    assert code == 2 and "killed here" in told.err
    assert read_predictions(tmp_path / "run").keys() == {"validation", "test"}


@pytest.mark.slow
def test_evaluation_by_steps_keeps_the_best_weights_and_goes_on(tmp_path, table, encoder, call):
    arguments = ["--train_file", table, "--model_name_or_path", encoder, *FAST, "--eval_strategy", "steps"]
    arguments += ["--eval_steps", 7, "--output_dir", tmp_path / "run"]
    code, told = call("train_classifier", *arguments)
    assert code == 0, told.err
    facts = RunResults.read(tmp_path / "run").facts
    steps = [entry["step"] for entry in facts["curve"]]
    assert steps[:3] == [7, 14, 21] and facts["best_step"] in steps
    scores = {entry["step"]: entry["validation_accuracy"] for entry in facts["curve"]}
    assert scores[facts["best_step"]] == max(scores.values()) > 0.6
    (tmp_path / "run" / "results.json").unlink()
    code, _ = call("train_classifier", *arguments, "--resume_from_checkpoint")
    again = RunResults.read(tmp_path / "run").facts
    assert code == 0 and (again["curve"], again["best_step"]) == (facts["curve"], facts["best_step"])


@pytest.mark.slow
def test_a_stream_is_learned_and_goes_on_where_it_was(tmp_path, table, encoder, call):
    header, *rows = table.read_text().splitlines(keepends=True)
    for name, part in {"train": rows[60:], "held": rows[:60]}.items():
        (tmp_path / f"{name}.csv").write_text("".join([header, *part]))
    arguments = ["--train_file", tmp_path / "train.csv", "--validation_file", tmp_path / "held.csv", "--streaming"]
    arguments += ["--model_name_or_path", encoder, *FAST, "--max_steps", 40, "--eval_steps", 10]
    code, told = call("train_classifier", *arguments, "--output_dir", tmp_path / "whole")
    assert code == 0, told.err
    code, _ = call("train_classifier", *arguments, "--output_dir", tmp_path / "run")
    # Back to where it was after 30 steps, in the second pass over the rows.
    shutil.rmtree(tmp_path / "run" / "checkpoint-40")
    (tmp_path / "run" / "results.json").unlink()
    code, _ = call("train_classifier", *arguments, "--output_dir", tmp_path / "run", "--resume_from_checkpoint")
    whole, resumed = (RunResults.read(tmp_path / name) for name in ("whole", "run"))
    assert code == 0 and resumed.metrics == whole.metrics and whole.metrics["validation"]["accuracy"] > 0.9
    assert resumed.facts["curve"] == whole.facts["curve"] and whole.splits == {"train": 640, "validation": 60}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max_steps", -1], "streaming: give --max_steps"),
        (["--class_weights"], "class_weights: not with streaming"),
        (["--eval_strategy", "epoch"], "eval_strategy: with streaming, steps"),
    ],
)
def test_what_a_stream_cannot_have_is_one_line(tmp_path, table, encoder, call, arguments, said):
    given = ["--train_file", table, "--validation_file", table, "--streaming", "--max_steps", 5, *arguments]
    code, told = call("train_classifier", "--model_name_or_path", encoder, "--output_dir", tmp_path / "run", *given)
    assert code == 2 and told.err.startswith("error: ") and told.err.count("\n") == 1 and said in told.err
    assert not (tmp_path / "run").exists()


def test_evaluations_and_checkpoints_that_do_not_fit_are_one_line(tmp_path, table, encoder, call):
    arguments = ["--train_file", table, "--model_name_or_path", encoder, *FAST, "--output_dir", tmp_path / "run"]
    code, told = call("train_classifier", *arguments, "--eval_strategy", "steps", "--save_strategy", "epoch")
    assert code == 2 and told.err.startswith("error: ") and told.err.count("\n") == 1 and "save_strategy" in told.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_study_killed_at_random_ends_in_the_same_table(tmp_path, table, encoder):
    arguments = ["--train_file", table, "--tasks", "mine", "--strategies", "frozen", "full", "--seeds", 1]
    arguments += ["--model_name_or_path", encoder, *FAST]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = script("study_strategies", *arguments, "--output_dir", whole)
    assert done.returncode == 0, done.stderr
    draw = random.Random(1)
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "scripts/study_strategies.py", *map(str, arguments), "--output_dir", str(killed)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(draw.uniform(4, 14))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = script("study_strategies", *arguments, "--output_dir", killed)
    assert done.returncode == 0, done.stderr
    measured = ("seconds per epoch", "peak memory")

    def rows(folder: Path) -> list[dict]:
        import csv

        with (folder / "table.csv").open() as file:
            found = list(csv.DictReader(file))
        return [{key: value for key, value in row.items() if not key.startswith(measured)} for row in found]

    assert rows(killed) == rows(whole) and len(rows(whole)) == 3
    majority, frozen, full = (float(row["value"]) for row in rows(whole))
    assert full > frozen - 0.2 and full > majority
    study = json.loads((whole / "study.json").read_text())["parts"][0]
    assert study["baseline"] == "full" and study["reference"]["value"] == majority
    assert {row["setting"]: row["mean"] for row in study["rows"]} == {"frozen": frozen, "full": full}
    page = (whole / "README.md").read_text()
    assert "trade_off.png" in page and "scores.png" in page and "cannot tell: frozen" in page
    assert (whole / "trade_off.png").stat().st_size > 10_000


def test_a_study_gives_each_run_what_it_can_use():
    import study_strategies

    asked = study_strategies.StrategiesArguments(data_dir="glue", adapters=["a", "b"])
    generated = study_strategies.cell_options("encoder", "verbal_arithmetic", "full", asked)
    assert generated["data_dir"] is None and generated["adapters"] is None
    fused = study_strategies.cell_options("encoder", "rte", "fusion", asked)
    assert fused["data_dir"] == "glue" and fused["adapters"] == ["a", "b"] and fused["learning_rate"] == 5e-5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tasks", "rte", "--strategies", "full", "fusion"], "combines two or more trained adapters, got 0"),
        (["--train_file", "mine.csv", "--tasks", "a", "b"], "a --train_file is one task"),
        (["--train_file", "mine.csv", "--tasks", "h/mine.csv"], "a name is made of letters"),
        (["--strategies", "scratch", "--intermediate_task", "rte"], "begins from random weights"),
        (["--train_file", "nowhere.csv"], "nowhere.csv"),
        (["--push_to_hub", "me/x"], "unknown option 'push_to_hub'"),
        (["--model_name_or_path"], "give one encoder or more"),
        (["--model_name_or_path", "a/bert", "b/bert"], "by names that differ"),
    ],
)
def test_a_study_that_cannot_be_trains_nothing(tmp_path, call, arguments, said):
    code, told = call("study_strategies", "--output_dir", tmp_path / "study", *arguments)
    assert code == 2 and said in told.err and told.err.startswith("error: ") and told.err.count("\n") == 1
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0"], "seeds: 0"),
        (["--strategy", "houlsbi"], "did you mean 'houlsby'"),
        (["--task", "rta"], "did you mean 'rte'"),
        (["--train_file", "nowhere.csv"], "nowhere.csv"),
        ([], "task"),
    ],
)
def test_mistakes_are_one_line(tmp_path, call, encoder, arguments, said):
    code, told = call("train_classifier", "--model_name_or_path", encoder, "--output_dir", tmp_path / "run", *arguments)
    assert code == 2 and said in told.err and told.err.startswith("error: ") and told.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("classify", ("w2", "--batch_size", 0), "batch_size: 0; give a whole number from 1"),
        ("classify", ("w2", "--max_length", 10_000), "max_length: 10000 tokens; this encoder takes 4 to"),
        ("ablate_adapters", ("--batch_size", 0), "batch_size: 0; give a whole number from 1"),
        ("ablate_adapters", ("--max_examples", 0), "max_examples: 0; give a whole number from 1"),
    ],
)
def test_sizes_that_cannot_be_are_one_line(trained, call, name, arguments, said):
    code, told = call(name, trained["houlsby"], *arguments)
    assert code == 2 and said in told.err and told.err.startswith("error: ")
