"""Write the tables of README.md from the studies that this repository carries, so that no number in it is typed.

    python scripts/update_readme.py
    python scripts/update_readme.py --check

README.md has a block per study, from `<!-- study NAME -->` to `<!-- end -->`; between them comes a table made from
spaces/results/studies/NAME: study.json, which a study or scripts/compare.py writes, and its runs' results.json, which
know the machine, the threads and the date. The second writes nothing, and fails if README.md says something else.
"""

import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"<!-- study (?P<name>[\w.-]+) -->\n.*?<!-- end -->", re.DOTALL)
SHARES = ("accuracy", "word_accuracy")


@dataclass
class ReadmeArguments:
    """The file with the tables, and the studies."""

    readme: str = option(str(ROOT / "README.md"), "the file with the blocks")
    studies: str = option(str(ROOT / "spaces" / "results" / "studies"), "folder of the studies")
    check: bool = option(False, "write nothing; fail if the file would change")


def main() -> None:
    arguments = parse_arguments(ReadmeArguments, __doc__)
    path = Path(arguments.readme)
    try:
        before = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot read this file: {error}") from error
    after = BLOCK.sub(lambda block: write_block(block["name"], Path(arguments.studies)), before)
    if arguments.check and after != before:
        raise UserError(f"{path}: its tables are not those of the studies; run python scripts/update_readme.py")
    if not arguments.check:
        write_whole(path, after)
    names = ", ".join(block["name"] for block in BLOCK.finditer(after)) or "none"
    print(f"Tables {'of' if arguments.check else 'written from'} the studies {names}\n{path}")


def write_block(name: str, studies: Path) -> str:
    """The block of one study: its table, and below it n, splits, machine and date."""
    from workbench.runs.schema import read_json

    folder = studies / name
    try:
        study = read_json(folder / "study.json")
        parts = study["parts"]
        settings = list(dict.fromkeys(row["setting"] for part in parts for row in part["rows"]))
        rows = [table_row(setting, parts, folder) for setting in settings]
        header = ["", "trained", *(heading(part) for part in parts), "seconds of training"]
        lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
        table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return f"<!-- study {name} -->\n{table}\n{describe(parts, folder)}\n<!-- end -->"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, OverflowError) as error:
        raise UserError(f"{folder}: cannot make a table of this study: {type(error).__name__}: {error}") from error


def heading(part: dict) -> str:
    """A column: task, score, split, and what it is compared with."""
    against = f", difference to {part['baseline']} [95 %]" if part["baseline"] else ""
    return f"{part['name']}: {part['metric_name']}, {part['split']}{against}"


def table_row(setting: str, parts: list[dict], folder: Path) -> list[str]:
    """A setting's line: trained share, its scores and verdicts, and the median seconds of training."""
    own = [next((row for row in part["rows"] if row["setting"] == setting), None) for part in parts]
    known = next(row for row in own if row is not None)
    share = f"{known['trained'] / known['total']:.2%}" if known.get("trained") and known.get("total") else ""
    seconds = [read_run(folder, run)["seconds"]["train"] for row in own if row for run in row["runs"]]
    cells = [score_cell(part, row) if row else "" for part, row in zip(parts, own, strict=True)]
    return [setting, share, *cells, f"{statistics.median(seconds):,.0f}"]


def score_cell(part: dict, row: dict) -> str:
    """Mean ± sd; and the difference with its interval and the verdict, where there is a baseline."""
    scale, form, unit = (100, ".2f", " %") if part["metric"] in SHARES else (1, ".4f", "")
    spread = f" ± {row['sd'] * scale:{form}}" if row["sd"] is not None else ""
    text = f"{row['mean'] * scale:{form}}{spread}{unit}"
    difference = row["difference"]
    if not difference:
        return text
    interval = (
        ""
        if difference["low"] is None
        else f" [{difference['low'] * scale:+{form}}, {difference['high'] * scale:+{form}}]"
    )
    return f"{text}; {difference['mean'] * scale:+{form}}{interval}: {row['verdict']}"


def describe(parts: list[dict], folder: Path) -> str:
    """A sentence on seeds, examples, majority class, machine and date."""
    runs = [read_run(folder, run) for part in parts for row in part["rows"] for run in row["runs"]]
    seeds = sorted({run["seed"] for run in runs})
    machines = sorted({machine(run) for run in runs})
    dates = sorted({run["facts"]["date"] for run in runs})
    told = [f"Seeds {', '.join(map(str, seeds))}, mean ± sample standard deviation"]
    for part in parts:
        examples = f"{part['examples']:,} {part['split']} examples" if part.get("examples") else part["split"]
        reference = part.get("reference")
        always = f", of which the {reference['name']} is {reference['value']:.1%}" if reference else ""
        told.append(f"{part['name']}: {examples}{always}")
    period = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"{'; '.join(told)}. Measured on {' and '.join(machines)}, {period}."


def machine(run: dict) -> str:
    hardware = run["facts"]["hardware"]
    threads = f", {hardware['threads']} thread(s)" if "threads" in hardware else ""
    return f"{hardware['processor']} ({hardware['cores']} cores{threads})"


def read_run(folder: Path, run: str) -> dict:
    from workbench.runs.schema import read_json

    return read_json(folder / run / "results.json")


if __name__ == "__main__":
    run_main(main)
