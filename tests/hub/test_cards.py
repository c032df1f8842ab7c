"""Cards: every number comes from results.json, the metadata are the Hub's, and text of the user's stays text."""

import json
import re
import statistics
from types import SimpleNamespace

import pytest
import yaml
from huggingface_hub import ModelCard
from support.loopback_hub.cards import validate
from support.published_runs import FACTS, METRICS, write_run

from workbench.errors import UserError
from workbench.hub.packages import dataset_package, model_package
from workbench.runs.facts import FactsCollector
from workbench.runs.hardware import EnergyMeter
from workbench.runs.results import RunResults
from workbench.translation.report import describe_pairs


def card_of(folder, **options) -> str:
    return model_package(folder, "tester/pig", **options).files["README.md"].decode()


def test_the_metadata_are_what_the_hub_reads(tmp_path):
    package = model_package(write_run(tmp_path / "run"), "tester/pig", dataset_id="tester/pairs")
    card = package.files["README.md"].decode()
    assert validate(card, "model") == ([], [])
    data = ModelCard(card).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("apache-2.0", "transformers", "translation")
    assert data.datasets == ["tester/pairs"] and "igpay" in data.tags
    found = {(r.dataset_split, r.metric_type): r.metric_value for r in data.eval_results}
    assert found == {(split, name): value for split, scores in METRICS.items() for name, value in scores.items()}
    entries = yaml.safe_load(package.files[".eval_results/igpay.yaml"])
    assert {e["dataset"]["task_id"]: e["value"] for e in entries} == METRICS["test"]
    assert all(entry["dataset"]["id"] == "tester/pairs" and entry["date"] == "2030-01-02" for entry in entries)


def test_without_a_data_set_on_the_hub_none_is_claimed(tmp_path):
    package = model_package(write_run(tmp_path / "run", "decoder-only"), "tester/pig")
    card = package.files["README.md"].decode()
    assert ".eval_results/igpay.yaml" not in package.files and "datasets:" not in card
    assert "pipeline_tag: text-generation" in card and "AutoModelForCausalLM" in card


def test_every_number_follows_the_facts(tmp_path):
    changed = json.loads(json.dumps(FACTS))
    changed |= {"steps": 4321, "energy_kwh": 0.0625}
    changed["hyperparameters"]["learning_rate"] = 0.0456
    metrics = {"test": {"word_accuracy": 0.8125, "cer": 0.0625}}
    card = card_of(write_run(tmp_path / "run", metrics=metrics, facts=changed, seconds={"train": 98.5}, seed=7))
    for shown in ("0.8125 (n = 1 seed)", "0.0625", "4,321 optimiser steps", "0.0456", "98.5 s", "One seed (7)"):
        assert shown in card, shown
    assert "kWh" in card and "kWh" not in card_of(write_run(tmp_path / "other"))


def test_a_run_without_facts_still_has_a_card(tmp_path):
    card = card_of(write_run(tmp_path / "run", facts=None))
    assert validate(card, "model") == ([], []) and "0.75 (n = 1 seed)" in card


def test_the_curves_table_has_the_scores_that_the_run_has(tmp_path):
    rows = [{"step": 5, "validation_loss": 0.5, "validation_matthews_correlation": 0.25}, {"step": 1234}]
    card = card_of(write_run(tmp_path / "run", facts={**FACTS, "curve": rows}))
    table = "| step | validation loss | validation Matthews correlation |\n|---|---|---|\n"
    assert f"{table}| 5 | 0.5 | 0.25 |\n| 1,234 |  |  |\n" in card


