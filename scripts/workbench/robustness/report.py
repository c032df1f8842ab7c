"""The page of a study of robustness: tables, sentences computed from the numbers, figures, and the worst-hit texts."""

import json
from collections import Counter
from pathlib import Path

from workbench.escapes import markdown_text
from workbench.files import write_whole
from workbench.runs.figures import plain, plt, save_figure
from workbench.runs.metrics import metric_name
from workbench.studies.figures import draw_scores
from workbench.studies.page import FIGURE, STUDY_FILE, sentences, study_content
from workbench.studies.report import Spread, write_study_table
from workbench.studies.statistics import Estimate

from .rows import (
    augmentation_differences,
    augmentation_rows,
    class_rows,
    drops_against,
    main_rows,
    numbers,
)
from .shifts import ORIGINAL, Shift, marked
from .study import BINS, Scores, is_seen, pairs_of_training

# Of Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DROPS, WORST_FILE, ROBUSTNESS_FILE = "drops.png", "worst_hit.md", "robustness.json"
SHARE, SCORE = ".1%", ".4f"


# ---- Sentences


def describe_shifts(shifts: list[Shift], strength: float | None, seed: int) -> list[str]:
    """A line per shift: how many texts it is made of, and how many of them are other ones than before."""
    lines = []
    for shift in shifts:
        counts = Counter(str(example["label"]) for example in shift.examples)
        classes = ", ".join(f"{count:,} {markdown_text(label)}" for label, count in sorted(counts.items())[:8])
        told = f"- {shift.name}: {len(shift.examples):,} texts ({classes})"
        if shift.name != ORIGINAL and shift.is_paired:
            told = f"- {shift.name}: {shift.touched:.1%} of the texts are changed"
        lines.append(told if shift.is_paired else f"{told}, other ones")
    how = "the default strength" if strength is None else f"strength {strength:g}"
    return [*lines, f"\nTransformed once, with {how} and seed {seed}: all runs answer the same texts."]


def flip_sentences(scores: Scores) -> list[str]:
    """What happens to the answers and to the confidence in them, a sentence per setting."""
    told = []
    for name in scores.settings:
        parts = []
        for shift in scores.shifted:
            flips = scores.flips(name, shift)
            if flips:
                changed, lost, won = (
                    Spread.of(getattr(one, field) for one in flips).mean for field in ("changed", "lost", "won")
                )
                parts.append(f"{shift} {changed:.1%} (right to wrong {lost:.1%}, wrong to right {won:.1%})")
        if parts:
            told.append(f"Answers of {name} that change: {'; '.join(parts)}.")
        errors = {shift: scores.calibration(name, shift) for shift in scores.shifts}
        if all(errors.values()):
            shown = ", ".join(f"{error.show('.3f')} on {shift}" for shift, error in errors.items())
            told.append(f"Expected calibration error of {name} ({BINS} bins of equal width): {shown}.")
    return told


def drop_sentences(scores: Scores, baseline: str | None) -> list[str]:
    """Which settings lose more than the baseline, and which less."""
    against = drops_against(scores, baseline)
    lines = []
    for name in dict.fromkeys(setting for setting, _ in against):
        parts = [f"{shift} {its}" for (setting, shift), its in against.items() if setting == name]
        lines.append(f"The drop of {name} less that of {baseline}: {'; '.join(parts)}.")
    return lines


def augmentation_sentences(scores: Scores) -> list[str]:
    """What augmentation does to the score on the original texts, and to each drop, seen and unseen."""
    lines = []
    differences = augmentation_differences(scores)
    for strategy, pair in pairs_of_training(list(scores.settings.values())).items():
        told = scores.settings[pair[1]].runs[0].facts["augmentation"]
        of_strategy = {shift: its for (name, shift), its in differences.items() if name == strategy}
        first = next(iter(of_strategy.values()))[ORIGINAL]
        lines.append(
            f"With {told['examples']:,} transformed examples more ({', '.join(told['transforms'])}), {strategy} scores "
            f"{first} on the original texts."
        )
        for shift, its in of_strategy.items():
            was, now = (scores.drop(name, shift).mean for name in pair)
            seen = "" if is_seen(shift, scores.settings[pair[1]]) else ", which it has not trained on"
            lines.append(
                f"On {shift}{seen}, its drop is {now:+.4f} instead of {was:+.4f}, a difference of {its['drop']}."
            )
    return lines


# ---- The figure and the texts


def draw_drops(scores: Scores, path: Path) -> None:
    """Each setting's drop on each shift: every seed a dot, the mean a stroke, the interval a line."""
    names, shifts = list(scores.settings), scores.shifted
    height = 1.2 + len(shifts) * (0.35 + 0.26 * len(names))
    figure, axis = plt.subplots(figsize=(9, height), layout="constrained")
    data, step = [], 0.8 / len(names)
    for row, shift in enumerate(shifts):
        for place, name in enumerate(names):
            drop, y = scores.drop(name, shift), row - 0.4 + step * (place + 0.5)
            before = scores.values(name, ORIGINAL)
            seeds = {seed: value - before[seed] for seed, value in scores.values(name, shift).items()}
            _draw_drop(
                axis, y, step, drop, list(seeds.values()), COLOURS[place % len(COLOURS)], name if row == 0 else None
            )
            low, high = drop.interval or (None, None)
            point = {"setting": name, "texts": shift, "mean": drop.mean, "low": low, "high": high}
            data.append(point | {"seeds": {str(seed): value for seed, value in seeds.items()}})
    axis.axvline(0, color="#999999", linewidth=0.8)
    axis.set_yticks(range(len(shifts)), list(map(plain, shifts)))
    axis.set_ylim(len(shifts) - 0.45, -0.55)
    axis.set_xlabel(
        f"change of {metric_name(scores.metric)} against the original texts ({scores.split}; every seed a dot)"
    )
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)
    if len(names) > 1:
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    save_figure(figure, path, data)


