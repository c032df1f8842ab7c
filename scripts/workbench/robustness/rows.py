"""What a study of robustness tells, in rows: of each setting and shift, of the classes, and of augmentation."""

import dataclasses

from workbench.runs.metrics import metric_name
from workbench.studies.page import show_difference
from workbench.studies.report import Spread
from workbench.studies.statistics import Estimate

from .shifts import ORIGINAL
from .study import Scores, is_seen, pairs_of_training


@dataclasses.dataclass(frozen=True)
class Judged:
    """A difference with its verdict, which is corrected for the number of those that stand together."""

    estimate: Estimate
    verdict: str

    def __str__(self) -> str:
        return f"{show_difference(self.estimate)}: {self.verdict}"

    @property
    def content(self) -> dict:
        low, high = self.estimate.interval or (None, None)
        return {"mean": self.estimate.mean, "low": low, "high": high, "verdict": self.verdict}


def judge(scores: Scores, estimates: dict) -> dict:
    """The same, each with its verdict."""
    return dict(zip(estimates, map(Judged, estimates.values(), scores.judge(list(estimates.values()))), strict=True))


def main_rows(scores: Scores, baseline: str | None) -> list[dict[str, object]]:
    """A row per setting and shift: score, drop, that drop beside the baseline's, flipped answers, calibration error."""
    score = f"{metric_name(scores.metric)}, {scores.split}"
    beside = f"drop less {baseline}'s [95 %]"
    against = drops_against(scores, baseline)
    rows = []
    for name, part in scores.comparisons.items():
        for shift in scores.shifts:
            row = {"setting": name, "texts": shift, score: scores.spread(name, shift), "n": len(part.settings[0].seeds)}
            row |= {
                "drop [95 %]": show_difference(part.differences.get(shift)),
                "verdict": part.verdicts.get(shift, ""),
            }
            if against:
                row[beside] = str(against.get((name, shift), ""))
            flips = scores.flips(name, shift) if shift != ORIGINAL else None
            for title, field in (("changed", "changed"), ("right to wrong", "lost"), ("wrong to right", "won")):
                row[title] = Spread.of(getattr(one, field) for one in flips) if flips else ""
            rows.append(row | {"calibration error": scores.calibration(name, shift) or ""})
    return rows


def drops_against(scores: Scores, baseline: str | None) -> dict[tuple[str, str], Judged]:
    """(setting, shift) -> its drop less the baseline's; of settings that were trained alike."""
    augmented = {pair[1] for pair in pairs_of_training(list(scores.settings.values())).values()}
    others = [name for name in scores.settings if name != baseline and name not in augmented]
    if baseline is None or not others:
        return {}
    found = {
        (name, shift): scores.drop_difference(baseline, name, shift) for name in others for shift in scores.shifted
    }
    return judge(scores, found)


def class_rows(scores: Scores) -> list[dict[str, object]]:
    """A row per setting and class: how many examples of the split have it, and its recall on each; none for numbers."""
    if not scores.has_classes:
        return []
    rows = []
    for name in scores.settings:
        found = {shift: scores.class_recall(name, shift) for shift in scores.shifts}
        for label, (count, _) in found[ORIGINAL].items():
            recalls = {shift: its[label][1] if label in its else "" for shift, its in found.items()}
            rows.append({"setting": name, "class": str(label), "examples": count, **recalls})
    return rows


def augmentation_rows(scores: Scores) -> list[dict[str, object]]:
    """A row per strategy, shift and training: the 2 × 2 of {original, augmented} × {original, transformed}."""
    rows = []
    for strategy, pair in pairs_of_training(list(scores.settings.values())).items():
        for shift in scores.shifted:
            for training, name in zip(("original", "augmented"), pair, strict=True):
                row = {
                    "strategy": str(strategy),
                    "texts": shift,
                    "in the augmentation": seen_word(scores, pair[1], shift),
                }
                row |= {"training": training, ORIGINAL: scores.spread(name, ORIGINAL)}
                rows.append(
                    row | {"these texts": scores.spread(name, shift), "drop": show_difference(scores.drop(name, shift))}
                )
    return rows


def seen_word(scores: Scores, name: str, shift: str) -> str:
    return "yes" if is_seen(shift, scores.settings[name]) else "no"


def augmentation_differences(scores: Scores) -> dict[tuple[str, str], dict[str, Judged]]:
    """(strategy, shift) -> what augmentation changes: on the original texts, on these, and in the drop between them.

    The verdicts of a strategy are corrected together.
    """
    found = {}
    for strategy, (plain_name, name) in pairs_of_training(list(scores.settings.values())).items():
        estimates = {}
        for shift in scores.shifted:
            estimates[shift, "these texts"] = scores.contrast((1, name, shift), (-1, plain_name, shift))
            estimates[shift, "drop"] = scores.drop_difference(plain_name, name, shift)
        estimates[None, ORIGINAL] = scores.contrast((1, name, ORIGINAL), (-1, plain_name, ORIGINAL))
        judged = judge(scores, estimates)
        for shift in scores.shifted:
            parts = {key[1]: its for key, its in judged.items() if key[0] == shift}
            found[strategy, shift] = {ORIGINAL: judged[None, ORIGINAL], **parts}
    return found


def numbers(scores: Scores, baseline: str | None) -> dict:
    """Everything that the tables show, for other programs."""
    shifts = {
        name: {"examples": len(its.ids), "paired": its.is_paired, "digest": its.digest}
        for name, its in scores.shifts.items()
    }
    against = drops_against(scores, baseline)
    rows = []
    for name, part in scores.comparisons.items():
        for shift in scores.shifts:
            row = {
                "setting": name,
                "texts": shift,
                "values": {str(seed): v for seed, v in scores.values(name, shift).items()},
            }
            error = scores.calibration(name, shift)
            row["calibration_error"] = error and error.mean
            if shift != ORIGINAL:
                row["drop"] = Judged(part.differences[shift], part.verdicts[shift]).content
                row["flips"] = [dataclasses.asdict(one) for one in scores.flips(name, shift) or ()]
            if (name, shift) in against:
                row["drop_less_baselines"] = against[name, shift].content
            rows.append(row)
    differences = {
        f"{strategy}, {shift}": {kind: its.content for kind, its in parts.items()}
        for (strategy, shift), parts in augmentation_differences(scores).items()
    }
    told = {"split": scores.split, "metric": scores.metric, "baseline": baseline, "shifts": shifts, "rows": rows}
    return told | ({"augmentation": differences} if differences else {})
