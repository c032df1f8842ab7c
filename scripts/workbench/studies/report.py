"""What a study says: tables, and sentences computed from numbers."""

import dataclasses
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workbench.escapes import NUMERIC, markdown_text, one_line, spreadsheet_cell
from workbench.files import write_whole
from workbench.runs.results import RunResults


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (nan for one value) over n seeds."""

    mean: float
    sd: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        values = list(values)
        sd = statistics.stdev(values) if len(values) > 1 else float("nan")
        return cls(statistics.fmean(values), sd, len(values))

    def show(self, form: str = ".3f") -> str:
        """The mean in the format `form`, with ± sd if there is one."""
        return format(self.mean, form) + (f" ± {format(self.sd, form)}" if self.n > 1 else "")


@dataclass(frozen=True)
class ScoreColumn:
    """A column of a study's table: `metrics[split][metric]` of each run, and the format to show it in."""

    name: str
    split: str
    metric: str
    form: str

    def values(self, runs: list[RunResults]) -> list[float]:
        return [run.metrics[self.split][self.metric] for run in runs]

    def change(self, before: list[RunResults], after: list[RunResults]) -> str:
        """ "lowered the NAME from X to Y" and the difference paired by seed; both lists have the seeds in one order."""
        old, new = self.values(before), self.values(after)
        moved = Spread.of(b - a for a, b in zip(old, new, strict=True))
        x, y = Spread.of(old).show(self.form), Spread.of(new).show(self.form)
        if x == y:
            return f"left the {self.name} at {y}"
        text = f"{'lowered' if moved.mean < 0 else 'raised'} the {self.name} from {x} to {y}"
        paired = f" (paired difference {moved.mean:+{self.form}} ± {moved.sd:{self.form}})" if moved.n > 1 else ""
        return text + paired


def pair_along(runs: dict, axis: str, values: list, where: str) -> dict[str, tuple[list, list]]:
    """The runs at the first and at the last of an axis's values, all else equal.

    Args:
        runs: setting (a dataclass with the field `axis`) -> runs.
        where: names a pair, by `{s.field}` of the setting.
    """
    return {
        where.format(s=setting): (found, runs[dataclasses.replace(setting, **{axis: values[-1]})])
        for setting, found in runs.items()
        if getattr(setting, axis) == values[0] != values[-1]
    }


def describe_effect(cause: str, cases: dict[str, tuple[list, list]], scores: tuple[ScoreColumn, ...]) -> str:
    """A sentence on what one change did to the scores.

    Args:
        cause: the change, as the sentence's subject.
        cases: where -> the runs before and after, each in the order of the seeds.
    """
    seeds = len(next(iter(cases.values()))[0])
    told = [f"{' and '.join(score.change(*pair) for score in scores)} {where}" for where, pair in cases.items()]
    return f"{cause} {'; '.join(told)} (n = {seeds} {'seed' if seeds == 1 else 'seeds'} each)."


def write_study_table(path: Path, rows: list[dict[str, object]], forms: dict[str, str]) -> str:
    """Writes `path`.csv with full precision and `path`.md with formatted values, each whole or not at all.

    No name in them is a spreadsheet's formula, nor Markdown.

    Args:
        rows: one dictionary per row, all with the same keys; a `Spread` becomes three columns (mean, sd, n) in CSV.
        forms: column -> format of its numbers in Markdown.

    Returns:
        The Markdown table.
    """
    import csv
    import io

    flat = [{key: value for name, cell in row.items() for key, value in _columns(name, cell)} for row in rows]
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for row in flat for name in row))
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writerow({name: _safe(name) for name in names})
    writer.writerows({name: _safe(cell) for name, cell in row.items()} for row in flat)
    write_whole(path.with_suffix(".csv"), buffer.getvalue())
    table = markdown_table(rows, forms)
    write_whole(path.with_suffix(".md"), table)
    return table


def markdown_table(rows: list[dict[str, object]], forms: dict[str, str]) -> str:
    """The rows with their numbers formatted; see `write_study_table`."""
    words = {name for name in rows[0] if all(isinstance(row[name], str) for row in rows)}
    lines = [list(map(markdown_text, rows[0])), ["---" if name in words else "---:" for name in rows[0]]]
    lines += [[_shown(cell, forms.get(name, "")) for name, cell in row.items()] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _columns(name: str, cell) -> list[tuple[str, object]]:
    if not isinstance(cell, Spread):
        return [(name, cell)]
    return [(name, cell.mean), (f"{name} sd", cell.sd if cell.n > 1 else ""), (f"{name} n", cell.n)]


def _safe(cell):
    return spreadsheet_cell(one_line(cell)) if isinstance(cell, str) else cell


def _shown(cell, form: str) -> str:
    if isinstance(cell, str):
        return cell if NUMERIC.fullmatch(cell) else markdown_text(cell)
    return cell.show(form) if isinstance(cell, Spread) else format(cell, form)
