"""Is one setting better than another? Runs compared seed by seed and example by example, with a verdict.

    python scripts/compare.py runs/full runs/lora
    python scripts/compare.py full='runs/study/rte-full-seed*' lora='runs/study/rte-lora-seed*' --output_dir runs/said

Each argument is a setting: a run's folder, a folder with a run per seed, a study's setting (runs/study/rte-full) or a
glob of runs, with a name and = before it or not. The first is the baseline. Prints a table with the difference to the
baseline, its 95 % interval and a verdict (better, worse or cannot tell), and what could have been detected; --examples
adds examples on which the settings differ, and --output_dir keeps all that with a figure, as README.md and study.json.
"""

from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, nearest, run_main


@dataclass
class CompareArguments:
    """Everything that the script can be told."""

    settings: list[str] = option(list, "the settings, the baseline first; FOLDER, GLOB or NAME=GLOB", positional=True)
    baseline: str | None = option(None, "name of the setting that the others are compared with (default: the first)")
    split: str | None = option(None, "validation or test (default: test where it has scores)")
    metric: str | None = option(None, "by which score (default: the task's first)")
    output_dir: str | None = option(
        None, "folder for README.md, table.md, table.csv, study.json and the figure", output="folder"
    )
    title: str | None = option(None, "title of the page (default: from the task's name)")
    examples: int = option(
        0, "show so many examples that the settings differ on, and that all are wrong on", minimum=0, maximum=10**6
    )


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(CompareArguments, __doc__)
    if not arguments.settings:
        raise UserError("no runs given: name two or more settings, as in compare.py runs/full runs/lora")
    folder = open_folder(arguments.output_dir) if arguments.output_dir else None

    # ---- Compare (heavy imports come after parsing, so that --help is quick)
    from workbench.escapes import markdown_text
    from workbench.studies.comparison import Comparison, dataset_of
    from workbench.studies.disagreements import find_examples, pairwise_tests
    from workbench.studies.page import FORMS, sentences, table_rows, write_study
    from workbench.studies.report import markdown_table
    from workbench.studies.selection import read_settings

    settings = read_settings(arguments.settings)
    task = dataset_of(settings[0].runs[0]).get("name", "runs")
    baseline = choose_baseline(arguments.baseline, [setting.name for setting in settings])
    part = Comparison.of(task, settings, baseline, arguments.split or "", arguments.metric or "")
    differing, wrong = find_examples(part, arguments.examples) if arguments.examples else ([], [])

    # ---- Report
    print(markdown_table(table_rows([part], "setting"), FORMS))
    print("\n\n".join([*sentences([part]), *pairwise_tests(part)]))
    for title, examples in (("The settings differ on", differing), ("All are wrong on", wrong)):
        if examples:
            print(f"\n{title}:", *examples, sep="\n  ")
    if folder is not None:
        names = " and ".join([", ".join(one.name for one in settings[:-1]), settings[-1].name]).removeprefix(" and ")
        title = arguments.title or markdown_text(f"{task}: {names}")
        write_study(folder, title, [part], more=tuple(pairwise_tests(part)))
        print(f"\nREADME.md, table.md, table.csv, study.json, scores.png and scores.json are in\n{folder}")


def open_folder(name: str) -> Path:
    """The folder for the page, made if it is new; UserError if it cannot be, or holds another page than a study's."""
    folder = Path(name)
    if (folder / "README.md").exists() and not (folder / "study.json").exists():
        raise UserError(f"{folder}: its README.md is not a comparison's and stays; choose another --output_dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror}") from error
    return folder


def choose_baseline(name: str | None, names: list[str]) -> str | None:
    """The baseline's name; None for one setting alone; UserError for a name that no setting has."""
    if name is not None and name not in names:
        raise UserError(f"baseline: no setting is called '{name}'{nearest(name, names)}; they are {', '.join(names)}")
    return None if len(names) < 2 else name or names[0]


if __name__ == "__main__":
    run_main(main)
