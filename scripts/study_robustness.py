"""What do changed texts cost each way of reusing an encoder, and what does training on changed texts buy back?

    python scripts/study_robustness.py scripts/recipes/imdb_robustness.yaml
    python scripts/study_robustness.py --runs full='runs/imdb-full-seed*' lora='runs/imdb-lora-seed*' --transforms typos

The first trains DistilBERT on IMDB with three seeds, without and with 5,000 transformed examples more; the second takes
runs that are there. The texts of the test split are transformed once, and all runs answer the same ones. At the end:
README.md with the drops, their 95 % intervals and verdicts, flipped answers, calibration and the 2 × 2 of augmentation,
the tables and figures that it shows, study.json, robustness.json, and the worst-hit texts with the changes marked.
`--transforms typos synonyms typos+synonyms` is three test sets; `--ood_file books=books.tsv` adds other texts.
Killed and started again, the study goes on; `--shard 0/4` gives a quarter of the runs to this machine.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.classification.arguments import ClassifierArguments, fill_defaults
from workbench.classification.augmentation import names_of
from workbench.errors import UserError, run_main
from workbench.strategies.catalogue import check_adapters, find_strategy
from workbench.studies.cells import SINGLE_RUN, StudyArguments, check_axis, shared_options, with_own

SCRIPT = Path(__file__).parent / "train_classifier.py"
# What the training script takes one of and the study a list, and what is one run's alone.
AXES = {"strategy", "augment", "transforms", "strength", "transform_file"}
AUGMENTED = "augmented"


@dataclass
class RobustnessArguments(StudyArguments, ClassifierArguments):
    """Which runs, and what becomes of their test texts; what is not a list or a mapping holds for every run."""

    output_dir: str = option(
        "runs/robustness", "folder of the study: runs, answers, tables and figures", output="folder"
    )
    runs: list[str] = option(list, "trained runs instead of training any: folders, globs or NAME=GLOB, a setting each")
    strategies: list[str] = option(lambda: ["full"], "what to train, see train_classifier.py --strategy list")
    seeds: int = option(3, "runs per strategy, with the seeds that follow the first")
    strategy_options: dict[str, dict] = option(dict, "in a recipe: strategy -> options of its runs alone")
    transforms: list[str] | None = option(
        lambda: ["typos"], "test sets of transformed texts, and what --augment draws from; with + one after the other"
    )
    unseen_transforms: list[str] = option(list, "test sets of transforms that --augment does not draw from")
    transform_seed: int = option(0, "of the test texts' transforms", minimum=0, maximum=2**32 - 1)
    ood_file: list[str] = option(list, "NAME=PATH of labelled texts from elsewhere, one or several")
    max_test_examples: int | None = option(
        None, "so many examples of the test split, the classes in their proportions", minimum=2, maximum=10**9
    )
    baseline: str | None = option(None, "the setting whose drop the others' are compared with (default: full)")
    worst: int = option(
        5, "show so many of the texts that each transform hit worst (0: none)", minimum=0, maximum=10**6
    )


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(RobustnessArguments, __doc__, without=SINGLE_RUN | {"strategy"})
    names = check_arguments(arguments)
    from workbench.robustness.shifts import make_named

    for name in names:
        make_named(name.split("+"), arguments.strength, arguments.transform_seed)

    # ---- Runs
    from workbench.studies.selection import read_settings

    folder = Path(arguments.output_dir)
    settings = read_settings(arguments.runs) if arguments.runs else train(arguments)
    if settings is None:
        return
    baseline = choose_baseline(arguments.baseline, [setting.name for setting in settings])

    # ---- Test sets: the same texts for all runs
    from workbench.classification.shifted import answer_all
    from workbench.robustness import report

    split, metric, shifts = make_shifts(arguments, settings, names)
    for shift in shifts:
        print(f"{shift.name}: {len(shift.ids):,} texts")

    # ---- Answers
    settings = answer_all(settings, shifts, split, folder, arguments.shard)
    if settings is None:
        return

    # ---- Tables, figures, and a page that shows them
    from workbench.robustness.study import Scores
    from workbench.studies.comparison import dataset_of

    scores = Scores(settings, shifts, split, metric)
    task = dataset_of(settings[0].runs[0]).get("name", "texts")
    intro = "\n".join(report.describe_shifts(shifts, arguments.strength, arguments.transform_seed))
    print(
        f"\n{report.write_page(folder, f'What changed texts cost on {task}', intro, scores, baseline, arguments.worst)}"
    )
    print("README.md, study.json, robustness.json, tables, figures and a folder of answers per run are in")
    print(folder)


def check_arguments(arguments: RobustnessArguments) -> list[str]:
    """The names of the transformed test sets; UserError for options that exclude each other, or are none."""
    for name in ("transforms", "unseen_transforms"):
        given = getattr(arguments, name) or []
        setattr(arguments, name, [part for value in given for part in value.split(",") if part])
    own = [arguments.transform_file] if arguments.transform_file else []
    names = list(dict.fromkeys([*arguments.transforms, *own, *arguments.unseen_transforms]))
    both = set(names_of(arguments)) & {part for name in arguments.unseen_transforms for part in name.split("+")}
    if both:
        raise UserError(f"unseen_transforms: {min(both)} is among --transforms, which --augment draws from")
    for pair in arguments.ood_file:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise UserError(f"ood_file: '{pair}'; give NAME=PATH, as in books=books.tsv")
    if not names and not arguments.ood_file:
        raise UserError("no test set: give --transforms or --ood_file")
    if arguments.runs and arguments.augment:
        raise UserError("augment: with --runs nothing is trained; give runs that were trained with --augment")
    if not arguments.runs:
        check_axis(arguments, "strategies", tuple(arguments.strategies))
        for name in arguments.strategies:
            find_strategy(name)
    return names


def train(arguments: RobustnessArguments):
    """The settings, a run per seed each, without and with augmentation; None while other machines are at work."""
    from workbench.classification.augmentation import check_augmentation
    from workbench.classification.run import read_data
    from workbench.studies.study import run_study

    options = {}
    for strategy in arguments.strategies:
        options[strategy] = run_options(arguments, strategy)
        if arguments.augment is not None:
            told = {name: getattr(arguments, name) for name in ("augment", "strength", "transform_file")}
            own = {"transforms": [name for name in names_of(arguments) if name != arguments.transform_file]}
            options[f"{strategy}-{AUGMENTED}"] = options[strategy] | told | own
    for its in options.values():
        run = ClassifierArguments(**its)
        check_adapters(run)
        check_augmentation(run)
    # What is wrong with the data is told before the first run.
    data, _ = read_data(ClassifierArguments(**options[arguments.strategies[0]]))
    print(*data.notes, sep="\n")
    found = run_study(SCRIPT, list(options), lambda name, _: options[name], arguments)
    return None if found is None else list(found.values())


def run_options(arguments: RobustnessArguments, strategy: str) -> dict[str, object]:
    """The options of train_classifier.py for a strategy without augmentation; the seed comes later."""
    options = (
        shared_options(arguments, ClassifierArguments, without=AXES) | dict.fromkeys(AXES) | {"strategy": strategy}
    )
    own = arguments.strategy_options.get(strategy)
    return with_own(fill_defaults(options), own, ClassifierArguments, strategy)


def choose_baseline(name: str | None, names: list[str]) -> str | None:
    """The setting that others are compared with; UserError for a name that none has."""
    if name is not None and name not in names:
        raise UserError(f"baseline: no setting is called '{name}'; they are {', '.join(names)}")
    return name or ("full" if "full" in names else names[0])


def make_shifts(arguments: RobustnessArguments, settings: list, names: list[str]) -> tuple[str, str, list]:
    """The split that the runs are tested on, its metric, and the test sets, the original one first."""
    from tqdm import tqdm

    from workbench.classification.evaluation import held_out, label_names_of, read_labelled, task_options
    from workbench.robustness.shifts import original, other_texts, transformed
    from workbench.runs.folder import read_run_config
    from workbench.studies.comparison import check_same_data, default_metric, default_split

    first = settings[0].runs[0]
    split = default_split(first)
    metric = default_metric(first, split)
    check_same_data(settings, split, metric)
    _, _, examples = held_out(task_options(read_run_config(settings[0].folders[0])), split)
    label_names = label_names_of(first)
    shifts = [original(examples, arguments.max_test_examples, not label_names)]
    for name in names:
        progress = partial(tqdm, desc=name, unit="text", disable=None)
        shifts.append(transformed(shifts[0], name, arguments.strength, arguments.transform_seed, progress))
    for pair in arguments.ood_file:
        name, _, path = pair.partition("=")
        shifts.append(other_texts(name, read_labelled(path, label_names)))
    return split, metric, shifts


if __name__ == "__main__":
    run_main(main)
