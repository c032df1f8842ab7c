"""What comes before a classifier is trained: its data and its model; and the runs over several seeds.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

from dataclasses import asdict, fields
from pathlib import Path

from workbench.errors import UserError
from workbench.runs.folder import FREE_OPTIONS
from workbench.studies import grid
from workbench.studies.cells import Cell, StudyArguments
from workbench.studies.report import Spread, write_study_table

from .arguments import ClassifierArguments


def read_data(arguments: ClassifierArguments, held_out: frozenset[str] = frozenset()):
    """The task's data, and the new texts of `--predict`; UserError for options that do not fit them."""
    from workbench.data import tasks
    from workbench.data.new_texts import read_texts
    from workbench.strategies.fusion import read_members

    from .report import check_submission

    data = tasks.leave_out(tasks.load_task(arguments), held_out)
    if arguments.submission:
        check_submission(data)
    if arguments.class_weights and data.task.is_regression:
        raise UserError(f"class_weights: {data.task.name} has numbers to predict, no classes")
    if arguments.adapters:
        read_members(arguments)
    if not arguments.predict:
        return data, []
    columns = (arguments.text_column, arguments.pair_column)
    return data, read_texts(arguments.predict, *columns, data.task, data.notes)


def build_model(arguments: ClassifierArguments, data):
    """The tokenizer and the classifier; UserError for an encoder that there is not, or that does not fit."""
    from .batches import set_length
    from .model import build_classifier, load_base_tokenizer

    tokenizer = load_base_tokenizer(arguments)
    model = build_classifier(arguments, data.label_names, data.task.is_regression, arguments.seed)
    set_length(arguments.max_length, model, tokenizer)
    return tokenizer, model


def train_seeds(script: Path, arguments: ClassifierArguments) -> None:
    """One run of the script per seed, each in a process and a folder of its own, and the table of their scores."""
    if arguments.push_to_hub:
        raise UserError("push_to_hub: publish one of the runs when all are done, with scripts/publish.py")
    # ---- What is wrong with data or encoder is told before the first run
    data, _ = read_data(arguments)
    build_model(arguments, data)
    for note in data.notes:
        print(note)

    # ---- Train: one cell per seed
    apart = FREE_OPTIONS - {"report_to"} | {"seed", "seeds"}
    options = {name: value for name, value in asdict(arguments).items() if name not in apart}
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    cells = [Cell(f"seed{seed}", {**options, **arguments.extra, "seed": seed}) for seed in seeds]
    names = [item.name for item in fields(StudyArguments) if hasattr(arguments, item.name)]
    study = StudyArguments(**{name: getattr(arguments, name) for name in names})
    if arguments.overwrite_output_dir:
        grid.discard(cells, study)
        study.resume_from_checkpoint = True  # the other files of the folder stay
    runs = list(grid.run_grid(script, cells, study).values())
    names = [(split, name) for split in runs[0].metrics for name in runs[0].metrics[split]]
    rows = [
        {"split": split, "score": name, "value": Spread.of(run.metrics[split][name] for run in runs)}
        for split, name in names
    ]
    print("\n" + write_study_table(Path(arguments.output_dir) / "table", rows, {"value": ".4f"}))
    print(f"Mean ± sample standard deviation over {len(runs)} seeds; table.md, table.csv and a folder per seed are in")
    print(arguments.output_dir)
