"""Which way of reusing a pretrained encoder serves which task? Tasks × strategies × seeds, compared seed by seed.

    python scripts/study_strategies.py scripts/recipes/strategies.yaml
    python scripts/study_strategies.py --tasks rte mrpc --strategies full houlsby --seeds 3 --output_dir runs/mine

One run of train_classifier.py per cell, each in a folder of its own; killed and started again, the study goes on, and
`--shard 0/4` gives a quarter of the cells to this machine. At the end: table.md and table.csv (mean ± sd, n, trained
parameters, time and memory, and the difference to full fine-tuning, paired by seed, with its 95 % interval), frozen.md
(frozen against fine-tuned), trade_off.png (score against trained parameters) and README.md, which shows them all.
"""

import re
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.classification.arguments import ClassifierArguments
from workbench.classification.intermediate import check_intermediate
from workbench.data.known_tasks import find_task
from workbench.errors import UserError, run_main
from workbench.strategies.catalogue import check_adapters, find_strategy
from workbench.studies import grid
from workbench.studies.cells import SINGLE_RUN, Cell, StudyArguments, check_axis, shared_options, with_own
from workbench.studies.report import write_study_table

SCRIPT = Path(__file__).parent / "train_classifier.py"
STRATEGIES = "scratch frozen feature_mix full lora houlsby houlsby_unshared houlsby_3shared pfeiffer".split()
AXES = {"task", "strategy"}


@dataclass
class StrategiesArguments(StudyArguments, ClassifierArguments):
    """The settings that are compared; what is not a list or a mapping holds for every run."""

    output_dir: str = option("runs/strategies", "folder of the study: one run per cell, the tables and the figure")
    tasks: list[str] = option(
        list, "tasks by name (default: verbal_arithmetic; with a --train_file, what that file's task is to be called)"
    )
    strategies: list[str] = option(lambda: list(STRATEGIES), "see train_classifier.py --strategy list")
    seeds: int = option(3, "runs per task and strategy, with the seeds that follow the first")
    task_options: dict = option(dict, "in a recipe: task -> options of its runs alone")
    strategy_options: dict = option(dict, "in a recipe: strategy -> options of its runs alone")


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(StrategiesArguments, __doc__, without=SINGLE_RUN | AXES)
    arguments.tasks = arguments.tasks or [Path(arguments.train_file or "verbal_arithmetic").stem]
    check_axes(arguments)
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    points = list(product(arguments.tasks, arguments.strategies))
    options = {point: cell_options(*point, arguments) for point in points}
    for point in points:
        run = ClassifierArguments(**options[point])
        check_adapters(run)
        check_intermediate(run)

    # ---- What is wrong with the data is told before the first run
    for options_of_task in {task: options[task, arguments.strategies[0]] for task in arguments.tasks}.values():
        tell_data(options_of_task)

    # ---- Train: one cell per task, strategy and seed
    cells = [Cell(cell_name(*point, seed), options[point] | {"seed": seed}) for seed in seeds for point in points]
    results = grid.run_grid(SCRIPT, cells, arguments)
    folder = Path(arguments.output_dir)
    if len(results) < len(cells):
        print(f"{len(results)} of {len(cells)} runs are finished: start this again when the other shards are\n{folder}")
        return
    runs = {point: [results[cell_name(*point, seed)] for seed in seeds] for point in points}

    # ---- Tables, figure, and a page that shows them
    from workbench.classification.strategies_study import FORMS, draw_trade_off, frozen_rows, table_rows, write_page

    table = write_study_table(folder / "table", table_rows(runs), FORMS)
    frozen = frozen_rows(runs)
    frozen_table = write_study_table(folder / "frozen", frozen, FORMS) if frozen else ""
    draw_trade_off(runs, folder / "trade_off.png")
    write_page(folder, runs, arguments.model_name_or_path, table, frozen_table)
    print(f"\n{table}\n{frozen_table}")
    for task in arguments.tasks:
        print(describe_majority(task, runs[task, arguments.strategies[0]][0]))
    print(f"README.md, table.md, table.csv, trade_off.png and a folder per run are in\n{folder}")


def describe_majority(task: str, run) -> str:
    """The score of always answering the commonest class, which every other is to be held against; or nothing."""
    from workbench.classification.classwise import describe_scores
    from workbench.classification.strategies_study import reported

    majority, split = run.facts.get("majority"), reported([run])
    if not majority:
        return ""
    return f"{task}, {split}: always '{majority['class']}', commonest in training: {describe_scores(majority[split])}"


def tell_data(options: dict[str, object]) -> None:
    """What is guessed, left out and held out of a task's data; UserError for what is wrong with it."""
    from workbench.data.tasks import TaskArguments, load_task

    data = load_task(TaskArguments(**{item.name: options[item.name] for item in fields(TaskArguments)}))
    for note in data.notes:
        print(f"{data.task.name}: {note}")


def check_axes(arguments: StrategiesArguments) -> None:
    """UserError for an unknown or repeated task or strategy, and for options of one that is not in the study."""
    for name in arguments.tasks if arguments.train_file is None else ():
        find_task(name)
    odd = [name for name in arguments.tasks if not re.fullmatch(r"[\w.-]+", name)]
    if odd:
        raise UserError(
            f"tasks: '{odd[0]}': a name is made of letters, digits, '.', '_' and '-'; files are --train_file"
        )
    if arguments.train_file is not None and len(arguments.tasks) > 1:
        raise UserError(f"tasks: {', '.join(arguments.tasks)}: a --train_file is one task; give it one name or none")
    for name in arguments.strategies:
        find_strategy(name)
    for axis in ("tasks", "strategies"):
        values = getattr(arguments, axis)
        check_axis(arguments, axis, tuple(values))
        extra = set(getattr(arguments, {"tasks": "task_options", "strategies": "strategy_options"}[axis])) - set(values)
        if extra:
            raise UserError(f"options for {sorted(extra)[0]}, which is not among the {axis}: {', '.join(values)}")


def cell_options(task: str, strategy: str, arguments: StrategiesArguments) -> dict[str, object]:
    """What train_classifier.py is told for one task and strategy; the seed comes later."""
    options = shared_options(arguments, ClassifierArguments, without=AXES)
    options |= {"strategy": strategy, "task": task if arguments.train_file is None else None}
    if arguments.train_file is None and find_task(task).generate:
        options["data_dir"] = None
    options["adapters"] = arguments.adapters if find_strategy(strategy).takes_adapters else None
    options["learning_rate"] = options["learning_rate"] or find_strategy(strategy).learning_rate
    own = {**(arguments.task_options.get(task) or {}), **(arguments.strategy_options.get(strategy) or {})}
    return with_own(options, own, ClassifierArguments, f"{task}, {strategy}")


def cell_name(task: str, strategy: str, seed: int) -> str:
    return f"{task}-{strategy.replace(':', '_')}-seed{seed}"


if __name__ == "__main__":
    run_main(main)
