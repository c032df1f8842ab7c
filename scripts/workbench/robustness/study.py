"""What shifts cost: paired differences over seeds and examples, flipped answers, and calibration."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.errors import UserError
from workbench.runs.predictions import Predictions
from workbench.studies.comparison import Comparison, Setting, align, resample
from workbench.studies.report import Spread
from workbench.studies.resampling import SEED
from workbench.studies.statistics import Estimate, verdicts

from .shifts import ORIGINAL, Shift

# Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2: bins of equal width; they use 15.
BINS = 15
SCORED_BY_CLASS = ("accuracy", "f1", "macro_f1", "matthews_correlation")
Term = tuple[int, str, str]


def calibration_error(answers: Predictions) -> float | None:
    """Expected calibration error: the mean distance of confidence and accuracy over `BINS` bins; None of numbers.

    Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", for the answer's probability.
    """
    if answers.probabilities is None:
        return None
    sure = np.asarray(answers.probabilities, float).max(axis=1)
    right = np.equal(answers.labels, answers.predictions)
    # A bin has its upper end in it.
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    sums = np.bincount(bins, weights=right - sure, minlength=BINS)
    return float(np.abs(sums).sum() / len(sure))


@dataclass(frozen=True)
class Flips:
    """Shares of the examples whose answer a shift changes, and of those that became wrong or right by it."""

    changed: float
    lost: float
    won: float

    @classmethod
    def of(cls, before: Predictions, after: Predictions) -> "Flips":
        """Of answers to the same examples in the same order."""
        was = np.equal(before.labels, before.predictions)
        now = np.equal(after.labels, after.predictions)
        changed = np.not_equal(before.predictions, after.predictions)
        return cls(*(float(part.mean()) for part in (changed, was & ~now, ~was & now)))


class Scores:
    """The scores of settings on the original texts and on every shift.

    Args:
        settings: of the evaluations, whose splits are the names of the shifts.
        split: of the original texts.
    """

    def __init__(self, settings: Sequence[Setting], shifts: Sequence[Shift], split: str, metric: str):
        self.settings = {setting.name: setting for setting in settings}
        self.shifts = {shift.name: shift for shift in shifts}
        self.split, self.metric = split, metric
        self._views: dict[tuple, Setting] = {}
        self._resampled: dict[tuple, np.ndarray | None] = {}

    @property
    def has_classes(self) -> bool:
        """Whether every run has kept its answers, and these are classes."""
        return self.metric in SCORED_BY_CLASS and all(setting.answers for setting in self.settings.values())

    @property
    def shifted(self) -> list[str]:
        return [name for name in self.shifts if name != ORIGINAL]

    def view(self, name: str, shift: str) -> Setting:
        """A setting's answers to a shift, as if these were its split."""
        if (name, shift) not in self._views:
            whole = self.settings[name]
            runs = [
                replace(run, metrics={self.split: run.metrics[shift]}, splits={self.split: run.splits[shift]})
                for run in whole.runs
            ]
            part = Setting(shift, list(whole.folders), runs)
            part.answers = whole.answers and [{self.split: answers[shift]} for answers in whole.answers]
            self._views[name, shift] = part
        return self._views[name, shift]

    def values(self, name: str, shift: str) -> dict[int, float]:
        """Seed -> score."""
        part = self.view(name, shift)
        return dict(zip(part.seeds, part.values(self.split, self.metric), strict=True))

    def spread(self, name: str, shift: str) -> Spread:
        return Spread.of(self.values(name, shift).values())

    def answers(self, name: str, shift: str) -> list[Predictions]:
        """Each run's answers, those to paired shifts in the order of the first setting's original texts."""
        part, guide = self.view(name, shift), self._guide(shift)
        first = guide.answers[0][self.split]
        pairs = zip(part.answers, part.folders, strict=True)
        return [align(one[self.split], first, folder, guide.folders[0]) for one, folder in pairs]

    def _guide(self, shift: str) -> Setting:
        """The setting in whose order of examples the draws are made."""
        return self.view(next(iter(self.settings)), ORIGINAL if self.shifts[shift].is_paired else shift)

    def _resample(self, name: str, shift: str) -> np.ndarray | None:
        if (name, shift) not in self._resampled:
            # Other texts are other draws.
            seed = SEED if self.shifts[shift].is_paired else SEED + 1 + list(self.shifts).index(shift)
            part = self.view(name, shift)
            self._resampled[name, shift] = resample(part, self.split, self.metric, self._guide(shift), seed)
        return self._resampled[name, shift]

    def contrast(self, *terms: Term) -> Estimate:
        """A sum of scores with signs, over the seeds that all have: a drop, or the difference of two drops.

        Args:
            terms: (1 or -1, setting, shift).
        """
        seeds = sorted(set.intersection(*({*self.settings[name].seeds} for _, name, _ in terms)))
        if not seeds:
            names = " and ".join(dict.fromkeys(name for _, name, _ in terms))
            raise UserError(f"{names} share no seed; give runs of the same seeds")
        values = [sum(sign * self.values(name, shift)[seed] for sign, name, shift in terms) for seed in seeds]
        examples = min(len(self.shifts[shift].ids) for _, _, shift in terms)
        parts = [self._resample(name, shift) for _, name, shift in terms]
        if any(part is None for part in parts):
            return Estimate.of_seeds(values, examples)
        total = 0.0
        for (sign, name, _), part in zip(terms, parts, strict=True):
            places = [self.settings[name].seeds.index(seed) for seed in seeds]
            total = total + sign * part[:, places]
        return Estimate.of_resamples(values, total, examples)

    def drop(self, name: str, shift: str) -> Estimate:
        """The score on a shift less that on the original texts."""
        return self.contrast((1, name, shift), (-1, name, ORIGINAL))

    def drop_difference(self, first: str, second: str, shift: str) -> Estimate:
        """The second setting's drop less the first one's: above 0 it loses less."""
        return self.contrast((1, second, shift), (-1, second, ORIGINAL), (-1, first, shift), (1, first, ORIGINAL))

    def judge(self, differences: Sequence[Estimate]) -> list[str]:
        return verdicts(differences, higher_is_better=True)

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """Setting -> its scores on the shifts against that on the original texts."""
        parts = {}
        for name in self.settings:
            views = [self.view(name, shift) for shift in self.shifts]
            part = Comparison(name, views, self.split, self.metric, ORIGINAL)
            part.differences = {shift: self.drop(name, shift) for shift in self.shifted}
            part.verdicts = dict(zip(part.differences, part.judge(), strict=True))
            parts[name] = part
        return parts

    def flips(self, name: str, shift: str) -> list[Flips] | None:
        """Each run's, seed by seed; None of other texts."""
        if not self.has_classes or not self.shifts[shift].is_paired:
            return None
        pairs = zip(self.answers(name, ORIGINAL), self.answers(name, shift), strict=True)
        return [Flips.of(before, after) for before, after in pairs]

    def calibration(self, name: str, shift: str) -> Spread | None:
        """The expected calibration error over the seeds; None where there are no probabilities."""
        if not self.has_classes:
            return None
        errors = [calibration_error(answers) for answers in self.answers(name, shift)]
        return None if None in errors else Spread.of(errors)

    def class_recall(self, name: str, shift: str) -> dict[str, tuple[int, Spread]]:
        """Class -> how many examples it has, and the share of them that is answered right."""
        every = self.answers(name, shift)
        found = {}
        for label in dict.fromkeys(sorted(every[0].labels, key=str)):
            right = [
                _share([a for a, b in zip(one.predictions, one.labels, strict=True) if b == label], label)
                for one in every
            ]
            found[label] = (every[0].labels.count(label), Spread.of(right))
        return found

    def worst(self, shift: str, count: int) -> list[tuple[int, float]]:
        """The places of up to `count` examples that most runs had right and have wrong after a shift, and how much.

        The loss is that of the share of right runs, over all settings.
        """
        losses = []
        for name in self.settings if self.has_classes else ():
            for before, after in zip(self.answers(name, ORIGINAL), self.answers(name, shift), strict=True):
                was, now = (np.equal(one.labels, one.predictions).astype(float) for one in (before, after))
                losses.append(was - now)
        loss = np.mean(losses, axis=0) if losses else np.zeros(0)
        return [(int(place), float(loss[place])) for place in np.argsort(-loss, kind="stable") if loss[place] > 0][
            :count
        ]


def _share(answers: list, label) -> float:
    return statistics.fmean(answer == label for answer in answers)


def pairs_of_training(settings: Sequence[Setting]) -> dict[str, tuple[str, str]]:
    """Strategy -> the settings that were trained without and with augmentation, where there are both."""
    plain, augmented = {}, {}
    for setting in settings:
        facts = setting.runs[0].facts or {}
        (augmented if facts.get("augmentation") else plain).setdefault(facts.get("strategy"), setting.name)
    return {name: (plain[name], augmented[name]) for name in plain if name in augmented}


def is_seen(shift: str, setting: Setting) -> bool:
    """Whether an augmented setting has trained on all of a shift's transforms."""
    told = (setting.runs[0].facts or {}).get("augmentation") or {}
    return set(shift.split("+")) <= set(told.get("transforms", ()))
