"""Settings beside a baseline, on the same split of the same data and by the same score."""

import dataclasses
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.errors import UserError, nearest
from workbench.runs.metrics import metric_name
from workbench.runs.predictions import PREDICTIONS_FILE, Predictions, read_predictions
from workbench.runs.results import RunResults

from .resampling import SEED, make_score, resampled_scores
from .statistics import RESAMPLES, Estimate, verdicts

LOWER_IS_BETTER = ("loss", "cer", "ser")
# A score of results.json passed through 32 bits, and its answers did not.
SAME_SCORE = 1e-4


@dataclass
class Setting:
    """Runs that differ in their seeds alone.

    Attributes:
        folders: of the runs, in their order.
    """

    name: str
    folders: list[Path]
    runs: list[RunResults]

    def __post_init__(self):
        order = sorted(range(len(self.runs)), key=lambda place: self.runs[place].seed)
        self.folders, self.runs = ([values[place] for place in order] for values in (self.folders, self.runs))
        for (seed, count), folder in zip(Counter(self.seeds).items(), self.folders, strict=False):
            if count > 1:
                raise UserError(f"{self.name}: {count} runs have the seed {seed}, {folder} among them; give each once")

    @classmethod
    def read(cls, name: str, folders: Sequence[Path]) -> "Setting":
        return cls(name, list(folders), [RunResults.read(folder) for folder in folders])

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs]

    @cached_property
    def answers(self) -> list[dict[str, Predictions]] | None:
        """Each run's answers by split; None unless all of the runs have kept theirs."""
        if not all((folder / PREDICTIONS_FILE).is_file() for folder in self.folders):
            return None
        return [read_predictions(folder) for folder in self.folders]

    def values(self, split: str, metric: str) -> list[float]:
        return [run.metrics[split][metric] for run in self.runs]

    def only(self, seeds: Sequence[int]) -> "Setting":
        """The runs with these seeds."""
        kept = [place for place, seed in enumerate(self.seeds) if seed in seeds]
        if len(kept) == len(self.runs):
            return self
        part = Setting(self.name, [self.folders[place] for place in kept], [self.runs[place] for place in kept])
        part.answers = self.answers and [self.answers[place] for place in kept]
        return part


def dataset_of(run: RunResults) -> dict:
    return (run.facts or {}).get("dataset") or {}


def default_split(run: RunResults) -> str:
    """The split that is shown: test where it has labels, else validation."""
    return "test" if "test" in run.metrics else "validation"


def default_metric(run: RunResults, split: str) -> str:
    """The metric that is shown: the task's first, which the run tells, or word accuracy, or any."""
    names = [name for name in run.metrics.get(split, {}) if name != "loss"] or ["loss"]
    told = dataset_of(run).get("metric")
    return next((name for name in (told, "word_accuracy") if name in names), names[0])


@dataclass
class Comparison:
    """Settings on one split by one metric; `baseline` is one of their names, or None.

    Attributes:
        name: of the task or the data.
        differences, verdicts: to the baseline, by setting; none for the baseline itself.
        notes: what a reader needs to know about how these were made.
    """

    name: str
    settings: list[Setting]
    split: str
    metric: str
    baseline: str | None = None
    differences: dict[str, Estimate] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, name: str, settings: list[Setting], baseline: str | None = None, split: str = "", metric: str = ""
    ) -> "Comparison":
        """The comparison with all differences; UserError if the runs are not on the same data, or lack the score."""
        first = settings[0].runs[0]
        split = split or default_split(first)
        part = cls(name, settings, split, metric or default_metric(first, split), baseline)
        check_same_data(settings, split, part.metric)
        if baseline is not None:
            against = part.setting(baseline)
            others = [setting for setting in settings if setting.name != baseline]
            part.differences = {one.name: difference(against, one, split, part.metric) for one in others}
            part.verdicts = dict(zip(part.differences, part.judge(), strict=True))
        return part

    def judge(self) -> list[str]:
        return verdicts(list(self.differences.values()), self.higher_is_better)

    def setting(self, name: str) -> Setting:
        return next(setting for setting in self.settings if setting.name == name)

    @property
    def higher_is_better(self) -> bool:
        return self.metric not in LOWER_IS_BETTER

    @property
    def examples(self) -> int | None:
        return self.settings[0].runs[0].splits.get(self.split)

    @property
    def score_name(self) -> str:
        return f"{metric_name(self.metric)}, {self.split}"

    @property
    def detectable(self) -> float | None:
        """The median over the comparisons of what each could have shown, at Holm's first step."""
        widths = [one.detectable(len(self.differences)) for one in self.differences.values() if one.seeds > 1]
        return statistics.median(widths) if widths else None

    @property
    def majority(self) -> float | None:
        """The accuracy of always answering the training split's commonest class; None where that is not known."""
        if self.metric != "accuracy":
            return None
        told = ((run.facts or {}).get("majority") or {} for one in self.settings for run in one.runs)
        return next((its[self.split]["accuracy"] for its in told if self.split in its), None)


