"""Differences, intervals and verdicts: what they must be by hand, and how often they are right."""

import random

import numpy as np
import pytest
from scipy import stats

from workbench.runs.metrics import label_scores
from workbench.runs.predictions import Predictions
from workbench.studies.calibration import calibrate
from workbench.studies.resampling import make_score, resampled_scores
from workbench.studies.statistics import Estimate, holm, mcnemar, verdicts


def test_mcnemar_is_the_exact_binomial_test_of_the_discordant_pairs():
    draw = random.Random(0)
    for _ in range(50):
        first, second = ([draw.random() < share for _ in range(60)] for share in (0.6, 0.75))
        won = sum(b and not a for a, b in zip(first, second, strict=True))
        lost = sum(a and not b for a, b in zip(first, second, strict=True))
        tail = 2 * sum(stats.binom.pmf(k, won + lost, 0.5) for k in range(min(won, lost) + 1))
        assert mcnemar(first, second) == pytest.approx(min(1.0, tail), abs=1e-12)
    assert mcnemar([True, False], [True, False]) == 1.0


def test_holm_adjusts_step_by_step_and_never_falls():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0] and holm([]) == []


def test_over_seeds_alone_the_interval_is_students():
    values = [0.02, 0.05, 0.03]
    estimate = Estimate.of_seeds(values)
    expected = stats.t.interval(0.95, 2, np.mean(values), np.std(values, ddof=1) / np.sqrt(3))
    assert estimate.interval == pytest.approx(expected)
    assert estimate.p_value == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-4)


def test_equal_seeds_do_not_make_an_interval_without_width():
    low, high = Estimate.of_seeds([0.1, 0.1], examples=100).interval
    assert low < 0.1 < high


def test_one_pair_of_runs_decides_nothing():
    one = Estimate.of_resamples([0.4], np.random.default_rng(0).normal(0.4, 0.01, (100, 1)), 100)
    assert one.interval[0] > 0.3 and verdicts([one]) == ["cannot tell"]


def test_a_verdict_follows_the_score_and_the_number_of_comparisons():
    sure, close = Estimate.of_seeds([0.10, 0.11, 0.12]), Estimate.of_seeds([0.01, 0.05, 0.06])
    assert verdicts([sure, close]) == ["better", "cannot tell"]
    assert verdicts([sure], higher_is_better=False) == ["worse"]
    assert verdicts([Estimate.of_seeds([0.010, 0.020, 0.014])]) == ["better"]
    assert verdicts([Estimate.of_seeds([0.010, 0.020, 0.014])] * 4) == ["cannot tell"] * 4


@pytest.mark.parametrize("metric", ["accuracy", "f1", "macro_f1", "matthews_correlation", "pearson", "spearman"])
def test_a_resampled_score_is_the_score_of_the_resample(metric):
    draw = np.random.default_rng(0)
    if metric in ("pearson", "spearman"):
        labels = draw.normal(size=40).round(1).tolist()
        given = [float(label + noise) for label, noise in zip(labels, draw.normal(size=40).round(1), strict=True)]
        answers = Predictions([str(n) for n in range(40)], labels, given)
    else:
        labels, given = (draw.integers(2, size=40) for _ in range(2))
        names = ["no", "yes"]
        answers = Predictions(
            [str(n) for n in range(40)], [names[label] for label in labels], [names[label] for label in given]
        )
    score = make_score(metric, answers, ["no", "yes"])
    weights = np.bincount(draw.integers(40, size=40), minlength=40)[None].astype(float)
    drawn = np.repeat(np.arange(40), weights[0].astype(int))
    whole = label_scores((metric,), [given[n] for n in drawn], [labels[n] for n in drawn])[metric]
    assert score(weights)[0] == pytest.approx(whole, abs=1e-9)
    assert resampled_scores([score, score], 40, 30).shape == (30, 2)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover_a_known_difference_and_no_difference_is_seldom_decided(seeds):
    known = calibrate(seeds, 277, 0.005, 0.05, repetitions=150, resamples=300)
    null = calibrate(seeds, 277, 0.005, 0.0, repetitions=150, resamples=300, seed=1)
    assert known.covered >= 0.92 and known.decided > 0.5
    assert null.decided <= 0.07
