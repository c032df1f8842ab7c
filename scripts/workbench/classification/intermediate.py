"""Intermediate training: the encoder learns one task whole before it learns the next, and what it forgets is measured.

Phang et al. 2018, "Sentence Encoders on STILTs". The first stage is a run of its own, in the folder `intermediate`.
Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from workbench.arguments import option
from workbench.data.arguments import TaskArguments
from workbench.data.known_tasks import find_task
from workbench.errors import UserError
from workbench.processes import is_main_process
from workbench.runs.metrics import metric_name
from workbench.runs.results import RunResults
from workbench.strategies.catalogue import find_strategy
from workbench.strategies.encoders import encoder_of, head_names
from workbench.studies.grid import read_finished
from workbench.values import COUNT, EPOCHS, RATE

FOLDER = "intermediate"


@dataclass
class IntermediateArguments:
    """The task before the task."""

    intermediate_task: str | None = option(None, "first fine-tune the whole encoder on this task, then go on from it")
    intermediate_train_file: str | None = option(None, "the same, on labelled texts of your own")
    intermediate_data_dir: str | None = option(None, "folder with that task's usual files", advanced=True)
    intermediate_num_train_epochs: float | None = option(
        None, "its passes over its data (default: num_train_epochs)", advanced=True, **EPOCHS
    )
    intermediate_learning_rate: float | None = option(
        None, "its highest learning rate (default: that of full)", advanced=True, **RATE
    )
    intermediate_max_train_examples: int | None = option(
        None, "train there on so many examples only", advanced=True, **COUNT
    )


def check_intermediate(arguments) -> bool:
    """Whether there is a first stage; UserError if there is one that cannot be, or half of one."""
    given = [item.name for item in fields(IntermediateArguments) if getattr(arguments, item.name) is not None]
    if not arguments.intermediate_task and not arguments.intermediate_train_file:
        if given:
            raise UserError(f"{given[0]} is given, but neither intermediate_task nor intermediate_train_file")
        return False
    if arguments.intermediate_task:
        find_task(arguments.intermediate_task)
    why = find_strategy(arguments.strategy).why_no_first_stage
    if why:
        raise UserError(f"intermediate training changes the encoder, but {arguments.strategy} {why}: choose another")
    return True


def first_stage(arguments):
    """The first stage's `ClassifierArguments`, from the whole run's."""
    first = copy.copy(arguments)
    # What the first stage does not inherit begins at its default: columns, files, class weights, publishing.
    for item in fields(type(arguments)):
        if item.name in NOT_INHERITED:
            setattr(first, item.name, item.default)
    first.output_dir = str(Path(arguments.output_dir) / FOLDER)
    first.strategy, first.resume_from_checkpoint = "full", True
    for name in ("task", "train_file", "data_dir", "max_train_examples"):
        setattr(first, name, getattr(arguments, f"intermediate_{name}"))
    first.learning_rate = arguments.intermediate_learning_rate or find_strategy("full").learning_rate
    if arguments.intermediate_num_train_epochs is not None:
        first.num_train_epochs, first.max_steps = arguments.intermediate_num_train_epochs, -1
    return first


NOT_INHERITED = {item.name for part in (TaskArguments, IntermediateArguments) for item in fields(part)} | {
    *("pooling", "head", "train_pooler", "peft_options", "adapters", "class_weights", "predict"),
    *("submission", "streaming", "augment", "transforms", "strength", "transform_file"),
    *("push_to_hub", "hub_private", "overwrite_output_dir"),
}


def train_first(arguments, data, train: Callable):
    """Runs the first stage with `train`, unless it is finished; every process calls it.

    Args:
        data: the second stage's, whose held-out texts the first must not learn.
        train: trains a classifier as its arguments say, but for texts with given keys.

    Returns:
        A copy of `arguments` whose encoder is the one of the finished first stage.
    """
    from workbench.data.tasks import held_out_keys

    first = first_stage(arguments)
    is_finished = arguments.resume_from_checkpoint and read_finished(Path(first.output_dir)) is not None
    if is_main_process():
        what = first.task or first.train_file
        print(f"First stage, {what}: {'finished, in' if is_finished else 'the whole encoder, in'} {first.output_dir}")
    if not is_finished:
        train(first, held_out_keys(data))
        from accelerate import PartialState

        # The others must not read what the main process is still writing.
        PartialState().wait_for_everyone()
    second = copy.copy(arguments)
    second.model_name_or_path = first.output_dir
    return second


def measure_forgetting(arguments, model) -> dict[str, object]:
    """The second stage's effect on the first stage's task: its first score, on its validation split.

    Args:
        model: the classifier after the second stage; it is given back as it was.

    Returns:
        `task`, `split`, `metric`, `n`, `before` (the first stage's own score), `after` (the same head on the encoder as
        it is now, with whatever the strategy has put into it).
    """
    from workbench.data.tasks import load_task
    from workbench.runs.metrics import label_scores

    from .loading import load_classifier
    from .predict import predict_logits
    from .scoring import answers

    first = first_stage(arguments)
    data = load_task(first)
    earlier, tokenizer = load_classifier(first.output_dir, first.trust_remote_code)
    examples, metric = list(data.splits["validation"]), data.task.metrics[0]
    with under_head(earlier.to(model.device), model) as both:
        logits = predict_logits(both, tokenizer, examples, first.max_length)
    labels = [example["label"] for example in examples]
    after = label_scores((metric,), answers(logits, data.task.is_regression), labels)[metric]
    before = RunResults.read(first.output_dir).metrics["validation"][metric]
    task = {"task": data.task.name, "split": "validation", "metric": metric, "n": len(examples)}
    return task | {"before": before, "after": after}


def describe_forgetting(found: dict) -> str:
    """One line for people."""
    what = f"{metric_name(found['metric'])} on {found['n']:,} validation examples of {found['task']}"
    return f"Forgetting:   {what}: {found['before']:.4f} after the first stage, {found['after']:.4f} now"


@contextmanager
def under_head(earlier, later) -> Iterator:
    """Inside, the classifier `earlier` has its own head and the encoder of `later`; then both are as they were.

    A pooler is part of the head, wherever the family keeps it.
    """
    base = later.get_base_model() if hasattr(later, "get_base_model") else later
    encoder, prefix = encoder_of(base), earlier.base_model_prefix
    own = encoder_of(earlier)
    poolers = [name.removeprefix(f"{prefix}.") for name in head_names(earlier) if name.startswith(f"{prefix}.")]
    kept = {name: getattr(encoder, name, None) for name in poolers}
    try:
        for name in poolers:
            setattr(encoder, name, getattr(own, name))
        setattr(earlier, prefix, encoder)
        later.eval()
        yield earlier.eval()
    finally:
        setattr(earlier, prefix, own)
        for name, pooler in kept.items():
            setattr(encoder, name, pooler)
