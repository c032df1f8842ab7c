"""A part of a study as HTML: a dot plot, whose rows say more when pointed at or focused, and a table."""

import html
import math
from dataclasses import dataclass

MAX_PARTS, OPEN_PARTS, MAX_ROWS, MAX_DOTS = 20, 3, 40, 30
SHAPES = {  # a verdict has a colour and a shape; the shapes reach 6 pixels from their middle
    "better": "M-6 5L0-6L6 5Z",
    "worse": "M-6-5L0 6L6-5Z",
    "baseline": "M-6 0L0-6L6 0L0 6Z",
    "unsure": "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0-5 0Z",
    "plain": "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0-5 0Z",
}
SORTS = ("score", "trained parameters", "name")


@dataclass(frozen=True)
class Axis:
    low: float
    high: float

    @classmethod
    def around(cls, part: dict, rows: list[dict]) -> "Axis":
        """From the lowest to the highest dot, with intervals and reference as far as they leave the dots apart."""
        dots = [value for row in rows for value in (row["mean"], *row["values"].values())]
        low, high = min(dots), max(dots)
        spread = high - low
        if spread <= 1e-9 * max(abs(low), abs(high)):
            spread = 0.05 * max(abs(low), abs(high)) or 0.05
        ends = [end for row in rows for end in (row["low"], row["high"]) if end is not None]
        ends = [min(max(end, low - spread), high + spread) for end in ends] or [low - spread / 2, high + spread / 2]
        if part["reference"] and low - 2 * spread <= part["reference"]["value"] <= high + 2 * spread:
            ends.append(part["reference"]["value"])
        low, high = min(low, *ends), max(high, *ends)
        return cls(low - 0.04 * (high - low), high + 0.04 * (high - low))

    def place(self, value: float) -> str:
        """Where a value is, from 0 to 100 %."""
        return f"{100 * min(max((value - self.low) / (self.high - self.low), 0), 1):.2f}%"

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self) -> list[tuple[float, str]]:
        """About five round numbers, and how they are written."""
        raw = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.99)
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


def sort_rows(part: dict, sort: str) -> list[dict]:
    if sort == "name":
        return sorted(part["rows"], key=lambda row: row["setting"])
    if sort == "trained parameters":
        return sorted(part["rows"], key=lambda row: (row["trained"] is None, row["trained"]))
    return sorted(part["rows"], key=lambda row: row["mean"], reverse=part["higher_is_better"])


def kind(part: dict, row: dict) -> str:
    """Of `SHAPES`, by the row's verdict."""
    if row["setting"] == part["baseline"]:
        return "baseline"
    found = next((name for name in ("better", "worse") if row["verdict"].lower().startswith(name)), "unsure")
    return found if row["verdict"] else "plain"


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
    return (
        f'<div class="plot"><div class="lines">{lines}</div>{body}<div class="axis">{labels}</div></div>'
        f"{key(part, rows, axis)}"
    )


def levels(part: dict, rows: list[dict]) -> dict[str, float]:
    """The vertical lines: the baseline's mean and the reference."""
    baseline = {"baseline": row["mean"] for row in rows if row["setting"] == part["baseline"]}
    return baseline | ({"reference": part["reference"]["value"]} if part["reference"] else {})


def draw_row(part: dict, row: dict, axis: Axis) -> str:
    name, mean = html.escape(row["setting"]), axis.place(row["mean"])
    marks = ""
    if row["low"] is not None:
        marks += f'<line x1="{axis.place(row["low"])}" x2="{axis.place(row["high"])}" y1="15" y2="15"/>'
        marks += "".join(f'<svg x="{x}" y="15"><path d="{d}"/></svg>' for x, d in beyond(row, axis))
    for index, (seed, value) in enumerate(list(row["values"].items())[:MAX_DOTS]):
        title = html.escape(f"seed {seed}: {show(value)}")
        height = 15 + 7 * (index % 3 - 1) if len(row["values"]) > 1 else 15
        marks += f'<circle cx="{axis.place(value)}" cy="{height}" r="3"><title>{title}</title></circle>'
    marks += f'<svg x="{mean}" y="15"><path class="mean" d="{SHAPES[kind(part, row)]}"/></svg>'
    lines = describe(part, row)
    tip = "".join(f"<span>{html.escape(line)}</span>" for line in lines)
    return (
        f'<div class="row {kind(part, row)}" tabindex="0" role="img" aria-label="{html.escape("; ".join(lines))}">'
        f'<b>{name}</b><svg class="marks" aria-hidden="true">{marks}</svg><span class="value">{show(row["mean"])}</span>'
        f'<div class="tip" aria-hidden="true">{tip}</div></div>'
    )


