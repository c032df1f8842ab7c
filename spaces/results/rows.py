"""A part's rows in words: numbers, order, verdicts, and the table."""

import html

SORTS = ("score", "trained parameters", "name")


def sort_rows(part: dict, sort: str) -> list[dict]:
    if sort == "name":
        return sorted(part["rows"], key=lambda row: row["setting"])
    if sort == "trained parameters":
        return sorted(part["rows"], key=lambda row: (row["trained"] is None, row["trained"] or 0))
    return sorted(part["rows"], key=lambda row: row["mean"], reverse=part["higher_is_better"])


def kind(part: dict, row: dict) -> str:
    """`baseline`, `better`, `worse`, `unsure`, or `plain` where there is no verdict."""
    if row["setting"] == part["baseline"]:
        return "baseline"
    verdict = next((name for name in ("better", "worse") if row["verdict"].lower().startswith(name)), "unsure")
    return verdict if row["verdict"] else "plain"


def show(value: float) -> str:
    """A score with four decimals, or four digits where that says more."""
    return (f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 100 else f"{value:.4g}").replace("-", "−")


def signed(value: float) -> str:
    return f"{'+' * (value >= 0)}{show(value)}"


def score(row: dict) -> str:
    return show(row["mean"]) + (f" ± {show(row['sd'])}" if row["sd"] is not None else "")


def share(row: dict) -> str:
    return f"{row['trained'] / row['total']:.2%}" if row["trained"] is not None and row["total"] else ""


def difference(row: dict) -> str:
    """The difference to the baseline with its interval."""
    if not row["difference"]:
        return ""
    mean, low, high = (row["difference"][name] for name in ("mean", "low", "high"))
    return signed(mean) + ("" if low is None else f" [{signed(low)}, {signed(high)}]")


def describe(part: dict, row: dict, most: int) -> list[str]:
    """All that is known of a row, and the values of at most `most` seeds."""
    lines = [row["setting"], f"{part['metric_name']} {score(row)}, n = {row['n']}"]
    if row["low"] is not None:
        lines.append(f"95 % interval {show(row['low'])} to {show(row['high'])}")
    if len(row["values"]) > 1:
        seeds = [f"{seed}: {show(value)}" for seed, value in list(row["values"].items())[:most]]
        lines.append(f"seeds {', '.join(seeds)}")
    if row["trained"] is not None:
        lines.append(f"trains {row['trained']:,} parameters{f' ({share(row)})' * bool(share(row))}")
    if row["difference"]:
        lines.append(f"difference to {part['baseline']}: {difference(row)} ({row['difference']['method']})")
    return lines + [row["verdict"]] * bool(row["verdict"])


def table(part: dict, rows: list[dict]) -> str:
    """The rows as an HTML table, without empty columns; on a phone it is folded, and a row takes two lines."""
    columns = {
        "setting": [row["setting"] for row in rows],
        f"{part['metric_name']} ± sd": [score(row) for row in rows],
        "n": [str(row["n"]) for row in rows],
        "trained": ["" if row["trained"] is None else f"{row['trained']:,}" for row in rows],
        "share": [share(row) for row in rows],
        f"difference to {part['baseline']} [95 %]": [difference(row) for row in rows],
        "verdict": [row["verdict"] for row in rows],
    }
    columns = {html.escape(name): map(html.escape, cells) for name, cells in columns.items() if any(cells)}
    head = "".join(f'<th scope="col">{name}</th>' for name in columns)
    body = ""
    for row, cells in zip(rows, zip(*columns.values(), strict=True), strict=True):
        named = zip(columns, cells, strict=True)
        body += f'<tr class="{kind(part, row)}">'
        body += "".join(f'<td data-column="{name}">{cell}</td>' for name, cell in named) + "</tr>"
    fold = '<label class="fold"><input type="checkbox"> Show the table</label>'
    return f'{fold}<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
