"""Examples on which settings differ, or all are wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.errors import UserError
from workbench.escapes import markdown_text
from workbench.files import read_rows

from .comparison import Comparison, Setting, align
from .statistics import mcnemar

RIGHT_OR_WRONG = ("accuracy", "word_accuracy")


@dataclass(frozen=True)
class Example:
    """One example: its text (or its id), its label, each setting's commonest answer and share of right runs."""

    text: str
    label: str
    answers: dict[str, str]
    shares: dict[str, float]

    def __str__(self) -> str:
        answers = "; ".join(
            f"{name}: {answer} ({self.shares[name]:.0%} right)" for name, answer in self.answers.items()
        )
        return f"{self.text}  [{self.label}]  {answers}"


def find_examples(part: Comparison, count: int) -> tuple[list[Example], list[Example]]:
    """Up to `count` examples on which settings differ most, by the share of their runs, and on which all are wrong."""
    shares, answers = {}, {}
    guide = _guide(part)
    for setting in part.settings:
        aligned = _aligned(setting, part)
        right = np.array([[a == b for a, b in zip(one.predictions, one.labels, strict=True)] for one in aligned])
        shares[setting.name] = right.mean(axis=0)
        columns = zip(*(one.predictions for one in aligned), strict=True)
        answers[setting.name] = [max(column, key=column.count) for column in columns]
    texts = _texts(part, guide)
    every = np.stack(list(shares.values()))
    spread = every.max(axis=0) - every.min(axis=0)

    def example(place: int) -> Example:
        its = {name: str(values[place]) for name, values in answers.items()}
        right = {name: float(values[place]) for name, values in shares.items()}
        return Example(texts[place], str(guide.labels[place]), its, right)

    differing = [place for place in np.argsort(-spread, kind="stable") if spread[place] > 0][:count]
    return [example(place) for place in differing], [example(p) for p in np.flatnonzero(every.max(axis=0) == 0)[:count]]


def _guide(part: Comparison):
    if part.metric not in RIGHT_OR_WRONG or any(setting.answers is None for setting in part.settings):
        raise UserError(
            "examples: only of accuracy or word accuracy, and of runs that have kept a predictions.parquet each; "
            "leave --examples out, or train again"
        )
    return part.settings[0].answers[0][part.split]


def _aligned(setting: Setting, part: Comparison):
    guide, folder = part.settings[0].answers[0][part.split], part.settings[0].folders[0]
    return [
        align(one[part.split], guide, its, folder) for one, its in zip(setting.answers, setting.folders, strict=True)
    ]


def _texts(part: Comparison, guide) -> list[str]:
    """The examples' texts from the first run's table of answers, whose rows are in their order; else their ids."""
    folder = part.settings[0].folders[0]
    for name, label in ((f"{part.split}_predictions.tsv", "label"), (f"{part.split}_translations.tsv", "target")):
        if (folder / name).is_file():
            header, *rows = read_rows(folder / name)
            if label in header and len(rows) == len(guide.ids):
                return [" | ".join(row[: header.index(label)]) for row in rows]
    return guide.ids


def pairwise_tests(part: Comparison) -> list[str]:
    """Exact McNemar of each pair of runs with the same seed, a line per setting; none where answers are missing."""
    if part.baseline is None or part.metric not in RIGHT_OR_WRONG:
        return []
    first, lines = part.setting(part.baseline), []
    for setting in part.settings:
        if setting is first or first.answers is None or setting.answers is None:
            continue
        sides = {one.name: dict(zip(one.seeds, _aligned(one, part), strict=True)) for one in (first, setting)}
        shown = []
        for seed in sorted(sides[first.name].keys() & sides[setting.name].keys()):
            before, after = (_right(sides[one.name][seed]) for one in (first, setting))
            won, lost = int((after & ~before).sum()), int((before & ~after).sum())
            shown.append(f"seed {seed} won {won}, lost {lost}, p = {mcnemar(before, after):.3g}")
        names = f"{markdown_text(setting.name)} against {markdown_text(first.name)}"
        lines.append(f"{names}, run by run (exact McNemar): {'; '.join(shown)}.")
    return lines


def _right(answers) -> np.ndarray:
    pairs: Sequence = list(zip(answers.predictions, answers.labels, strict=True))
    return np.array([ours == label for ours, label in pairs])