def test_several_seeds_are_a_mean_a_deviation_and_n(tmp_path):
    values = [0.75, 0.5, 0.875]
    folders = [
        write_run(tmp_path / str(seed), seed=seed, metrics={"test": {"word_accuracy": value, "cer": 0.1}})
        for seed, value in enumerate(values)
    ]
    card = card_of(folders[0], seed_runs=[str(folder) for folder in folders[1:]])
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    assert f"{mean:.4g} ± {deviation:.2g} (n = 3 seeds)" in card and "seeds 0, 1, 2" in card
    other = write_run(tmp_path / "other", seed=9, splits={"train": 1, "validation": 1, "test": 1})
    with pytest.raises(UserError, match="other splits or parameters"):
        card_of(folders[0], seed_runs=[str(folders[1]), str(other)])


def test_text_of_the_user_cannot_become_markup(tmp_path):
    evil = "a|b<script>alert(1)</script>`x`\n# title"
    facts = {**FACTS, "examples": [[evil, evil, evil]], "wrong": [], "dataset": {"name": evil}}
    body = card_of(write_run(tmp_path / "run", facts=facts)).split("---\n", 2)[2]
    assert "<script>" not in body and "\n# title" not in body and "a\\|b" in body
    assert 'tokenizer(["street", "apple"]' in body


def test_the_pairs_card_counts_what_is_there():
    package = dataset_package("pig_latin", "tester/pairs")
    card = package.files["README.md"].decode()
    assert validate(card, "dataset") == ([], [])
    rows = {name: content.count(b"\n") for name, content in package.files.items() if name.endswith("jsonl")}
    for config in yaml.safe_load(card.split("---\n")[1])["configs"]:
        shown = [f"{rows[part['path']]:,}" for part in config["data_files"]]
        assert f"| {config['config_name']} | {' | '.join(shown)} |" in card
    assert re.search(r'"english": "null"|"english": "none"', package.files["large/train.jsonl"].decode()) is not None


def test_the_collector_records_what_happened_and_no_path(tmp_path):
    arguments = SimpleNamespace(train_file=str(tmp_path), dataset_size="small")
    assert describe_pairs(arguments, ["a", "b"])["name"] == tmp_path.name
    assert "id" not in describe_pairs(arguments, ["a", "b"])
    assert describe_pairs(SimpleNamespace(train_file="me/pairs"), [])["id"] == "me/pairs"
    from transformers import TrainingArguments

    collector = FactsCollector({"name": "x"}, powercap=tmp_path / "none")
    log = [{"step": 5, "eval_loss": 1.0}, {"step": 9, "eval_loss": 0.5}, {"step": 12, "eval_loss": 0.75}]
    state = SimpleNamespace(global_step=0, train_batch_size=4, log_history=log, epoch=1.5, best_global_step=9)
    collector.on_train_begin(TrainingArguments(tmp_path, learning_rate=0.5, use_cpu=True), state, None)
    state.global_step = 12
    collector.on_train_end(None, state, None)
    facts = collector.facts([("a", "b", "b"), ("c", "d", "e")])
    assert (facts["steps"], facts["best_step"], facts["hyperparameters"]["learning_rate"]) == (12, 9, 0.5)
    assert facts["wrong"] == [["c", "d", "e"]] and "energy_kwh" not in facts
    RunResults(METRICS, {}, {"total": 1}, {}, 0, facts=facts).write(tmp_path)
    assert RunResults.read(tmp_path).facts["best_step"] == 9


def test_energy_is_counted_over_packages_and_wrapped_counters(tmp_path):
    zones = [tmp_path / "intel-rapl:0", tmp_path / "intel-rapl:1", tmp_path / "intel-rapl:0:0"]
    for zone in zones:
        zone.mkdir()
        (zone / "energy_uj").write_text("9000000")
        (zone / "max_energy_range_uj").write_text("10000000")
    meter = EnergyMeter(tmp_path)
    meter.start()
    (zones[0] / "energy_uj").write_text("9500000")
    (zones[1] / "energy_uj").write_text("1000000")
    meter.read()
    assert meter.joules == pytest.approx(0.5 + 2.0)
    (zones[0] / "energy_uj").unlink()
    meter.read()
    assert meter.joules is None
