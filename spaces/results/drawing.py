"""The parts of a study as HTML: dot plots, whose rows say more when pointed at or focused, each with its table."""

import html
import math
from dataclasses import dataclass

from rows import describe, kind, show, sort_rows, table

MAX_PARTS, OPEN_PARTS, MAX_ROWS, MAX_DOTS = 20, 3, 40, 30
CIRCLE = "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0-5 0Z"
SHAPES = {  # a verdict has a shape beside its colour; each is drawn around the mean
    "baseline": "M-6 0L0-6L6 0L0 6Z",
    "better": "M-6 5L0-6L6 5Z",
    "worse": "M-6-5L0 6L6-5Z",
    "unsure": CIRCLE,
    "plain": CIRCLE,
}
LEFT, RIGHT = "M0 0L7-4V4Z", "M0 0L-7-4V4Z"


@dataclass(frozen=True)
class Axis:
    low: float
    high: float

    @classmethod
    def around(cls, part: dict, rows: list[dict]) -> "Axis":
        """From the lowest to the highest dot, with intervals and reference as far as they leave the dots apart."""
        dots = [value for row in rows for value in (row["mean"], *row["values"].values())]
        low, high = min(dots), max(dots)
        size, spread = max(abs(low), abs(high)), high - low
        if spread <= 1e-9 * size:
            spread = 0.05 * size or 0.05
        ends = [end for row in rows for end in (row["low"], row["high"]) if end is not None]
        ends = [min(max(end, low - spread), high + spread) for end in ends] or [low - spread / 2, high + spread / 2]
        if part["reference"] and low - 2 * spread <= part["reference"]["value"] <= high + 2 * spread:
            ends.append(part["reference"]["value"])
        low, high = min(low, *ends), max(high, *ends)
        margin = 0.04 * max(high - low, 1e-9 * size)
        return cls(low - margin, high + margin)

    def place(self, value: float) -> str:
        """Where a value is, from 0 to 100 %."""
        return f"{100 * min(max((value - self.low) / (self.high - self.low), 0), 1):.2f}%"

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self) -> list[tuple[float, str]]:
        """About five round numbers, and how they are written."""
        raw = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        step = next((digit * power for digit in (1, 2, 5) if digit * power >= raw * 0.99), 10 * power)
        decimals = max(0, -math.floor(math.log10(step)))
        numbers = [index * step for index in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        plain = decimals < 7 and abs(self.high) < 1e7
        return [(number, f"{number:.{decimals}f}" if plain else f"{number:.4g}") for number in numbers]


def draw_parts(parts: list[dict], sort: str) -> str:
    """All parts; the first are open."""
    drawn = [draw_part(part, sort, index < OPEN_PARTS) for index, part in enumerate(parts[:MAX_PARTS])]
    more = f"<p>The first {MAX_PARTS} of {len(parts):,} parts.</p>" * (len(parts) > MAX_PARTS)
    return "".join(drawn) + more or "<p>No runs with a score.</p>"


def draw_part(part: dict, sort: str, is_open: bool) -> str:
    rows = sort_rows(part, sort)
    more = f"<p>The first {MAX_ROWS} of {len(rows):,} settings.</p>" * (len(rows) > MAX_ROWS)
    rows, examples = rows[:MAX_ROWS], "" if part["examples"] is None else f", {part['examples']:,} examples"
    facts = f"{part['metric_name']} on {part['split']}{examples}"
    title = f"<summary><h3>{html.escape(part['name'])}</h3> <span>{html.escape(facts)}</span></summary>"
    body = dot_plot(part, rows) + more + table(part, rows) if rows else "<p>No settings.</p>"
    return f'<details class="part"{" open" * is_open}>{title}{body}</details>'


def dot_plot(part: dict, rows: list[dict]) -> str:
    """Every seed, mean and interval of each setting on one axis, lines for baseline and reference, and a key."""
    axis = Axis.around(part, rows)
    lines = "".join(f'<i style="left:{axis.place(number)}"></i>' for number, _ in axis.ticks())
    lines += "".join(
        f'<i class="{name}" style="left:{axis.place(value)}"></i>'
        for name, value in levels(part, rows).items()
        if axis.holds(value)
    )
    labels = "".join(f'<span style="left:{axis.place(number)}">{label}</span>' for number, label in axis.ticks())
    body = "".join(draw_row(part, row, axis) for row in rows)
    plot = f'<div class="plot"><div class="lines">{lines}</div>{body}<div class="axis">{labels}</div></div>'
    return plot + key(part, rows, axis)


def levels(part: dict, rows: list[dict]) -> dict[str, float]:
    """The vertical lines: the baseline's mean and the reference."""
    means = {row["setting"]: row["mean"] for row in rows}
    baseline = {"baseline": means[part["baseline"]]} if part["baseline"] in means else {}
    return baseline | ({"reference": part["reference"]["value"]} if part["reference"] else {})


def draw_row(part: dict, row: dict, axis: Axis) -> str:
    lines = [html.escape(line) for line in describe(part, row, MAX_DOTS)]
    tip = "".join(f"<span>{line}</span>" for line in lines)
    return (
        f'<div class="row {kind(part, row)}" tabindex="0" role="img" aria-label="{"; ".join(lines)}">'
        f'<b>{lines[0]}</b><svg class="marks" aria-hidden="true">{marks(part, row, axis)}</svg>'
        f'<span class="value">{show(row["mean"])}</span><div class="tip" aria-hidden="true">{tip}</div></div>'
    )


def marks(part: dict, row: dict, axis: Axis) -> str:
    """Interval, with an arrow head where it goes on beyond the axis; seeds, at three heights; and the mean."""
    drawn = ""
    if row["low"] is not None:
        drawn += f'<line x1="{axis.place(row["low"])}" x2="{axis.place(row["high"])}" y1="15" y2="15"/>'
        drawn += mark("0%", LEFT) * (row["low"] < axis.low) + mark("100%", RIGHT) * (row["high"] > axis.high)
    values = list(row["values"].items())[:MAX_DOTS]
    for index, (seed, value) in enumerate(values):
        title = html.escape(f"seed {seed}: {show(value)}")
        height = 15 + 7 * (index % 3 - 1) * (len(values) > 1)
        drawn += f'<circle cx="{axis.place(value)}" cy="{height}" r="3"><title>{title}</title></circle>'
    return drawn + mark(axis.place(row["mean"]), SHAPES[kind(part, row)], "mean")


def mark(place: str, shape: str, name: str = "") -> str:
    return f'<svg x="{place}" y="15"><path class="{name}" d="{shape}"/></svg>'


def key(part: dict, rows: list[dict], axis: Axis) -> str:
    """The meaning of the marks, and the difference that the test could have shown."""
    kinds, seeds = {kind(part, row) for row in rows}, any(len(row["values"]) > 1 for row in rows)
    names = {"plain": "mean", "baseline": f"mean of {part['baseline']}", "unsure": "cannot tell"}
    names |= {"better": "better", "worse": "worse"}
    icons = [(f'<path d="{SHAPES[name]}"/>', said, name) for name, said in names.items() if name in kinds]
    icons += [('<circle r="3"/>', "a seed", "")] * seeds
    icons += [('<line x1="-9" x2="9"/>', "95 % interval of the mean", "")] * any(row["low"] is not None for row in rows)
    box = '<svg width="20" height="14" viewBox="-10 -7 20 14" aria-hidden="true">'
    items = [f'<span class="{name}">{box}{icon}</svg>{html.escape(said)}</span>' for icon, said, name in icons]
    if reference := part["reference"]:
        outside = "" if axis.holds(reference["value"]) else " (beyond the axis)"
        said = html.escape(f"{reference['name']} {show(reference['value'])}{outside}")
        items.append(f'<span class="reference"><i></i>{said}</span>')
    if part["detectable"] is not None:
        items.append(f"<span>smallest difference that could have been shown: {show(part['detectable'])}</span>")
    return f'<p class="key">{"".join(items)}</p>'
