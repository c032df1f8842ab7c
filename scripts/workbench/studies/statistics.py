"""How sure a difference between two settings is: interval, test, correction, power and verdict.

A setting is a list of runs over seeds. The difference D of two settings is the mean, over the seeds that they share, of
the differences d_s of their scores. Both seeds and examples are samples, so D varies for two reasons:

    V     variance of D over 10,000 resamples of the examples, the same ones for all runs (see `resampling`)
    S² / n    variance of the mean of the d_s over n seeds; resampling seeds too would give this times (n - 1) / n,
              which with 3 seeds is too narrow, and so it stands here in closed form
    r     what the examples add to S² beside V, measured as the growth of S² under resampling: counted in both

and the interval at the level 1 - a is D ± h with, t(f) being Student's quantile at 1 - a / 2 with f degrees of freedom,

    h² = t(m - 1)² V + t(n - 1)² max(0, (S² - 0.6 r) / n)      for m examples

Each part has the quantile that its own degrees of freedom call for (as Cochran has it, Biometrics 20, 1964).
Subtracting all of r is too little interval where seeds differ much, subtracting none is too much where they do not;
`python scripts/check_intervals.py` measures the coverage. Runs without their answers have V = 0: their interval is over
the seeds alone (paired t), for this test set.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import optimize
from scipy import stats as distributions

CONFIDENCE = 0.95
POWER = 0.80
RESAMPLES = 10_000
# Of what the examples add to the variance between seeds; see the module's first lines.
SHARE_COUNTED_TWICE = 0.6
CROSSED, SEEDS_ALONE, EXAMPLES_ALONE = (
    "bootstrap over examples crossed with seeds",
    "paired t over seeds, for this test set",
    "bootstrap over examples, for this pair of runs",
)
SIGN_TEST_NOTE = (
    "With n seeds the sign test's smallest p is 2 · 0.5ⁿ, 0.0625 at n = 5: fewer than six seeds can never reach 0.05 "
    "by it, so nothing is starred here."
)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, of the differences of two settings' scores or of one setting's scores, and how it varies.

    Attributes:
        mean: of differences, second minus first.
        examples_variance, seeds_variance: of `mean`; see the module's first lines.
        examples, seeds: how many; `examples` of 0: their number is not known.
        method: what the interval is made of, in words.
    """

    mean: float
    examples_variance: float
    seeds_variance: float
    examples: int
    seeds: int
    method: str

    @classmethod
    def of_seeds(cls, values: Sequence[float], examples: int = 0) -> "Estimate":
        """From each seed's value alone; a score of m examples has steps, so no spread is below half of one."""
        import numpy as np

        count, mean = len(values), float(np.mean(values))
        least = 0.5 / examples if examples else 0.0
        spread = max(float(np.std(values, ddof=1)), least) if count > 1 else math.nan
        return cls(mean, 0.0, spread**2 / count, examples, count, SEEDS_ALONE)

    @classmethod
    def of_resamples(cls, values: Sequence[float], resampled, examples: int) -> "Estimate":
        """From each seed's value, and the same under each resample of the examples: (resamples, seeds)."""
        import numpy as np

        count, least = len(values), (0.5 / examples) ** 2
        examples_variance = max(float(resampled.mean(axis=1).var(ddof=1)), least)
        seeds_variance = 0.0
        if count > 1:
            between = float(np.var(values, ddof=1))
            added = max(0.0, float(resampled.var(axis=1, ddof=1).mean()) - between)
            seeds_variance = max(0.0, between - SHARE_COUNTED_TWICE * added) / count
        method = CROSSED if count > 1 else EXAMPLES_ALONE
        return cls(float(np.mean(values)), examples_variance, seeds_variance, examples, count, method)

    def half_width(self, level: float = 1 - CONFIDENCE) -> float:
        """Half of the interval at the confidence 1 - `level`; nan for one pair of runs without their answers."""
        parts = ((self.examples_variance, self.examples - 1), (self.seeds_variance, self.seeds - 1))
        squares = [_quantile(level, freedom) ** 2 * variance for variance, freedom in parts if variance != 0]
        return math.sqrt(sum(squares))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high end at 95 % confidence; None where there is none."""
        half = self.half_width()
        return None if math.isnan(half) or half == 0 else (self.mean - half, self.mean + half)

    @property
    def p_value(self) -> float:
        """The lowest level whose interval leaves 0 out; 1 for one pair of runs, which tells nothing of other seeds."""
        if self.seeds < 2 or self.interval is None or self.mean == 0:
            return 1.0
        lowest = 1e-12

        def excess(exponent: float) -> float:
            return self.half_width(math.exp(exponent)) - abs(self.mean)

        if excess(math.log(lowest)) <= 0:
            return lowest
        return math.exp(optimize.brentq(excess, math.log(lowest), 0.0))

    def detectable(self, comparisons: int = 1) -> float:
        """The true difference that is found in 80 % of such studies at the level of Holm's first step.

        It is h(0.05 / comparisons) + z(0.8) √(V + S²/n): the half-width that must be exceeded, and the 80 % quantile
        of the normal distribution times the standard error, with the variances that were measured.
        """
        error = math.sqrt(self.examples_variance + self.seeds_variance)
        level = (1 - CONFIDENCE) / max(1, comparisons)
        return self.half_width(level) + float(distributions.norm.ppf(POWER)) * error


def _quantile(level: float, freedom: int) -> float:
    return float(distributions.t.isf(level / 2, freedom)) if freedom > 0 else math.nan


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm 1979, "A simple sequentially rejective multiple test procedure")."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The exact two-sided p of McNemar's test that two runs are right equally often on the same examples."""
    pairs = list(zip(first, second, strict=True))
    lost, won = (sum(bool(a) == side and bool(b) != side for a, b in pairs) for side in (True, False))
    return float(distributions.binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0


def verdicts(differences: Sequence[Estimate], higher_is_better: bool = True) -> list[str]:
    """`better`, `worse` or `cannot tell` for each, at 0.05 after Holm's correction over all of them."""
    adjusted = holm([difference.p_value for difference in differences])
    return [
        "cannot tell" if p >= 1 - CONFIDENCE else "better" if (one.mean > 0) == higher_is_better else "worse"
        for one, p in zip(differences, adjusted, strict=True)
    ]
