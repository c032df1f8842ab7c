"""Which way of reusing a pretrained encoder serves which task? Encoders × tasks × strategies × seeds, with verdicts.

    python scripts/study_strategies.py scripts/recipes/strategies.yaml
    python scripts/study_strategies.py --tasks rte mrpc --strategies full houlsby --seeds 3 --output_dir runs/mine

One run of train_classifier.py per cell, each in a folder of its own; killed and started again, the study goes on, and
`--shard 0/4` gives a quarter of the cells to this machine. At the end: table.md and table.csv (mean ± sd, n, the
difference to full fine-tuning with its 95 % interval and a verdict, trained parameters, time and memory), scores.png
(every seed), trade_off.png (score against trained parameters), study.json, and README.md, which shows them all.
`--model_name_or_path a b c` compares encoders: what their pretraining data do is then one command.
"""

import re
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.classification.arguments import ClassifierArguments, fill_defaults
from workbench.classification.intermediate import check_intermediate
from workbench.data.known_tasks import find_task
from workbench.errors import UserError, run_main
from workbench.strategies.catalogue import check_adapters, find_strategy
from workbench.studies.cells import SINGLE_RUN, StudyArguments, check_axis, shared_options, with_own
from workbench.studies.study import run_study

SCRIPT = Path(__file__).parent / "train_classifier.py"
STRATEGIES = "scratch frozen feature_mix full lora houlsby houlsby_unshared houlsby_3shared pfeiffer".split()
# What the training script takes one of, and the study a list.
AXES = {"task", "strategy"}


@dataclass
class StrategiesArguments(StudyArguments, ClassifierArguments):
    """The settings that are compared; what is not a list or a mapping holds for every run."""

    output_dir: str = option("runs/strategies", "folder of the study: one run per cell, the tables and the figure")
    tasks: list[str] = option(
        list, "tasks by name (default: verbal_arithmetic; with a --train_file, what that file's task is to be called)"
    )
    model_name_or_path: list[str] = option(
        lambda: ["bert-base-uncased"], "one encoder, or several to compare: folders, or names on the Hub"
    )
    strategies: list[str] = option(lambda: list(STRATEGIES), "see train_classifier.py --strategy list")
    seeds: int = option(3, "runs per task and strategy, with the seeds that follow the first")
    task_options: dict[str, dict] = option(dict, "in a recipe: task -> options of its runs alone")
    strategy_options: dict[str, dict] = option(dict, "in a recipe: strategy -> options of its runs alone")


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(StrategiesArguments, __doc__, without=SINGLE_RUN | AXES)
    arguments.tasks = arguments.tasks or [Path(arguments.train_file or "verbal_arithmetic").stem]
    check_axes(arguments)
    points = list(product(arguments.model_name_or_path, arguments.tasks, arguments.strategies))
    options = {point: cell_options(*point, arguments) for point in points}
    for point in points:
        run = ClassifierArguments(**options[point])
        check_adapters(run)
        check_intermediate(run)

    # ---- What is wrong with the data is told before the first run
    for task in arguments.tasks:
        tell_data(options[arguments.model_name_or_path[0], task, arguments.strategies[0]])

    # ---- Train: one run per encoder, task, strategy and seed
    names = {point: point_name(*point, arguments) for point in points}
    by_name = {names[point]: options[point] for point in points}
    found = run_study(SCRIPT, list(by_name), lambda name, _: by_name[name], arguments)
    if found is None:
        return
    tasks = {task: [] for task in arguments.tasks}
    for model, task, strategy in points:
        setting = found[names[model, task, strategy]]
        setting.name = setting_name(model, strategy, arguments)
        tasks[task].append(setting)

    # ---- Tables, figures, and a page that shows them
    from workbench.classification.strategies_study import compare_tasks, write_page

    folder = Path(arguments.output_dir)
    print(f"\n{write_page(folder, arguments.model_name_or_path, compare_tasks(tasks))}")
    print("README.md, study.json, table.md, table.csv, scores.png, trade_off.png and a folder per run are in")
    print(folder)


def tell_data(options: dict[str, object]) -> None:
    """Prints the guesses, and what is left out and held out of a task's data; UserError for a fault in it."""
    from workbench.data.arguments import TaskArguments
    from workbench.data.tasks import load_task

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
    models = [Path(model).name for model in arguments.model_name_or_path]
    if not models or len(set(models)) < len(models):
        raise UserError(f"model_name_or_path: got {models}; give one encoder or more, each once, by names that differ")
    for axis in ("tasks", "strategies"):
        values = getattr(arguments, axis)
        check_axis(arguments, axis, tuple(values))
        extra = set(getattr(arguments, {"tasks": "task_options", "strategies": "strategy_options"}[axis])) - set(values)
        if extra:
            raise UserError(f"options for {sorted(extra)[0]}, which is not among the {axis}: {', '.join(values)}")


def cell_options(model: str, task: str, strategy: str, arguments: StrategiesArguments) -> dict[str, object]:
    """The options of train_classifier.py for one encoder, task and strategy; the seed comes later."""
    options = shared_options(arguments, ClassifierArguments, without=AXES)
    options |= {"model_name_or_path": model, "strategy": strategy}
    options["task"] = task if arguments.train_file is None else None
    if arguments.train_file is None and find_task(task).generate:
        options["data_dir"] = None
    options["adapters"] = arguments.adapters if find_strategy(strategy).takes_adapters else None
    own = {**arguments.task_options.get(task, {}), **arguments.strategy_options.get(strategy, {})}
    return with_own(fill_defaults(options), own, ClassifierArguments, f"{task}, {strategy}")


def point_name(model: str, task: str, strategy: str, arguments: StrategiesArguments) -> str:
    """The beginning of the runs' folders' names; the encoder is in it where there are several."""
    parts = [task, strategy]
    return "-".join(parts if len(arguments.model_name_or_path) == 1 else [Path(model).name, *parts])


def setting_name(model: str, strategy: str, arguments: StrategiesArguments) -> str:
    return strategy if len(arguments.model_name_or_path) == 1 else f"{Path(model).name}: {strategy}"


if __name__ == "__main__":
    run_main(main)
