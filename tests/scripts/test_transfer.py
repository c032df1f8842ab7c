"""One encoder for more than one task: one after the other, with what is forgotten, or all at once."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from support.bottleneck_models import batch, logits
from support.encoder_folders import build, train, write_encoder
from support.transfer_runs import FAST, run_here, write_task
from transformers import AutoModelForSequenceClassification

from workbench.classification.intermediate import under_head
from workbench.classification.loading import load_classifier
from workbench.classification.multitask import MultiTaskClassifier, TaskSampler, shares
from workbench.classification.predict import predict_logits
from workbench.runs.predictions import read_predictions
from workbench.runs.results import RunResults
from workbench.strategies.encoders import encoder_of


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, Path]:
    """`first` and `second` have words and classes of their own, `numbers` is a regression."""
    folder = tmp_path_factory.mktemp("tables")
    write_task(folder / "first.csv")
    write_task(folder / "second.csv", 2, 30, 1, rows=20)
    (folder / "numbers.csv").write_text(
        "text,label\n" + "".join(f"w{2 + n % 20} w{30 + n // 20},{n % 20 / 10}\n" for n in range(80))
    )
    return {name: folder / f"{name}.csv" for name in ("first", "second", "numbers")}


# One after the other


def two_stages(tables, encoder, folder, strategy="full", *options) -> list:
    start = ["--model_name_or_path", encoder, "--train_file", tables["second"], "--strategy", strategy, *FAST]
    first = ["--intermediate_train_file", tables["first"], "--intermediate_learning_rate", 1e-2]
    return [*start, *first, "--output_dir", folder, *options]


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_second_stage_that_tears_the_encoder_apart_makes_it_forget(
    tables, encoder, tmp_path, monkeypatch, capsys, pooling
):
    options = ["--pooling", pooling, "--learning_rate", 0.2]
    run_here(monkeypatch, "train_classifier", *two_stages(tables, encoder, tmp_path, "full", *options))
    results, first = RunResults.read(tmp_path), RunResults.read(tmp_path / "intermediate")
    told = results.facts["forgetting"]
    assert (told["task"], told["metric"], told["split"]) == ("first", "accuracy", "validation")
    assert told["before"] == first.metrics["validation"]["accuracy"] > 0.9
    assert told["after"] < told["before"] - 0.2
    assert f"{told['before']:.4f} after the first stage, {told['after']:.4f} now" in capsys.readouterr().out
    # By hand: the first stage's classifier with the second's encoder, but for the pooler, which is part of a head.
    earlier, tokenizer = load_classifier(str(tmp_path / "intermediate"))
    later, _ = load_classifier(str(tmp_path))
    own = earlier.bert.pooler
    earlier.bert = encoder_of(later)
    earlier.bert.pooler = own
    rows = [
        line.split("\t") for line in (tmp_path / "intermediate/validation_predictions.tsv").read_text().splitlines()
    ]
    given = predict_logits(earlier.eval(), tokenizer, [{"text": row[0]} for row in rows[1:]], 16).argmax(-1)
    names = earlier.config.id2label
    right = sum(names[answer] == row[1] for answer, row in zip(given, rows[1:], strict=True))
    assert right / len(given) == pytest.approx(told["after"])


@pytest.fixture
def relabelled(tables, tmp_path) -> Path:
    """The texts of `first` with other labels, so that other texts are held out."""
    texts = [line.partition(",")[0] for line in tables["first"].read_text().splitlines()[1:]]
    path = tmp_path / "relabelled.csv"
    path.write_text("text,label\n" + "".join(f"{text},{('odd', 'even')[n % 2]}\n" for n, text in enumerate(texts)))
    return path


@pytest.mark.slow
def test_no_stage_learns_what_another_holds_out(tables, relabelled, encoder, tmp_path, monkeypatch, capsys):
    start = ["--model_name_or_path", encoder, "--train_file", tables["first"], "--strategy", "frozen", *FAST]
    start += ["--intermediate_train_file", relabelled, "--max_steps", 1, "--output_dir", tmp_path / "run"]
    run_here(monkeypatch, "train_classifier", *start)
    second, first = (RunResults.read(folder) for folder in (tmp_path / "run", tmp_path / "run/intermediate"))
    held_out = int(re.search(r"train: (\d+) example\(s\) left out whose text another", capsys.readouterr().out)[1])
    assert held_out > 10 and first.splits["train"] == second.splits["train"] - held_out


@pytest.mark.slow
def test_no_task_learns_what_another_holds_out(tables, relabelled, encoder, tmp_path, monkeypatch):
    tasks = ["--tasks", tables["first"], relabelled, "--max_steps", 1]
    start = [*tasks, "--model_name_or_path", encoder, *FAST, "--output_dir", tmp_path / "run"]
    run_here(monkeypatch, "train_multitask", *start)
    sizes = RunResults.read(tmp_path / "run").facts["tasks"]
    rows = len(relabelled.read_text().splitlines()) - 1
    for size in sizes.values():
        assert size["train"] < rows - size["validation"] - size["test"] - 10


@pytest.mark.slow
def test_a_frozen_encoder_forgets_nothing(tables, encoder, tmp_path, monkeypatch):
    """Its new head has trained a pooler of its own; the first stage's score is the same to the last example."""
    run_here(monkeypatch, "train_classifier", *two_stages(tables, encoder, tmp_path, "frozen"))
    told = RunResults.read(tmp_path).facts["forgetting"]
    assert told["after"] == told["before"] > 0.9


