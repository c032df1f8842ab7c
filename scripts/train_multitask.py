"""Train one sentence encoder on several tasks at once, with a head for each.

    python scripts/train_multitask.py --tasks rte mrpc stsb --data_dir glue --output_dir runs/three
    python scripts/train_multitask.py --tasks verbal_arithmetic mine.csv --temperature 5 --output_dir runs/two

A task is a name that train_classifier.py knows, or a file of your own. Each batch is of one task, drawn with a chance
∝ (its examples)^(1 / temperature): at 1 by size, the higher the more evenly. The epoch counts whose mean over the
tasks' first metrics is best on validation. Prints every task's scores; leaves a classifier per task, OUTPUT_DIR/TASK,
that transformers and scripts/classify.py load, with results.json and curves.png beside.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from workbench.arguments import OptimisationArguments, RunArguments, convert_options, option, parse_arguments
from workbench.data.known_tasks import TASKS, find_task
from workbench.errors import UserError, run_main
from workbench.runs.trainer_options import TRAINER_OPTIONS
from workbench.strategies.arguments import POOLINGS, StrategyArguments
from workbench.values import DROPOUT, LENGTH


@dataclass
class MultiTaskArguments(RunArguments, OptimisationArguments):
    """The tasks, the encoder that they share, and how it is trained."""

    tasks: list[str] = option(list, f"two or more of {', '.join(TASKS)}, or labelled files (CSV, TSV, …)")
    data_dir: str | None = option(None, "folder with the tasks' usual files (default: their data sets on the Hub)")
    task_options: dict[str, dict] = option(
        dict, "in a recipe: task -> its data_dir, text_column, max_train_examples, …"
    )
    temperature: float = option(
        2.0, "1: batches by the tasks' sizes; the higher, the more evenly", above=0, maximum=10**6
    )
    model_name_or_path: str = option("bert-base-uncased", "pretrained encoder: a folder, or its name on the Hub")
    pooling: str = option("cls", "the heads read the first token's state, or the mean over all", choices=POOLINGS)
    classifier_dropout: float | None = option(None, "dropout in the heads, instead of the encoder's own", **DROPOUT)
    trust_remote_code: bool = option(False, "run the code that the encoder's repository brings")
    output_dir: str = option("runs/multitask", "folder of this run: a classifier per task, results.json, curves")
    max_length: int = option(128, "tokens per example; what is longer is cut off", **LENGTH)
    num_train_epochs: float = option(10.0, "times as many batches as all training splits together make")
    train_batch_size: int = option(32, "examples per optimiser step, over all processes together")
    eval_batch_size: int = option(128, "examples per evaluation batch, over all processes together")
    learning_rate: float = option(2e-5, "highest learning rate")
    lr_scheduler_type: str = option("linear", "shape of its decay: linear, cosine, constant, …")
    warmup_steps: int | None = option(
        None, "steps of linear rise to the highest rate; at most, and by default, a tenth"
    )
    weight_decay: float = option(0.0, "AdamW's decoupled weight decay; at 0 it is Adam")
    adam_beta2: float = option(0.999, "Adam's second moment decay")


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(MultiTaskArguments, __doc__, TRAINER_OPTIONS)
    check_tasks(arguments)

    # ---- Seed, data and run folder (heavy imports come after parsing, so that --help is quick)
    from transformers import set_seed

    from workbench.classification import multitask
    from workbench.classification.batches import encode_examples, set_length
    from workbench.classification.classwise import describe_scores
    from workbench.classification.model import build_classifier, load_base_tokenizer, save_classifier
    from workbench.data.tasks import held_out_keys, leave_out, load_task
    from workbench.processes import is_main_process
    from workbench.runs import facts, predictions, results
    from workbench.runs.figures import plot_curves
    from workbench.runs.folder import open_run
    from workbench.runs.hardware import peak_memory_mib
    from workbench.runs.trainer import make_trainer, make_training_arguments

    set_seed(arguments.seed)
    loaded = {task_name(asked): load_task(task_arguments(asked, arguments)) for asked in arguments.tasks}
    held_out = held_out_keys(*loaded.values())
    data = {name: leave_out(found, held_out) for name, found in loaded.items()}
    say = print if is_main_process() else lambda *_: None
    for name, found in data.items():
        for note in found.notes:
            say(f"{name}: {note}")

    # ---- Tokenizer and model
    names = [item.name for item in fields(StrategyArguments) if hasattr(arguments, item.name)]
    encoder = StrategyArguments(strategy="full", **{name: getattr(arguments, name) for name in names})
    tokenizer = load_base_tokenizer(encoder)
    model = multitask.MultiTaskClassifier(
        {
            name: build_classifier(encoder, found.label_names, found.task.is_regression, arguments.seed)
            for name, found in data.items()
        }
    )
    set_length(arguments.max_length, model, tokenizer)
    encoded = {
        name: {
            split: encode_examples(examples, tokenizer, arguments.max_length)
            for split, examples in found.splits.items()
        }
        for name, found in data.items()
    }
    splits = multitask.join_examples(data, encoded)
    parameters = results.count_parameters(model)
    shares = multitask.shares([len(parts["train"]) for parts in encoded.values()], arguments.temperature)
    drawn = ", ".join(f"{name} {share:.1%}" for name, share in zip(data, shares, strict=True))
    say(f"{parameters['total']:,} parameters, all trained; of the batches: {drawn}")

    # ---- Trainer
    training_arguments = make_training_arguments(
        arguments,
        len(splits["train"]),
        label_names=["labels", "task"],
        metric_for_best_model=multitask.MEAN,
        greater_is_better=True,
        # A batch counts examples, not tokens: transformers 5 would multiply the loss by the number of processes.
        average_tokens_across_devices=False,
        # In a step, only one task's head has gradients.
        ddp_find_unused_parameters=True,
    )
    folder = open_run(arguments)
    collector = facts.FactsCollector({"name": ", ".join(data), "columns": ["text", "label"]})
    trainer = make_trainer(
        arguments,
        training_arguments,
        model,
        tokenizer,
        multitask.TaskCollator(tokenizer),
        splits,
        trainer_class=multitask.MultiTaskTrainer,
        temperature=arguments.temperature,
        compute_metrics=multitask.score_tasks(data),
        callbacks=[collector],
    )

    # ---- Train
    trainer.fit()
    seconds = {"train": trainer.seconds, "epoch": trainer.seconds / max(1.0, trainer.state.epoch or 0.0)}

    # ---- Evaluate: with the epoch's weights that validation chose; the test splits are read once
    held_out = [name for name in ("validation", "test") if name in splits]
    outcomes = {name: trainer.predict(splits[name], metric_key_prefix=name) for name in held_out}
    if not is_main_process():
        return

    # ---- Save: a classifier per task
    for name, classifier in zip(data, model.classifiers, strict=True):
        save_classifier(classifier, tokenizer, folder / name)
    for name, given in multitask.collect_task_answers(data, outcomes).items():
        predictions.write_predictions(folder / name, given)
    metrics = {split: multitask.own_scores(split, outcome.metrics) for split, outcome in outcomes.items()}
    sizes = {name: len(examples) for name, examples in splits.items()}
    told = collector.facts() | {
        "tasks": {name: {split: len(part) for split, part in parts.items()} for name, parts in encoded.items()},
        "shares": dict(zip(data, shares, strict=True)),
        "peak_memory_mib": peak_memory_mib(),
    }
    results.RunResults(metrics, sizes, parameters, seconds, arguments.seed, facts=told).write(folder)
    title = f"{', '.join(data)}, seed {arguments.seed}"
    plot_curves(trainer.state.log_history, folder / "curves.png", title, multitask.MEAN, "mean over the examples")

    # ---- Report
    for split, scores in metrics.items():
        print(f"{split.capitalize()} split, {sizes[split]:,} examples: {describe_scores(scores)}")
    print(f"{seconds['train']:.0f} s of training; the weights are those of the best evaluation on validation")
    print(f'Try it:       python scripts/classify.py {folder / next(iter(data))} "a sentence of yours"')
    print(f"A classifier per task ({', '.join(data)}), results.json and curves.png are in {folder}")


def check_tasks(arguments: MultiTaskArguments) -> None:
    """Splits tasks at commas; UserError unless there are two or more, each known, each once, and the rest fits."""
    arguments.tasks = [name for part in arguments.tasks for name in part.split(",") if name]
    names = [task_name(asked) for asked in arguments.tasks]
    if len(set(names)) < max(2, len(names)):
        raise UserError(f"tasks: got {arguments.tasks}; give two or more, each once (files by different names)")
    unknown = sorted(set(arguments.task_options) - set(names))
    if unknown:
        raise UserError(f"task_options: '{unknown[0]}' is not among the tasks: {', '.join(names)}")


def task_name(asked: str) -> str:
    """A registered task's name, or a file's without its ending; UserError for neither."""
    return Path(asked).stem if Path(asked).is_file() else find_task(asked).name


def task_arguments(asked: str, arguments: MultiTaskArguments):
    """The `TaskArguments` of one task; UserError for an option that there is not."""
    from workbench.data.arguments import TaskArguments

    if Path(asked).is_file():
        options: dict = {"train_file": asked}
    else:
        options = {"task": asked, "data_dir": None if find_task(asked).generate else arguments.data_dir}
    own = arguments.task_options.get(task_name(asked), {})
    unknown = sorted(set(own) - {item.name for item in fields(TaskArguments)})
    if unknown:
        raise UserError(f"task_options: {task_name(asked)}: there is no option '{unknown[0]}'")
    try:
        return TaskArguments(**(options | convert_options(TaskArguments, own)))
    except UserError as error:
        raise UserError(f"task_options: {task_name(asked)}: {error}") from error


if __name__ == "__main__":
    run_main(main)
