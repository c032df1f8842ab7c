"""Studies: their runs, what was written about them, and means over seeds where nothing was written."""

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from checks import MAX_ITEMS, RESULTS, STUDY, BrokenFileError
from reading import check_picture, find_files, read_object, read_readme, shown
from scipy.special import stdtrit

MAX_RUNS, MAX_FIGURES, MAX_ALL_FIGURES = 3_000, 24, 500
SPLITS = ("validation", "test")  # the later, the better, to take a score from
COSTS = re.compile(r"loss|perplexity|error|distance|(^|_)[cwp]er$")  # the less, the better

Score = tuple[str, str]  # split, metric


@dataclass(frozen=True)
class Run:
    """The values of a `results.json`; a fit's values have the split `fit`."""

    study: str
    name: str
    seed: int
    task: str
    metric: str | None
    values: dict[Score, float]
    trained: int | None
    total: int
    splits: dict[str, int]

    @property
    def setting(self) -> str:
        return re.sub(r"[-_.]?seed[-_=]?\d+", "", self.name) or self.name

    def rows(self) -> list[dict]:
        """A row for each split and metric."""
        facts = {"study": self.study, "run": self.name, "setting": self.setting, "seed": self.seed}
        return [
            {**facts, "split": split, "metric": metric, "value": value, "parameters": self.total}
            for (split, metric), value in self.values.items()
        ]


@dataclass
class Study:
    """A folder of runs, with its `study.json` if it has one, or else its README's title and sentences."""

    name: str
    runs: list[Run] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)
    title: str = ""
    sentences: list[str] = field(default_factory=list)
    written: dict | None = None

    def scores(self) -> list[Score]:
        """All that the runs can be compared by."""
        return sorted({score for run in self.runs for score in run.values})

    def describe(self, score: Score | None = None) -> dict:
        """Title, sentences and parts; the parts are measured from the runs where none are written, or for `score`."""
        content = self.written or {"title": self.title or self.name, "sentences": self.sentences}
        return content if self.written and not score else {**content, "parts": measure_parts(self.runs, score)}


class Library:
    """The studies below a folder, which the page calls `name`, and what was skipped, with the reason."""

    def __init__(self, root: Path, name: str):
        self.root, self.name = root, name
        files, self.skipped = find_files(root)
        self.studies: dict[str, Study] = {}
        by_name = defaultdict(list)
        for path in files:
            by_name["*.png" if path.suffix == ".png" else path.name].append(path)
        self.add(self.add_run, self.limited(by_name["results.json"], MAX_RUNS))
        self.add(self.add_content, self.limited(by_name["study.json"], MAX_RUNS))
        self.add(self.add_readme, by_name["README.md"])
        self.add(self.add_figure, self.limited(by_name["*.png"], MAX_ALL_FIGURES))

    def add(self, add_file, paths: list[Path]) -> None:
        for path in paths:
            try:
                add_file(path)
            except BrokenFileError as error:
                self.skipped.append(f"{shown(self.root, path)}: {error}")

    def limited(self, paths: list[Path], most: int) -> list[Path]:
        if len(paths) > most:
            self.skipped.append(f"{shown(self.root, paths[most])} and later ones: only the first {most:,} are read")
        return paths[:most]

    def name_of(self, folder: Path) -> str:
        """A study's name: its folder's; the root's own is given, as a snapshot's is a commit's id."""
        inside = folder != self.root and folder.is_relative_to(self.root)
        return folder.relative_to(self.root).as_posix() if inside else self.name

    def of(self, folder: Path) -> Study:
        return self.studies.setdefault(self.name_of(folder), Study(self.name_of(folder)))

    def add_run(self, path: Path) -> None:
        content = read_object(path, RESULTS)
        parts = {**content["metrics"], "fit": content["fit"] or {}}
        values = {(split, name): v for split, part in parts.items() for name, v in part.items() if v is not None}
        if len(values) > MAX_ITEMS:
            raise BrokenFileError(f"more than {MAX_ITEMS} scores")
        dataset = (content["facts"] or {}).get("dataset") or {}
        run = Run(
            study=self.name_of(path.parent.parent),
            name=self.name if path.parent == self.root else path.parent.name,
            seed=content["seed"],
            task=dataset.get("name") or "",
            metric=dataset.get("metric"),
            values=values,
            trained=content["parameters"]["trainable"],
            total=content["parameters"]["total"],
            splits=content["splits"] or {},
        )
        self.of(path.parent.parent).runs.append(run)

    def add_content(self, path: Path) -> None:
        content = read_object(path, STUDY)
        self.of(path.parent).written = content

    def add_readme(self, path: Path) -> None:
        study = self.studies.get(self.name_of(path.parent))
        if study and not study.written:
            study.title, study.sentences = read_readme(path)

    def add_figure(self, path: Path) -> None:
        """A figure beside the runs, or in a run's folder."""
        names = (self.name_of(folder) for folder in (path.parent, path.parent.parent))
        study = next((self.studies[name] for name in names if name in self.studies), None)
        if study and len(study.figures) == MAX_FIGURES:
            raise BrokenFileError(f"a study shows {MAX_FIGURES} figures")
        if study:
            check_picture(path)
            study.figures.append(path)