@pytest.mark.slow
def test_a_finished_first_stage_is_not_trained_again(tables, encoder, tmp_path, monkeypatch, capsys):
    arguments = two_stages(tables, encoder, tmp_path, "houlsby", "--intermediate_num_train_epochs", 3)
    run_here(monkeypatch, "train_classifier", *arguments)
    first, second = (tmp_path / "intermediate" / "results.json"), tmp_path / "results.json"
    assert len(json.loads(first.read_text())["facts"]["curve"]) == 3
    written, scores = first.stat().st_mtime_ns, RunResults.read(tmp_path).metrics
    second.unlink()
    capsys.readouterr()
    run_here(monkeypatch, "train_classifier", *arguments, "--resume_from_checkpoint")
    assert first.stat().st_mtime_ns == written and "finished, in" in capsys.readouterr().out
    assert RunResults.read(tmp_path).metrics == scores
    # The adapter is of the encoder that the first stage left.
    base = json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert base == str((tmp_path / "intermediate").resolve())
    load_classifier(str(tmp_path))


def test_under_a_head_of_its_own_an_unchanged_encoder_answers_as_before(encoder):
    """Also where the family keeps the pooler inside the encoder: it belongs to the head."""
    earlier, later = build(encoder, labels=["a", "b"]).eval(), build(encoder, "frozen", seed=1)
    train(later)
    with under_head(earlier, later) as both:
        assert torch.equal(logits(both), logits(build(encoder, labels=["a", "b"]).eval()))


@pytest.mark.parametrize("strategy", ["full", "lora", "houlsby", "bitfit"])
def test_a_model_lent_to_another_head_is_given_back_as_it_was(encoder, strategy):
    earlier, later = build(encoder, labels=["a", "b"]).eval(), build(encoder, strategy, seed=1)
    train(later)
    before = logits(earlier), logits(later.eval())
    with under_head(earlier, later) as both:
        assert logits(both).shape == (3, 2) and not torch.equal(logits(both), before[0])
    assert torch.equal(logits(earlier), before[0]) and torch.equal(logits(later), before[1])


@pytest.mark.slow
def test_half_a_first_stage_is_one_line(tables, encoder, tmp_path, run_script, refused):
    start = ["--model_name_or_path", encoder, "--train_file", tables["first"], "--output_dir", tmp_path / "run"]
    assert "neither intermediate_task" in refused(
        run_script("train_classifier", *start, "--intermediate_data_dir", "x")
    )
    assert "did you mean 'mnli'" in refused(run_script("train_classifier", *start, "--intermediate_task", "mnly"))
    scratch = ["--intermediate_task", "mnli", "--strategy", "scratch"]
    assert "random weights" in refused(run_script("train_classifier", *start, *scratch))
    assert not (tmp_path / "run").exists()


