"""Measuring ways of doing the same work against each other: warm-up, alternating rounds, medians of ratios.

A suite is a module of this package with `run(options) -> list[Comparison]`; `options` are the command line's (`rounds`,
`quick`, `seed`, `threads`, `output_dir`). It gives `measure` one callable per way and makes `Comparison`s of the
figures:

    figures = measure({"ours": seconds(ours), "theirs": seconds(theirs)}, options.rounds)
    Comparison.of(figures, "step_time", "seconds per step", "ours", "theirs", Bar(1.05))
"""

import gc
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from workbench.runs.results import RunResults

Figure = TypeVar("Figure")
Fact = float | int | str
HEADER = ("what", "way", "median", "against", "median", "ratio", "lowest to highest", "n", "bar", "")


def seconds(work: Callable[[], object], per: float = 1.0) -> Callable[[], float]:
    """A way for `measure`: the seconds that one call of `work` takes, divided by `per` (steps, say)."""

    def timed() -> float:
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / per

    return timed


def per_second(work: Callable[[], object], amount: float) -> Callable[[], float]:
    """A way for `measure`: how much of `amount` (words, say) one call of `work` does per second."""
    timed = seconds(work)
    return lambda: amount / timed()


def measure(ways: dict[str, Callable[[], Figure]], rounds: int, warm_up: int = 1) -> dict[str, list[Figure]]:
    """Calls every way once per round, and returns its figures, one per round.

    Every second round goes through the ways backwards, so that a machine that slows down or speeds up favours none.

    Args:
        ways: name -> a callable that does the work and returns its own figure (see `seconds` and `per_second`).
        rounds: how many figures of each.
        warm_up: rounds before these, whose figures are forgotten.
    """
    figures: dict[str, list[Figure]] = {name: [] for name in ways}
    for number in range(-warm_up, rounds):
        for name in list(ways) if number % 2 == 0 else list(ways)[::-1]:
            gc.collect()
            figure = ways[name]()
            if number >= 0:
                figures[name].append(figure)
    return figures


@dataclass(frozen=True)
class Bar:
    """The bar for a ratio: at most `limit`, or at least."""

    limit: float
    at_least: bool = False

    def met(self, ratio: float) -> bool:
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


@dataclass
class Comparison:
    """One way against another, by the figures of the same rounds.

    Attributes:
        name: in `results.json`, `metrics.<suite>.<name>`.
        unit: of the figures, e.g. "seconds per step".
        way, against: the two ways; the ratio is the first's figure over the second's.
        figures: the two ways' figures, one per round each.
        bar: what the ratio is asked to be, if anything.
        facts: what else a reader needs to judge it, e.g. the batch size; what concerns one way, e.g. its parameters,
            is a dictionary under the way's name.
    """

    name: str
    unit: str
    way: str
    against: str
    figures: dict[str, list[float]]
    bar: Bar | None = None
    facts: dict[str, Fact | dict[str, Fact]] = field(default_factory=dict)

    @classmethod
    def of(cls, figures, name: str, unit: str, way: str, against: str, bar=None, **facts) -> "Comparison":
        """The comparison of two of the ways that `measure` returned the figures of."""
        return cls(name, unit, way, against, {way: figures[way], against: figures[against]}, bar, facts)

    @property
    def ratios(self) -> list[float]:
        """`way` over `against`, round by round."""
        pairs = zip(self.figures[self.way], self.figures[self.against], strict=True)
        return [ours / theirs for ours, theirs in pairs]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios."""
        return statistics.median(self.ratios)

    @property
    def medians(self) -> dict[str, float]:
        """Each way's median figure."""
        return {name: statistics.median(values) for name, values in self.figures.items()}

    def as_dict(self) -> dict:
        """Everything, for `results.json`."""
        return {
            "name": self.name,
            "unit": self.unit,
            "way": self.way,
            "against": self.against,
            "figures": {name: [_finite(value) for value in values] for name, values in self.figures.items()},
            "medians": {name: _finite(value) for name, value in self.medians.items()},
            "ratios": [_finite(value) for value in self.ratios],
            "ratio": _finite(self.ratio),
            "bar": None if self.bar is None else str(self.bar),
            "met": None if self.bar is None else self.bar.met(self.ratio),
            "facts": self.facts,
        }

    def row(self) -> tuple[str, ...]:
        """Its line of the table; see HEADER."""
        ours, theirs = (f"{self.medians[name]:,.4g}" for name in (self.way, self.against))
        verdict = "" if self.bar is None else "met" if self.bar.met(self.ratio) else "MISSED"
        return (
            f"{self.name} ({self.unit})",
            self.way,
            ours,
            self.against,
            theirs,
            f"{self.ratio:.3f}",
            f"{min(self.ratios):.3f} to {max(self.ratios):.3f}",
            str(len(self.ratios)),
            "" if self.bar is None else str(self.bar),
            verdict,
        )


def _finite(value: float) -> float | None:
    """JSON has no infinity: what was never reached is null there."""
    return value if math.isfinite(value) else None


def format_table(comparisons: list[Comparison]) -> str:
    """A table to read: a line per comparison, and below it the facts of each, those of a way under the way's name."""
    rows = [HEADER, *(comparison.row() for comparison in comparisons)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [line for comparison in comparisons for line in _fact_lines(comparison)]
    return "\n".join([*lines, *dict.fromkeys(notes)])


def _fact_lines(comparison: Comparison) -> list[str]:
    groups: dict[str, dict] = {comparison.name: {}}
    for name, value in comparison.facts.items():
        if isinstance(value, dict):
            groups[name] = value
        else:
            groups[comparison.name][name] = value
    return [
        f"{title}: " + ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in group.items())
        for title, group in groups.items()
        if group
    ]


def _short(value: Fact) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def machine(threads: int) -> dict[str, str | int]:
    """The machine and the versions of a measurement."""
    return {"system": platform.system(), "machine": platform.machine(), "cpus": os.cpu_count(), "threads": threads}


@dataclass
class BenchmarkResults(RunResults):
    """`results.json` of a benchmark: `metrics.<suite>.<name>` is the median ratio; the rounds are in `comparisons`."""

    comparisons: list[dict] = field(default_factory=list)
    machine: dict[str, str | int] = field(default_factory=dict)


def summarize(suite: str, comparisons: list[Comparison], options, elapsed: float) -> BenchmarkResults:
    """The results to write into the run's folder; `elapsed` is in seconds."""
    return BenchmarkResults(
        metrics={suite: {comparison.name: _finite(comparison.ratio) for comparison in comparisons}},
        splits={},
        parameters={"total": 0, "trainable": 0},
        seconds={"benchmark": elapsed},
        seed=options.seed,
        comparisons=[comparison.as_dict() for comparison in comparisons],
        machine=machine(options.threads),
    )