def measure_parts(runs: list[Run], score: Score | None = None) -> list[dict]:
    """A part for each task, in the form of `study.json`; the scores are the tasks' own, or `score`."""
    tasks = defaultdict(list)
    for run in runs:
        if score in run.values if score else run.values:
            tasks[run.task].append(run)
    return [measure_part(task, group, score or own_score(group)) for task, group in tasks.items()]


def own_score(runs: list[Run]) -> Score:
    """The score to compare by: the task's metric or else the first that is no cost, on test if possible."""
    counts = Counter(score for run in runs for score in run.values)
    declared = {run.metric for run in runs}

    def rank(score: Score) -> tuple:
        split, metric = score
        return metric in declared, split != "fit", not COSTS.search(metric), split in SPLITS and SPLITS.index(split) + 1

    return max(counts, key=rank)


def measure_part(task: str, runs: list[Run], score: Score) -> dict:
    settings = defaultdict(list)
    for run in runs:
        if score in run.values:
            settings[run.setting].append(run)
    split, metric = score
    prefix = f"{task}-" if all(name.startswith(f"{task}-") for name in settings) else ""
    return {
        "name": task,
        "split": split,
        "examples": common(run.splits.get(split) for run in runs),
        "metric": metric,
        "metric_name": metric.replace("_", " "),
        "higher_is_better": not COSTS.search(metric),
        "baseline": None,
        "reference": None,
        "detectable": None,
        "rows": [measure_row(name.removeprefix(prefix), group, score) for name, group in settings.items()],
    }


def measure_row(setting: str, runs: list[Run], score: Score) -> dict:
    """Mean, sample standard deviation and Student's 95 % interval of the mean; one run has a mean alone."""
    values = [run.values[score] for run in runs]
    mean, n, sd = statistics.fmean(values), len(values), statistics.stdev(values) if len(values) > 1 else None
    half = None if sd is None else float(stdtrit(n - 1, 0.975)) * sd / n**0.5
    repeated = len({run.seed for run in runs}) < n
    return {
        "setting": setting,
        "runs": [run.name for run in runs],
        "values": {run.name if repeated else str(run.seed): value for run, value in zip(runs, values, strict=True)},
        "mean": mean,
        "sd": sd,
        "n": n,
        "low": None if half is None else mean - half,
        "high": None if half is None else mean + half,
        "trained": common(run.trained for run in runs),
        "total": common(run.total for run in runs),
        "difference": None,
        "verdict": "",
    }


def common(values: Iterable) -> int | None:
    """The one value that all runs share, or None."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def average(rows: list[dict]) -> list[dict]:
    """Mean, sample standard deviation (None for one value) and n over the seeds of each setting, split and metric."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in ("study", "setting", "split", "metric", "parameters"))].append(row["value"])
    return [
        dict(zip(("study", "setting", "split", "metric", "parameters"), key, strict=True))
        | {"mean": statistics.fmean(values), "n": len(values)}
        | {"sd": statistics.stdev(values) if len(values) > 1 else None}
        for key, values in groups.items()
    ]