def _draw_drop(axis, y: float, step: float, drop: Estimate, seeds: list[float], colour: str, label: str | None) -> None:
    if drop.interval:
        # No difference of two shares is beyond 1.
        axis.plot(
            [min(1.0, max(-1.0, end)) for end in drop.interval], (y, y), color=colour, linewidth=2, alpha=0.4, zorder=1
        )
    axis.plot(
        (drop.mean,) * 2,
        (y - step * 0.35, y + step * 0.35),
        color=colour,
        linewidth=2.5,
        zorder=2,
        label=label and plain(label),
    )
    heights = [y + step * 0.4 * (place / max(1, len(seeds) - 1) - 0.5) for place in range(len(seeds))]
    axis.scatter(seeds, heights, s=18, facecolor="white", edgecolor=colour, linewidth=1.1, zorder=3)


def worst_hit(scores: Scores, shift: Shift, count: int) -> list[str]:
    """Lines of Markdown: texts that were answered right before the shift and wrong after it, the changes marked."""
    base, guide = scores.shifts[ORIGINAL], scores.answers(next(iter(scores.settings)), ORIGINAL)[0].ids
    places = {name: place for place, name in enumerate(base.ids)}
    runs = sum(len(setting.runs) for setting in scores.settings.values())
    lines = []
    for place, loss in scores.worst(shift.name, count):
        at = places[guide[place]]
        before, after = base.examples[at], shift.examples[at]
        parts = [marked(before[name], after[name]) for name in ("text", "pair") if name in before]
        texts = " / ".join(map(markdown_text, parts))
        lines.append(f"- ({markdown_text(str(before['label']))}; {loss * runs:.0f} of {runs} runs lost it) {texts}")
    return lines


def write_worst(folder: Path, scores: Scores, count: int) -> bool:
    """Writes the worst-hit texts of each shift; whether there are any. They are the data's, so they stand apart."""
    parts = {
        shift: worst_hit(scores, scores.shifts[shift], count)
        for shift in scores.shifted
        if scores.shifts[shift].is_paired
    }
    parts = {shift: lines for shift, lines in parts.items() if lines}
    if not parts or not count:
        return False
    text = "\n\n".join(f"## {shift}\n\n" + "\n".join(lines) for shift, lines in parts.items())
    note = "Answered right before and wrong after, those first that most runs lost; `[before→after]` are the changes."
    write_whole(folder / WORST_FILE, f"# The worst-hit texts\n\n{note}\n\n{text}\n")
    return True


# ---- The page


def write_page(folder: Path, title: str, intro: str, scores: Scores, baseline: str | None, worst: int) -> str:
    """Writes README.md, study.json, robustness.json, tables, figures, the worst-hit texts; returns the main table."""
    parts, forms = (
        list(scores.comparisons.values()),
        dict.fromkeys(("changed", "right to wrong", "wrong to right"), SHARE),
    )
    rows = main_rows(scores, baseline)
    score = list(rows[0])[2]
    table = write_study_table(folder / "table", rows, forms | {score: SCORE, "calibration error": ".3f"})
    text = sentences(parts) + flip_sentences(scores) + drop_sentences(scores, baseline) + augmentation_sentences(scores)
    content = study_content(title, text, parts)
    draw_scores(content["parts"], folder / FIGURE)
    draw_drops(scores, folder / DROPS)
    write_whole(folder / STUDY_FILE, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    page = [f"# {title}", intro, "\n\n".join(text), f"![Drop of every setting on every shift]({DROPS})", table]
    classes = class_rows(scores)
    if classes:
        recall = write_study_table(folder / "classes", classes, dict.fromkeys(scores.shifts, ".3f"))
        page.append(f"## Class by class\n\nRecall:\n\n{recall}")
    augmented = augmentation_rows(scores)
    if augmented:
        shown = write_study_table(folder / "augmentation", augmented, {ORIGINAL: SCORE, "these texts": SCORE})
        page.append(f"## Training on transformed examples too\n\n{shown}")
    page.append(f"![Scores of every seed]({FIGURE})")
    if worst and write_worst(folder, scores, worst):
        page.append(f"The texts that were hit worst are in [{WORST_FILE}]({WORST_FILE}).")
    write_whole(folder / "README.md", "\n\n".join(part.strip() for part in page if part) + "\n")
    write_whole(folder / ROBUSTNESS_FILE, json.dumps(numbers(scores, baseline), indent=1, ensure_ascii=False) + "\n")
    return table
