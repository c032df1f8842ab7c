"""Train a sentence classifier on a task or on your own file, by any way of reusing a pretrained encoder.

    python scripts/train_classifier.py --task verbal_arithmetic --strategy houlsby --output_dir runs/arithmetic
    python scripts/train_classifier.py --train_file mine.csv --strategy full --seeds 3 --output_dir runs/mine

The first generates its sentences ("four minus ten") and adapts the encoder with Houlsby's adapters; the second guesses
the columns of your file, says which, holds a tenth out for each of validation and test, and trains with three seeds.
Both end with the scores, and leave a folder with the model (an adapter, where one was trained), results.json, curves,
confusion matrix and predictions. `--strategy list` explains the strategies, `--strategy table` counts for an encoder
what each trains (--model_name_or_path); scripts/classify.py uses what was trained.
`--augment 5000 --transforms synonyms typos` also trains on so many transformed examples, and keeps them in a file.
With `--intermediate_task mnli`, the encoder first learns that task whole, and what it then forgets of it is measured.
"""

from collections.abc import Callable
from pathlib import Path

from workbench.arguments import parse_arguments
from workbench.classification.arguments import ClassifierArguments, fill_defaults
from workbench.classification.augmentation import check_augmentation, names_of
from workbench.classification.intermediate import check_intermediate
from workbench.classification.run import train, train_seeds
from workbench.errors import run_main
from workbench.runs.trainer_options import TRAINER_OPTIONS
from workbench.strategies.catalogue import FUSIONS, STRATEGIES, check_adapters


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(ClassifierArguments, __doc__, TRAINER_OPTIONS)
    if arguments.strategy == "list":
        print("\n".join(f"{name:18} {strategy.help}" for name, strategy in (STRATEGIES | FUSIONS).items()))
        return
    if arguments.strategy == "table":
        from workbench.classification.strategy_table import describe_strategies

        print(describe_strategies(arguments))
        return
    for name, value in fill_defaults(vars(arguments)).items():
        setattr(arguments, name, value)
    check_adapters(arguments)
    check_intermediate(arguments)
    make_transforms = find_transforms(arguments) if check_augmentation(arguments) else None
    if arguments.seeds > 1:
        train_seeds(Path(__file__), arguments)
    else:
        train(arguments, make_transforms=make_transforms)


def find_transforms(arguments: ClassifierArguments) -> Callable:
    """What makes the transforms of an augmentation; UserError for one that there is not, or that lacks its data."""
    from workbench.robustness.shifts import make_named

    make_named(names_of(arguments), arguments.strength, arguments.seed)
    return make_named


if __name__ == "__main__":
    run_main(main)
