"""What shifts cost, on answers whose cost is known: drops, flips, calibration, classes, and what augmentation does."""

import dataclasses
import json

import numpy as np
import pytest

from workbench.robustness import report
from workbench.robustness.rows import augmentation_differences, class_rows, drops_against, main_rows
from workbench.robustness.shifts import ORIGINAL, Shift, ids_of
from workbench.robustness.study import Flips, Scores, calibration_error, is_seen, pairs_of_training
from workbench.runs.predictions import Predictions, write_predictions
from workbench.runs.results import RunResults
from workbench.studies.comparison import Setting

LABELS = ["bad", "good"]
COUNT = 400


def answers(right, sure=0.9):
    """Of examples with alternating labels, right where told."""
    labels = [LABELS[place % 2] for place in range(COUNT)]
    pairs = enumerate(zip(labels, right, strict=True))
    given = [label if is_right else LABELS[1 - place % 2] for place, (label, is_right) in pairs]
    shares = [[sure, 1 - sure] if answer == "bad" else [1 - sure, sure] for answer in given]
    return Predictions(ids_of(EXAMPLES), labels, given, shares)


EXAMPLES = [{"text": f"w{place} <b>here</b>", "label": LABELS[place % 2]} for place in range(COUNT)]
CHANGED = [example | {"text": example["text"].upper()} for example in EXAMPLES]
# Shares of right answers, by setting and texts.
RATES = {
    "full": {ORIGINAL: 0.9, "typos": 0.7, "ocr": 0.7, "books": 0.6},
    "lora": {ORIGINAL: 0.9, "typos": 0.85, "ocr": 0.7, "books": 0.6},
    "full-augmented": {ORIGINAL: 0.9, "typos": 0.89, "ocr": 0.7, "books": 0.6},
}


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> Scores:
    root, settings = tmp_path_factory.mktemp("evaluations"), []
    for name, rates in RATES.items():
        facts = {"dataset": {"name": "reviews", "labels": LABELS}, "strategy": name.split("-")[0]}
        if name.endswith("augmented"):
            facts["augmentation"] = {"examples": 50, "transforms": ["typos"], "strength": None}
        for seed in range(3):
            # An example is as hard for all; a seed has some luck.
            easy = np.random.default_rng(0).permutation(COUNT) / COUNT + np.random.default_rng([seed, 7]).normal(
                0, 0.01, COUNT
            )
            told = {shift: answers(easy < rate) for shift, rate in rates.items()}
            folder = root / f"{name}-seed{seed}"
            folder.mkdir()
            write_predictions(folder, told)
            right = {
                shift: {"accuracy": float(np.mean(np.equal(p.labels, p.predictions)))} for shift, p in told.items()
            }
            sizes = dict.fromkeys(told, COUNT)
            RunResults(right, sizes, {"total": 1, "trainable": 1}, {}, seed, facts=facts).write(folder)
        settings.append(Setting.read(name, sorted(root.glob(f"{name}-seed*"))))
    ids = ids_of(EXAMPLES)
    untouched, touched = ([{"text": part} for _ in EXAMPLES] for part in ((), ("a change",)))
    shifts = [Shift(ORIGINAL, EXAMPLES, ids, untouched)]
    shifts += [Shift(name, CHANGED, ids, touched) for name in ("typos", "ocr")]
    return Scores(settings, [*shifts, Shift("books", EXAMPLES, ids)], "test", "accuracy")


def test_a_drop_is_paired_and_judged(scores):
    part = scores.comparisons["full"]
    for shift in ("typos", "ocr", "books"):
        low, high = part.differences[shift].interval
        assert low < RATES["full"][shift] - 0.9 < high and part.verdicts[shift] == "worse"
    # The same examples are lost by all: paired, that is surer than against other texts.
    wide, narrow = (np.diff(scores.drop("full", shift).interval) for shift in ("books", "typos"))
    assert scores.drop("full", "books").mean < -0.2 and wide > 1.2 * narrow


def test_drops_of_settings_are_compared_with_the_baselines(scores):
    found = drops_against(scores, "full")
    assert {name for name, _ in found} == {"lora"}
    assert found["lora", "typos"].verdict == "better" and found["lora", "ocr"].verdict == "cannot tell"
    assert found["lora", "typos"].estimate.mean == pytest.approx(0.15, abs=0.03)


