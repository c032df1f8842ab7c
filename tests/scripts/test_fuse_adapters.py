"""Fusions of trained adapters: built from runs and from others' folders, saved whole, compared, and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from support.bottleneck_models import batch, logits
from support.encoder_folders import build, train, word_tokenizer, write_encoder
from support.transfer_runs import FAST, run_here, write_task

from custom_models.bottleneck import fusion_penalty, record_attention
from custom_models.bottleneck.adapterhub import write_adapterhub
from workbench.classification.fusion_study import layer_labels
from workbench.classification.loading import load_classifier
from workbench.classification.model import save_classifier
from workbench.classification.predict import predict_logits
from workbench.classification.scoring import weighted_loss
from workbench.errors import UserError
from workbench.runs.results import RunResults
from workbench.runs.trainer import WorkbenchTrainer
from workbench.strategies.arguments import StrategyArguments
from workbench.strategies.catalogue import find_strategy
from workbench.strategies.fusion import read_member, read_members
from workbench.studies import grid

SIZE = {"bottleneck_size": 8}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    return write_encoder(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture(scope="module")
def members(tmp_path_factory, encoder) -> list[str]:
    """Folders of two adapters with heads, trained on different classes."""
    folders = []
    for seed, name in enumerate(("first", "second")):
        model = build(encoder, "pfeiffer", labels=["no", "yes", "maybe"], seed=seed, **SIZE)
        train(model, inputs=batch() | {"labels": torch.tensor([seed, 1, 2])})
        folders.append(str(tmp_path_factory.mktemp("members") / name))
        save_classifier(model, word_tokenizer(), folders[-1])
    return folders


def weights_of(model, name: str) -> dict[str, torch.Tensor]:
    """Copies of the weights of the adapter `name`."""
    mark = f".bottleneck_adapters.{name}."
    return {key: weight.clone() for key, weight in model.state_dict().items() if mark in key}


# What is built


@pytest.mark.parametrize("strategy", ["fusion", "average_fusion"])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_fusion_learns_keeps_its_adapters_and_comes_back_whole(tmp_path, family, strategy):
    """The folder needs nothing but the encoder: the runs that the adapters came from may be deleted."""
    encoder = write_encoder(tmp_path / family, family)
    for seed, name in enumerate(("one", "two")):
        single = build(encoder, "houlsby", seed=seed, **SIZE)
        train(single)
        save_classifier(single, word_tokenizer(), tmp_path / name)
    trained = single.state_dict()
    model = build(encoder, strategy, adapters=[str(tmp_path / "one"), str(tmp_path / "two")])
    kept = {name: weights_of(model, name) for name in ("one", "two")}
    assert kept["two"] and all(
        torch.equal(w, trained[key.replace(".two.", ".default.")]) for key, w in kept["two"].items()
    )
    opened = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert opened and all(".default." in name for name in opened)
    assert any(".bottleneck_adapters." in name for name in opened) is (strategy == "fusion")
    losses = train(model)
    assert losses[-1] < 0.8 * losses[0]
    for name, weights in kept.items():
        assert all(torch.equal(weight, weights[key]) for key, weight in weights_of(model, name).items())
    save_classifier(model, word_tokenizer(), tmp_path / "run")
    for name in ("one", "two"):
        shutil.rmtree(tmp_path / name)
    loaded, _ = load_classifier(str(tmp_path / "run"))
    assert torch.equal(logits(loaded), logits(model.eval()))


def test_the_head_of_a_new_task_is_that_of_any_other_strategy_and_not_an_adapters(encoder, members):
    model = build(encoder, "fusion", labels=["a", "b"], adapters=members)
    head = model.get_base_model().classifier.modules_to_save["default"].weight
    assert torch.equal(head, build(encoder, "full", labels=["a", "b"]).classifier.weight)


def test_an_adapterhub_folder_is_fused_bit_for_bit(tmp_path, encoder, members):
    hub = tmp_path / "hub"
    found = read_member(members[1])
    found.name, found.model_class = "mine", "BertForSequenceClassification"
    write_adapterhub(found, str(hub))
    model = build(encoder, "fusion", adapters=[members[0], str(hub)])
    both = build(encoder, "fusion", adapters=members)
    hubs, ours = weights_of(model, "hub"), weights_of(both, "second")
    assert ours and all(torch.equal(weight, hubs[key.replace(".second.", ".hub.")]) for key, weight in ours.items())


def test_adapters_are_called_by_their_task_or_folder_and_never_alike(tmp_path, encoder, members):
    """Two runs of one task, a folder called like a module of the model, and one that PEFT would trip over."""
    names = ("runs/x", "runs/y", "output", "b")
    for name in names:
        shutil.copytree(members[0], tmp_path / name)
    for name in names[:2]:
        (tmp_path / name / "config.yaml").write_text("task: rte\n")
    model = build(encoder, "fusion", adapters=[str(tmp_path / name) for name in names])
    assert list(model.peft_config) == ["rte", "rte_2", "output_2", "b_2", "default"]


def test_a_loss_with_class_weights_keeps_the_penalty(encoder, members, tmp_path):
    """The Trainer computes such a loss outside the model, where the penalty on the value matrices is added."""
    from transformers import TrainingArguments

    model = build(encoder, "fusion", adapters=members)
    for name, weight in model.named_parameters():
        if name.endswith("default.value.weight"):
            torch.nn.init.normal_(weight)
    trainer = find_strategy("fusion").trainer_class(WorkbenchTrainer)(
        model=model,
        args=TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[]),
        compute_loss_func=weighted_loss(torch.ones(3)),
    )
    plain, penalised = (trainer.compute_loss(model.train(mode), batch()).item() for mode in (False, True))
    assert fusion_penalty(model).item() > 1
    assert penalised == pytest.approx(plain + fusion_penalty(model).item(), rel=1e-5)


# What is refused


def refusal(encoder, adapters, strategy="fusion", **options) -> str:
    with pytest.raises(UserError) as error:
        build(encoder, strategy, adapters=adapters, **options)
    return str(error.value)


def test_what_cannot_be_fused_is_one_line(tmp_path, encoder, members):
    assert "two or more trained adapters, got 0: give --adapters" in refusal(encoder, None)
    assert "got 1" in refusal(encoder, members[:1], "average_fusion")
    assert "'full' none" in refusal(encoder, members, "full")
    assert "holds no adapter" in refusal(encoder, [members[0], encoder])
    assert "no such folder" in refusal(encoder, [members[0], str(tmp_path / "nowhere")])
    for strategy, said in (
        ("lora", "is LORA"),
        ("houlsby_unshared", "LayerNorms of its own"),
        ("houlsby", "placement"),
    ):
        save_classifier(build(encoder, strategy, **SIZE), word_tokenizer(), tmp_path / strategy)
        assert said in refusal(encoder, [members[0], str(tmp_path / strategy)])
    save_classifier(build(encoder, "pfeiffer", bottleneck_size=4), word_tokenizer(), tmp_path / "small")
    assert "bottleneck_size is 8 and 4" in refusal(encoder, [members[0], str(tmp_path / "small")])
    save_classifier(build(encoder, "fusion", adapters=members), word_tokenizer(), tmp_path / "fused")
    assert "itself a fusion" in refusal(encoder, [members[0], str(tmp_path / "fused")])
    shutil.rmtree(tmp_path / "fused" / "second")
    with pytest.raises(UserError, match="'second' that was fused is missing"):
        load_classifier(str(tmp_path / "fused"))


def test_adapters_of_another_encoder_are_refused_by_name_and_by_weights(tmp_path, encoder, members):
    other = write_encoder(tmp_path / "other")
    assert "trained on" in refusal(other, members)
    # Another encoder in a folder of the same name, as every intermediate run has.
    same_name = write_encoder(tmp_path / "tiny", num_hidden_layers=3)
    weights = Path(same_name, "model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert "whose weights are not those of" in refusal(same_name, members)
    shutil.copytree(encoder, tmp_path / "copies" / "tiny")
    read_members(StrategyArguments(str(tmp_path / "copies" / "tiny"), adapters=members))


# As a person runs it


@pytest.fixture(scope="module")
def study(tmp_path_factory, encoder) -> Path:
    """Two trained adapters and a study of two seeds, whose runs are made in this process."""
    folder = tmp_path_factory.mktemp("study")
    start = ["--model_name_or_path", encoder, "--bottleneck_size", 8, *FAST]
    with pytest.MonkeyPatch.context() as patch:
        for place, name in enumerate(("one", "two")):
            table = write_task(folder / f"{name}.csv", 3 - place, 2 + 8 * place, place)
            arguments = ["--train_file", table, "--strategy", "pfeiffer", "--output_dir", folder / name]
            run_here(patch, "train_classifier", *start, *arguments)
        patch.setattr(grid, "_run_process", run_cell_here(patch))
        target = write_task(folder / "target.csv", 3, 4, 5)
        adapters = ["--adapters", folder / "one", folder / "two", "--own_adapter"]
        arguments = ["--train_file", target, *adapters, "--seeds", 2, "--output_dir", folder / "study"]
        run_here(patch, "fuse_adapters", *start, *arguments)
    return folder / "study"


def run_cell_here(patch):
    def run(command, log) -> int:
        run_here(patch, "train_classifier", *command[2:])
        return 0

    return run


@pytest.mark.slow
def test_a_study_ends_in_a_table_paired_by_seed(study):
    with (study / "table.csv").open() as file:
        rows = {row["strategy"]: row for row in csv.DictReader(file)}
    assert (
        list(rows) == ["majority class", "pfeiffer", "fusion", "average_fusion"]
        and rows.pop("majority class")
        and rows["fusion"]["n"] == "2"
    )
    scores = {
        name: [RunResults.read(study / f"{name}-seed{seed}").metrics["test"]["accuracy"] for seed in (0, 1)]
        for name in rows
    }
    for name, row in rows.items():
        assert float(row["value"]) == pytest.approx(sum(scores[name]) / 2)
        difference = sum(scores[name]) / 2 - sum(scores["pfeiffer"]) / 2
        told = row["difference to pfeiffer [95 %]"]
        assert told == "" if name == "pfeiffer" else float(told.split()[0]) == pytest.approx(difference, abs=1e-4)
    assert max(scores["pfeiffer"]) > 0.6
    page = (study / "README.md").read_text()
    assert "fusion of 3" in page and "attention.png" in page and "seeds 0, 1" in page


@pytest.mark.slow
def test_the_figure_shows_the_attention_of_real_tokens(study):
    """Averaged over the validation split's tokens without padding: the same as one text at a time."""
    told = json.loads((study / "attention.json").read_text())
    assert told["layers"] == ["1", "2", "3"] and told["adapters"] == ["target", "one", "two"]
    assert (study / "attention.png").stat().st_size > 10_000
    model, tokenizer = load_classifier(str(study / "fusion-seed1"))
    rows = (study / "fusion-seed1" / "validation_predictions.tsv").read_text().splitlines()[1:]
    sums, tokens = torch.zeros(3, 3), 0
    for row in rows:
        inputs = tokenizer(row.split("\t")[0], return_tensors="pt")
        with torch.no_grad(), record_attention(model) as layers:
            model(**inputs)
        sums += torch.stack([layer.attention[0].sum(0) for layer in layers.values()])
        tokens += inputs["input_ids"].numel()
    assert told["tokens"] == tokens
    torch.testing.assert_close(torch.tensor(told["seeds"]["1"]), sums / tokens, atol=1e-5, rtol=0)
    mean = (torch.tensor(told["seeds"]["0"]) + torch.tensor(told["seeds"]["1"])) / 2
    torch.testing.assert_close(torch.tensor(told["mean"]), mean)