def some(names: Iterable[str], most: int = 20) -> str:
    """The first names in one line."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def check_same_data(settings: list[Setting], split: str, metric: str) -> None:
    """UserError, naming the runs, unless all have the score, and the same task, classes and number of examples."""
    first, first_folder = settings[0].runs[0], settings[0].folders[0]
    for setting in settings:
        for run, folder in zip(setting.runs, setting.folders, strict=True):
            if split not in run.metrics:
                have = some(run.metrics)
                raise UserError(f"{folder}: has no scores of the split '{split}'; it has {have}")
            scores = run.metrics[split]
            if metric not in scores:
                have = some(scores)
                raise UserError(
                    f"{folder}: has no metric '{metric}' on {split}{nearest(metric, list(scores))}; it has {have}"
                )
            for what, mine, theirs in (
                ("data", dataset_of(run).get("name"), dataset_of(first).get("name")),
                ("labels", dataset_of(run).get("labels"), dataset_of(first).get("labels")),
                (f"number of {split} examples", run.splits.get(split), first.splits.get(split)),
            ):
                if mine != theirs:
                    raise UserError(
                        f"{folder}: other {what} than {first_folder}: {mine} and {theirs}; compare runs of one task"
                    )


def difference(first: Setting, second: Setting, split: str, metric: str, same_examples: bool = True) -> Estimate:
    """Second minus first over the seeds that both have.

    Args:
        same_examples: False where the two were tested on different examples.
    """
    shared = sorted({*first.seeds} & {*second.seeds})
    if not shared:
        raise UserError(
            f"{second.name}: shares no seed with {first.name}: {second.seeds} and {first.seeds}; compare runs of the "
            "same seeds"
        )
    first, second = first.only(shared), second.only(shared)
    pairs = zip(second.values(split, metric), first.values(split, metric), strict=True)
    values = [ours - theirs for ours, theirs in pairs]
    examples = min(setting.runs[0].splits.get(split, 0) for setting in (first, second))
    before = resample(first, split, metric, first)
    # Other examples are other draws.
    after = resample(second, split, metric, first if same_examples else second, SEED + (not same_examples))
    if before is None or after is None:
        return Estimate.of_seeds(values, examples)
    return Estimate.of_resamples(values, after - before, examples)


def level(setting: Setting, split: str, metric: str) -> Estimate:
    """The setting's mean score."""
    values, examples = setting.values(split, metric), setting.runs[0].splits.get(split, 0)
    resampled = resample(setting, split, metric, setting)
    if resampled is None:
        return Estimate.of_seeds(values, examples)
    return Estimate.of_resamples(values, resampled, examples)


def resample(setting: Setting, split: str, metric: str, guide: Setting, seed: int = SEED) -> np.ndarray | None:
    """The scores of a setting's runs under each resample, (resamples, runs); None unless the answers explain them.

    Args:
        guide: its first run has the examples in the order that the draws are made in.
    """
    if setting.answers is None or guide.answers is None or any(split not in one for one in setting.answers):
        return None
    answers = [
        align(one[split], guide.answers[0][split], folder, guide.folders[0])
        for one, folder in zip(setting.answers, setting.folders, strict=True)
    ]
    scores = [make_score(metric, one, dataset_of(setting.runs[0]).get("labels")) for one in answers]
    if None in scores:
        return None
    whole = np.ones((1, len(answers[0].ids)))
    for score, value in zip(scores, setting.values(split, metric), strict=True):
        # A translator's validation score is of words written with the right beginning given; its answers are not.
        if abs(float(score(whole)[0]) - value) > SAME_SCORE:
            return None
    return resampled_scores(scores, len(answers[0].ids), RESAMPLES, seed)


def align(answers: Predictions, guide: Predictions, folder: Path, guide_folder: Path) -> Predictions:
    """The answers in the order of the guide's examples; UserError for other examples, or another label of one."""
    places = {name: place for place, name in enumerate(answers.ids)}
    if places.keys() != set(guide.ids):
        few = len(places.keys() ^ set(guide.ids))
        raise UserError(f"{folder}: other examples than {guide_folder}: {few:,} are in one of them alone")
    order = [places[name] for name in guide.ids]
    labels = [answers.labels[place] for place in order]
    for name, mine, theirs in zip(guide.ids, labels, guide.labels, strict=True):
        if mine != theirs:
            raise UserError(f"{folder}: other labels than {guide_folder}: example {name} is '{mine}' and '{theirs}'")
    return dataclasses.replace(
        answers,
        ids=guide.ids,
        labels=labels,
        predictions=[answers.predictions[place] for place in order],
        probabilities=answers.probabilities and [answers.probabilities[place] for place in order],
    )