# All at once


def test_the_chances_follow_the_temperature():
    assert shares([900, 100], 1) == pytest.approx([0.9, 0.1])
    assert shares([900, 100], 2) == pytest.approx([0.75, 0.25])
    assert shares([10**9, 1], 1e9) == pytest.approx([0.5, 0.5])


def sampler(seed: int = 3, temperature: float = 2.0) -> TaskSampler:
    """Tasks of 900, 100 and 3 examples, in batches of 8."""
    tasks = [0] * 900 + [1] * 100 + [2] * 3
    return TaskSampler(tasks, [5 + number % 7 for number in range(len(tasks))], 8, seed, temperature)


def test_batches_are_of_one_task_and_as_often_as_its_chance_says():
    """A task with fewer examples than a batch has is repeated; every example of the small tasks comes up."""
    places = [0] * 900 + [1] * 100 + [2] * 3
    found, every = sampler(), []
    for epoch in range(20):
        found.set_epoch(epoch)
        order = list(found)
        assert len(order) == len(found) == 126 * 8
        every += [order[start : start + 8] for start in range(0, len(order), 8)]
    drawn = [{places[index] for index in indices} for indices in every]
    assert all(len(tasks) == 1 for tasks in drawn)
    for place, share in enumerate(shares([900, 100, 3], 2)):
        assert drawn.count({place}) / len(drawn) == pytest.approx(share, abs=0.04)
    assert {index for indices in every for index in indices} == set(range(1003))


def test_the_order_depends_on_seed_and_epoch_alone():
    """So that a run that was killed goes on with the batches that it would have seen."""
    first, again, other = sampler(), sampler(), sampler(seed=4)
    assert list(first) == list(again) != list(other)
    first.set_epoch(1)
    again.set_epoch(1)
    later = list(first)
    assert later == list(again) and later != list(sampler())


def test_tasks_share_the_encoder_and_no_head(encoder):
    """Rows of three tasks in one batch get their own head's answers; a step on one leaves the other heads alone."""
    model = MultiTaskClassifier(
        {
            "three": build(encoder, labels=["a", "b", "c"]),
            "two": build(encoder, labels=["a", "b"], seed=1),
            "number": build(encoder, labels=[], is_regression=True, seed=2),
        }
    ).eval()
    inputs, places = {name: values for name, values in batch().items() if name != "labels"}, torch.tensor([2, 0, 1])
    mixed = model(places, **inputs)["logits"]
    for row, place in enumerate(places.tolist()):
        alone = model.classifiers[place](**inputs).logits[row]
        torch.testing.assert_close(mixed[row, : len(alone)], alone, rtol=1e-4, atol=1e-5)
        assert not mixed[row, len(alone) :].any()
    weights = {name: weight.clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(3, dtype=torch.long), labels=torch.tensor([0.0, 1.0, 1.0]), **inputs)["loss"].backward()
    optimizer.step()
    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, weights[name])}
    heads = {name for name in weights if "pooler" in name or ".classifier." in name}
    assert changed & heads == {name for name in heads if name.startswith("classifiers.1.")} and changed - heads
    assert encoder_of(model.classifiers[2]).encoder is encoder_of(model.classifiers[0]).encoder