def beyond(row: dict, axis: Axis) -> list[tuple[str, str]]:
    """Arrow heads where an interval goes on beyond the axis."""
    left = [("0%", "M0 0L7-4V4Z")] * (row["low"] < axis.low)
    return left + [("100%", "M0 0L-7-4V4Z")] * (row["high"] > axis.high)


def describe(part: dict, row: dict) -> list[str]:
    """A row in words."""
    lines = [row["setting"], f"{part['metric_name']} {score(row)}, n = {row['n']}"]
    if row["low"] is not None:
        lines.append(f"95 % interval {show(row['low'])} to {show(row['high'])}")
    if len(row["values"]) > 1:
        seeds = [f"{seed}: {show(value)}" for seed, value in list(row["values"].items())[:MAX_DOTS]]
        lines.append(f"seeds {', '.join(seeds)}")
    if row["trained"] is not None:
        lines.append(f"trains {row['trained']:,} parameters{f' ({share(row)})' * bool(share(row))}")
    if row["difference"]:
        lines.append(f"difference to {part['baseline']}: {difference(row)} ({row['difference']['method']})")
    return lines + [row["verdict"]] * bool(row["verdict"])


def key(part: dict, rows: list[dict], axis: Axis) -> str:
    """What the marks mean, and what the test could have shown."""
    kinds, names = {kind(part, row) for row in rows}, {"plain": "mean", "baseline": f"mean of {part['baseline']}"}
    names |= {"better": "better", "worse": "worse", "unsure": "cannot tell"}
    icons = [
        (f'<path class="mean" d="{SHAPES[name]}"/>', html.escape(said), name)
        for name, said in names.items()
        if name in kinds
    ]
    icons += [('<circle r="3"/>', "a seed", "")] * any(len(row["values"]) > 1 for row in rows)
    icons += [('<line x1="-9" x2="9"/>', "95 % interval of the mean", "")] * any(row["low"] is not None for row in rows)
    items = [
        f'<span class="{name}"><svg width="20" height="14" viewBox="-10 -7 20 14" aria-hidden="true">{icon}</svg>{label}</span>'
        for icon, label, name in icons
    ]
    if reference := part["reference"]:
        outside = "" if axis.holds(reference["value"]) else " (beyond the axis)"
        label = html.escape(f"{reference['name']} {show(reference['value'])}{outside}")
        items.append(f'<span class="reference"><i></i>{label}</span>')
    if part["detectable"] is not None:
        items.append(f"<span>smallest difference that could have been shown: {show(part['detectable'])}</span>")
    return f'<p class="key">{"".join(items)}</p>'


def show(value: float) -> str:
    """A score with four decimals, or four digits where that says more."""
    return (f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 100 else f"{value:.4g}").replace("-", "−")


def score(row: dict) -> str:
    return show(row["mean"]) + (f" ± {show(row['sd'])}" if row["sd"] is not None else "")


def share(row: dict) -> str:
    return f"{row['trained'] / row['total']:.2%}" if row["trained"] is not None and row["total"] else ""


def difference(row: dict) -> str:
    """The difference to the baseline with its interval."""
    if not row["difference"]:
        return ""
    mean, low, high = (row["difference"][name] for name in ("mean", "low", "high"))
    interval = "" if low is None else f" [{signed(low)}, {signed(high)}]"
    return f"{signed(mean)}{interval}"


def signed(value: float) -> str:
    return f"{'+' * (value >= 0)}{show(value)}"


def table(part: dict, rows: list[dict]) -> str:
    """The rows as an HTML table, without columns that are empty; on a phone it is folded, and each row takes two lines."""
    columns = {
        "setting": [row["setting"] for row in rows],
        f"{part['metric_name']} ± sd": [score(row) for row in rows],
        "n": [str(row["n"]) for row in rows],
        "trained": ["" if row["trained"] is None else f"{row['trained']:,}" for row in rows],
        "share": [share(row) for row in rows],
        f"difference to {part['baseline']} [95 %]": [difference(row) for row in rows],
        "verdict": [row["verdict"] for row in rows],
    }
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in columns)
    lines = ""
    for row, cells in zip(rows, zip(*columns.values(), strict=True), strict=True):
        written = (
            f'<td data-column="{html.escape(name)}">{html.escape(cell)}</td>'
            for name, cell in zip(columns, cells, strict=True)
        )
        lines += f'<tr class="{kind(part, row)}">{"".join(written)}</tr>'
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    fold = '<label class="fold"><input type="checkbox"> Show the table</label>'
    return f'{fold}<div class="table">{body}</div>'
