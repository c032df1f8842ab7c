"""A study's figure: every run's score as a dot, with means and intervals, settings sorted."""

from pathlib import Path

from workbench.runs.figures import plain, plt, save_figure

# Of Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = {"better": "#009E73", "worse": "#D55E00", "cannot tell": "#666666", "": "#0072B2"}
REFERENCE = "#999999"
BAND = 0.28


def draw_scores(parts: list[dict], path: Path) -> None:
    """A panel per part of `study.json`; the data beside are the parts themselves."""
    sizes = [len(part["rows"]) for part in parts]
    figure, axes = plt.subplots(
        len(parts),
        1,
        figsize=(9, sum(1.3 + 0.42 * size for size in sizes)),
        height_ratios=[1 + 0.42 * size for size in sizes],
        squeeze=False,
        layout="constrained",
    )
    for axis, part in zip(axes.flat, parts, strict=True):
        _draw_part(axis, part)
    save_figure(figure, path, parts)


def _draw_part(axis, part: dict) -> None:
    rows = sorted(part["rows"], key=lambda row: row["mean"], reverse=not part["higher_is_better"])
    for place, row in enumerate(rows):
        _draw_row(axis, place, row)
    if part["reference"]:
        axis.axvline(part["reference"]["value"], color=REFERENCE, linestyle=":")
        axis.annotate(
            plain(part["reference"]["name"]),
            (part["reference"]["value"], 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=REFERENCE,
        )
    baseline = next((row for row in rows if row["setting"] == part["baseline"]), None)
    if baseline:
        axis.axvline(baseline["mean"], color=COLOURS[""], linewidth=0.8, alpha=0.6)
    axis.set_yticks(range(len(rows)), [plain(row["setting"]) for row in rows])
    axis.set_ylim(-0.6, len(rows) - 0.4)
    counted = f", {part['examples']:,} examples" if part["examples"] else ""
    axis.set_xlabel(plain(f"{part['metric_name']} ({part['split']}{counted})"))
    axis.set_title(plain(part["name"]), loc="left", fontsize=11, pad=16 if part["reference"] else 6)
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)


def _draw_row(axis, place: int, row: dict) -> None:
    """The interval as a line, the mean as a stroke across it and in words, the seeds as dots beside one another."""
    colour = COLOURS.get(row["verdict"], COLOURS[""])
    if row["low"] is not None:
        axis.plot((row["low"], row["high"]), (place, place), color=colour, linewidth=2, alpha=0.45, zorder=1)
    axis.plot((row["mean"],) * 2, (place - BAND, place + BAND), color=colour, linewidth=2.5, zorder=2)
    values = list(row["values"].values())
    step = 2 * BAND * 0.7 / max(1, len(values) - 1)
    heights = [place + (number - (len(values) - 1) / 2) * step for number in range(len(values))]
    axis.scatter(values, heights, s=22, facecolor="white", edgecolor=colour, linewidth=1.2, zorder=3)
    spread = "" if row["sd"] is None else f" ± {row['sd']:.3f}"
    verdict = f"  {row['verdict']}" if row["verdict"] else ""
    axis.annotate(
        f"{row['mean']:.3f}{spread}{verdict}",
        (1, place),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        fontsize=8.5,
        color=colour,
    )