def test_augmentation_is_told_apart_from_what_it_has_not_seen(scores):
    assert pairs_of_training(list(scores.settings.values())) == {"full": ("full", "full-augmented")}
    augmented = scores.settings["full-augmented"]
    assert [is_seen(name, augmented) for name in ("typos", "ocr", "typos+ocr", "books")] == [True, False, False, False]
    found = augmentation_differences(scores)
    assert found["full", "typos"]["drop"].verdict == "better"
    assert found["full", "typos"]["drop"].estimate.mean == pytest.approx(0.19, abs=0.03)
    assert found["full", "ocr"]["drop"].verdict == found["full", "typos"][ORIGINAL].verdict == "cannot tell"


def test_flips_are_what_was_lost_and_won():
    before, after = answers(np.arange(COUNT) < 300), answers(np.arange(COUNT) >= 40)
    assert Flips.of(before, after) == Flips(140 / COUNT, 40 / COUNT, 100 / COUNT)
    assert Flips.of(before, before) == Flips(0, 0, 0)


def test_calibration_is_the_distance_of_confidence_and_accuracy():
    right = np.arange(COUNT) < 0.75 * COUNT
    assert calibration_error(answers(right, 0.75)) == pytest.approx(0)
    assert calibration_error(answers(right, 0.95)) == pytest.approx(0.2)
    assert calibration_error(answers(right, 1.0)) == pytest.approx(0.25)
    # Bins are told apart: too sure here, not sure enough there.
    mixed = answers(right, 0.75)
    shares = [[0.65, 0.35] if p == "bad" else [0.35, 0.65] for p in mixed.predictions[:300]]
    shares += [[0.95, 0.05] if p == "bad" else [0.05, 0.95] for p in mixed.predictions[300:]]
    error = calibration_error(dataclasses.replace(mixed, probabilities=shares))
    assert error == pytest.approx(0.75 * 0.35 + 0.25 * 0.95)
    assert calibration_error(Predictions(["a"], [1.0], [1.0])) is None


def test_rows_have_every_setting_texts_and_class(scores):
    rows = {(row["setting"], row["texts"]): row for row in main_rows(scores, "full")}
    assert len(rows) == 12 and rows["full", "typos"]["right to wrong"].mean == pytest.approx(0.2, abs=0.03)
    assert rows["full", "books"]["changed"] == rows["full", ORIGINAL]["drop [95 %]"] == ""
    classes = class_rows(scores)
    assert [row["class"] for row in classes] == LABELS * 3 and {row["examples"] for row in classes} == {COUNT // 2}
    mean = np.mean([row["typos"].mean for row in classes[:2]])
    assert mean == pytest.approx(scores.spread("full", "typos").mean)


def test_the_page_says_what_the_numbers_say(scores, tmp_path):
    intro = "\n".join(report.describe_shifts(list(scores.shifts.values()), None, 0))
    table = report.write_page(tmp_path, "What changed texts cost", intro, scores, "full", 2)
    page, content = (tmp_path / "README.md").read_text(), json.loads((tmp_path / "robustness.json").read_text())
    assert table in page and "- typos: 100.0% of the texts are changed" in page
    assert "On ocr, which it has not trained on, its drop is" in page and "200 bad, 200 good" in page
    row = next(row for row in content["rows"] if (row["setting"], row["texts"]) == ("full", "typos"))
    assert f"{row['drop']['mean']:+.4f}" in page and row["drop"]["verdict"] == "worse" and len(row["flips"]) == 3
    assert content["augmentation"]["full, typos"]["drop"]["verdict"] == "better"
    worst = (tmp_path / "worst_hit.md").read_text()
    assert "## typos" in worst and "## books" not in worst and "→W" in worst and "→W" not in page and "<b>" not in worst
    drops = json.loads((tmp_path / "drops.json").read_text())
    assert len(drops) == 9 and all(len(point["seeds"]) == 3 for point in drops)
    assert json.loads((tmp_path / "study.json").read_text())["parts"][0]["baseline"] == ORIGINAL
    for name in ("scores.png", "drops.png", "table.csv", "classes.csv", "augmentation.csv"):
        assert (tmp_path / name).stat().st_size > 100
