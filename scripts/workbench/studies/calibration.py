"""How often the intervals are right: settings with a known difference, simulated and compared as runs would be.

A run is right on an example where z + a + b + e > 0: z, the example's own easiness, is shared by all runs; a is the
setting's strength, b the seed's luck in that setting, e what this run makes of this example. All but a are normal, so
that the true accuracy of a setting is Φ(a / √(σ² + τ² + 1)), with the variances σ² of z, τ² of b and 1 of e.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats as distributions

from .resampling import resampled_weights
from .statistics import CONFIDENCE, Estimate

EASINESS_SD = 2.0
BASELINE = 0.70


@dataclass(frozen=True)
class Calibration:
    """Shares of the repetitions: intervals that cover the true difference, and verdicts of better or worse."""

    covered: float
    decided: float


def calibrate(
    seeds: int, examples: int, seed_sd: float, difference: float, repetitions: int, resamples: int, seed: int = 0
) -> Calibration:
    """Simulated comparisons of two settings, each of `seeds` runs on the same examples.

    Args:
        seed_sd: standard deviation between seeds of a setting's true accuracy.
        difference: of the settings' true accuracies; 0: the null hypothesis.
        resamples: of the examples, by each comparison.
    """
    draw = np.random.default_rng(seed)
    luck, strengths = _strengths(seed_sd, difference)
    weights = np.concatenate(list(resampled_weights(examples, resamples))) / examples
    covered = decided = 0
    for _ in range(repetitions):
        easiness = draw.normal(0.0, EASINESS_SD, examples)
        rates = []
        for strength in strengths:
            own = draw.normal(0.0, luck, (seeds, 1)) + draw.normal(0.0, 1.0, (seeds, examples))
            rates.append(easiness + strength + own > 0)
        gains = rates[1].astype(float) - rates[0]
        estimate = Estimate.of_resamples(gains.mean(axis=1).tolist(), weights @ gains.T, examples)
        low, high = estimate.interval
        covered += low <= difference <= high
        decided += estimate.p_value < 1 - CONFIDENCE
    return Calibration(covered / repetitions, decided / repetitions)


def _strengths(seed_sd: float, difference: float) -> tuple[float, tuple[float, float]]:
    """τ, and a of the baseline and of the other setting."""
    slope = distributions.norm.pdf(distributions.norm.ppf(BASELINE))
    spread = math.sqrt(EASINESS_SD**2 + 1)
    # seed_sd is τ times the slope of Φ, over a spread in which τ itself counts.
    luck = seed_sd * spread / math.sqrt(slope**2 - seed_sd**2)
    scale = math.sqrt(spread**2 + luck**2)
    return luck, tuple(scale * float(distributions.norm.ppf(BASELINE + more)) for more in (0.0, difference))