@pytest.mark.slow
def test_a_fused_run_ends_with_its_best_epoch_and_answers_as_it_did(study):
    run = study / "fusion-seed0"
    model, tokenizer = load_classifier(str(run))
    rows = [line.split("\t") for line in (run / "test_predictions.tsv").read_text().splitlines()[1:]]
    shares = torch.from_numpy(predict_logits(model, tokenizer, [{"text": row[0]} for row in rows], 16)).softmax(-1)
    for row, given in zip(rows, shares.tolist(), strict=True):
        assert [float(share) for share in row[3:]] == pytest.approx(given, abs=1e-4)
    checkpoint = next(run.glob("checkpoint-*"))
    assert not any(path.is_dir() for path in checkpoint.iterdir())


@pytest.mark.slow
def test_a_fused_run_is_resumed_with_its_fusion(study, tmp_path, monkeypatch):
    """transformers 4.57 restores the adapters of a checkpoint with several, and not the one that is trained."""
    whole = study / "fusion-seed0"
    resumed = tmp_path / "resumed"
    shutil.copytree(whole, resumed)
    (resumed / "results.json").unlink()
    last = max(resumed.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    shutil.rmtree(last)
    config = study / "cells" / "fusion-seed0.yaml"
    arguments = ["--config", config, "--output_dir", resumed, "--resume_from_checkpoint"]
    run_here(monkeypatch, "train_classifier", *arguments)
    first, second = (json.loads((folder / "curves.json").read_text()) for folder in (whole, resumed))
    assert second["validation_loss"] == first["validation_loss"]


def test_layers_are_numbered_from_one_and_told_apart():
    one = ["base_model.model.bert.encoder.layer.0.output", "base_model.model.bert.encoder.layer.11.output"]
    assert layer_labels(one) == ["1", "12"]
    two = ["bert.encoder.layer.0.attention.output", "bert.encoder.layer.0.output"]
    assert layer_labels(two) == ["1 attention.output", "1 output"]


@pytest.mark.slow
def test_mistakes_are_one_line_and_leave_no_folder(tmp_path, run_script, refused, encoder, members):
    start = ["--model_name_or_path", encoder, "--train_file", write_task(tmp_path / "t.csv")]
    start += ["--output_dir", tmp_path / "run"]
    assert "give --adapters" in refused(run_script("train_classifier", *start, "--strategy", "fusion"))
    assert "got 1" in refused(run_script("fuse_adapters", *start, "--adapters", members[0]))
    wrong = ["--adapters", members[0], encoder, "--strategy", "fusion"]
    assert "holds no adapter" in refused(run_script("train_classifier", *start, *wrong))
    assert not (tmp_path / "run").exists()
