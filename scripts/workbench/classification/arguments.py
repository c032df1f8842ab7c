"""The options of a classifier's run, which the scripts that train classifiers share."""

from dataclasses import dataclass

from workbench.arguments import OptimisationArguments, RunArguments, option
from workbench.data.arguments import TaskArguments
from workbench.data.known_tasks import Task, find_task
from workbench.hub.push import PushArguments
from workbench.strategies.arguments import StrategyArguments
from workbench.strategies.catalogue import find_strategy
from workbench.values import LENGTH, SEEDS

from .augmentation import AugmentationArguments
from .intermediate import IntermediateArguments


@dataclass
class ClassifierArguments(
    TaskArguments,
    StrategyArguments,
    AugmentationArguments,
    IntermediateArguments,
    OptimisationArguments,
    RunArguments,
    PushArguments,
):
    """This training: length of the texts, seeds, and what else it writes."""

    output_dir: str = option("runs/classifier", "folder of this run: model, results.json, config.yaml, figures")
    seeds: int = option(
        1, "train so many times, with the seeds that follow the first, and tell mean and deviation", **SEEDS
    )
    max_length: int | None = option(
        None, "tokens per example; what is longer is cut off (default: 128, for imdb 512)", **LENGTH
    )
    num_train_epochs: float = option(10.0, "passes over the training split; the best one on validation counts")
    train_batch_size: int = option(32, "examples per optimiser step, over all processes together")
    eval_batch_size: int = option(128, "examples per evaluation batch, over all processes together")
    learning_rate: float | None = option(None, "highest learning rate (default: the strategy's, see --strategy list)")
    lr_scheduler_type: str = option("linear", "shape of its decay: linear, cosine, constant, …")
    warmup_steps: int | None = option(
        None, "steps of linear rise to the highest rate; at most, and by default, a tenth"
    )
    weight_decay: float = option(0.0, "AdamW's decoupled weight decay; at 0 it is Adam")
    adam_beta2: float = option(0.999, "Adam's second moment decay")
    class_weights: bool = option(False, "weigh each example by the rarity of its class")
    predict: str | None = option(None, "a file of new texts to write the answers for, into predictions.tsv")
    streaming: bool = option(
        False,
        "read the training split as it is needed, never whole: takes --train_file, --validation_file and --max_steps",
        advanced=True,
    )
    submission: bool = option(False, "write the GLUE server's file for the task's unlabelled test split")


def fill_defaults(options: dict) -> dict:
    """The options with what depends on others: the strategy's learning rate, and the length that the task needs."""
    length = find_task(options["task"]).max_length if options["task"] else Task.max_length
    rate = find_strategy(options["strategy"]).learning_rate
    given = {"learning_rate": options["learning_rate"] or rate, "max_length": options["max_length"] or length}
    return options | given