@pytest.fixture(scope="module")
def together(tables, encoder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("together") / "run"
    tasks = f"{tables['first']},{tables['second']},{tables['numbers']}"
    with pytest.MonkeyPatch.context() as patch:
        start = ["--tasks", tasks, "--model_name_or_path", encoder, *FAST, "--output_dir", folder]
        run_here(patch, "train_multitask", *start)
    return folder


@pytest.mark.slow
def test_all_tasks_are_learned_and_told_apart(together):
    results = RunResults.read(together)
    names = {"loss", "mean", "first_accuracy", "first_macro_f1", "second_accuracy", "second_macro_f1"}
    names |= {"numbers_pearson", "numbers_spearman"}
    assert set(results.metrics["test"]) == names == set(results.metrics["validation"])
    found = results.metrics["test"]
    assert found["first_accuracy"] > 0.85 and found["second_accuracy"] > 0.85 and found["numbers_pearson"] > 0.5
    firsts = [found[name] for name in ("first_accuracy", "second_accuracy", "numbers_pearson")]
    assert found["mean"] == pytest.approx(sum(firsts) / 3)
    best = max(entry["validation_mean"] for entry in results.facts["curve"])
    assert results.metrics["validation"]["mean"] == pytest.approx(best)
    sizes = results.facts["tasks"]
    assert results.splits["train"] == sum(size["train"] for size in sizes.values())


@pytest.mark.slow
def test_each_task_leaves_a_classifier_that_transformers_loads(together, tables):
    """With the encoder that all have learned, the task's own classes, and the score that the run told."""
    results, models = RunResults.read(together), {}
    for name in ("first", "second", "numbers"):
        models[name] = AutoModelForSequenceClassification.from_pretrained(together / name).state_dict()
    shared = [key for key in models["first"] if "pooler" not in key and not key.startswith("classifier")]
    for other in ("second", "numbers"):
        assert shared and all(torch.equal(models["first"][key], models[other][key]) for key in shared)
    model, tokenizer = load_classifier(str(together / "second"))
    assert list(model.config.id2label.values()) == ["bad", "fine"]
    rows = [line.split(",") for line in tables["second"].read_text().splitlines()[1:]]
    given = predict_logits(model, tokenizer, [{"text": text} for text, _ in rows], 16).argmax(-1)
    right = sum(model.config.id2label[answer] == label for answer, (_, label) in zip(given, rows, strict=True))
    assert right / len(rows) > 0.9 <= results.metrics["validation"]["second_accuracy"]
    for split, kept in read_predictions(together / "second").items():
        right = sum(label == answer for label, answer in zip(kept.labels, kept.predictions, strict=True))
        assert right / len(kept.ids) == pytest.approx(results.metrics[split]["second_accuracy"])
    numbers = read_predictions(together / "numbers")["test"]
    assert numbers.probabilities is None and np.corrcoef(numbers.labels, numbers.predictions)[0, 1] == pytest.approx(
        results.metrics["test"]["numbers_pearson"]
    )


@pytest.mark.slow
def test_a_multitask_run_resumed_ends_as_an_uninterrupted_one(together, tables, encoder, tmp_path, monkeypatch):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(together, folder)
    before = RunResults.read(folder).metrics
    (folder / "results.json").unlink()
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    shutil.rmtree(steps[-1])
    tasks = ",".join(str(tables[name]) for name in ("first", "second", "numbers"))
    start = ["--tasks", tasks, "--model_name_or_path", encoder, *FAST, "--output_dir", folder]
    run_here(monkeypatch, "train_multitask", *start, "--resume_from_checkpoint")
    after = RunResults.read(folder).metrics
    assert after["test"] == pytest.approx(before["test"], abs=1e-6)


@pytest.mark.slow
def test_what_is_no_set_of_tasks_is_one_line(tables, encoder, tmp_path, run_script, refused):
    start = ["--model_name_or_path", encoder, "--output_dir", tmp_path / "run"]
    assert "two or more" in refused(run_script("train_multitask", *start, "--tasks", "rte"))
    assert "did you mean 'rte'" in refused(run_script("train_multitask", *start, "--tasks", "rta,mrpc"))
    cold = ["--tasks", "rte,mrpc", "--temperature", 0]
    assert "temperature" in refused(run_script("train_multitask", *start, *cold))
    own = ("--tasks", "rte,mrpc", "--task_options", '{"rte": {"max_train_examples": -1}}')
    assert "task_options: rte: max_train_examples: -1" in refused(run_script("train_multitask", *start, *own))
    assert not (tmp_path / "run").exists()
