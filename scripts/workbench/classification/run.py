"""A classifier's run: its data and its model, the training, what it leaves; and the runs over several seeds.

Heavy libraries are imported inside the functions, so that scripts answer `--help` at once.
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path

from workbench.errors import UserError
from workbench.hub.push import check_before_training, publish_run
from workbench.runs.folder import FREE_OPTIONS
from workbench.strategies.catalogue import find_strategy
from workbench.studies import grid
from workbench.studies.cells import Cell, StudyArguments
from workbench.studies.report import Spread, write_study_table

from . import augmentation, intermediate
from .arguments import ClassifierArguments


def read_data(arguments: ClassifierArguments, held_out: frozenset[str] = frozenset()):
    """The task's data, and the new texts of `--predict`; UserError for options that do not fit them."""
    from workbench.data import streams, tasks
    from workbench.data.new_texts import read_texts
    from workbench.strategies.fusion import read_members

    from .report import check_submission

    if arguments.streaming:
        _check_streaming(arguments)
        data = streams.load_stream(arguments, arguments.seed)
    else:
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


def _check_streaming(arguments: ClassifierArguments) -> None:
    """UserError for what a training split that is not read whole cannot have: epochs, and shares of its classes."""
    if arguments.max_steps < 1:
        raise UserError("streaming: give --max_steps; nobody knows how long a split is that is not read whole")
    for name in ("class_weights", "lr_decay_per_epoch"):
        if getattr(arguments, name):
            raise UserError(f"{name}: not with streaming, for the training split is not read whole")
    if arguments.extra.get("eval_strategy", "steps") != "steps":
        raise UserError("eval_strategy: with streaming, steps: the training split has no end that is known")


def build_model(arguments: ClassifierArguments, data):
    """The tokenizer and the classifier; UserError for an encoder that there is not, or that does not fit."""
    from .batches import set_length
    from .model import build_classifier, load_base_tokenizer

    tokenizer = load_base_tokenizer(arguments)
    model = build_classifier(arguments, data.label_names, data.task.is_regression, arguments.seed)
    set_length(arguments.max_length, model, tokenizer)
    return tokenizer, model


def train(
    arguments: ClassifierArguments, held_out: frozenset[str] = frozenset(), make_transforms: Callable | None = None
) -> None:
    """One run, from its arguments to its folder; texts with the keys `held_out` are not trained on.

    Args:
        make_transforms: of `augmentation.augment`, where examples are to be added.
    """
    # ---- Seed and run folder (heavy imports come after parsing, so that --help is quick)
    from transformers import set_seed

    from workbench.hub import packages
    from workbench.processes import is_main_process
    from workbench.runs import facts, predictions, results
    from workbench.runs.folder import open_run
    from workbench.runs.hardware import peak_memory_mib, reset_peak_memory
    from workbench.runs.trainer import WorkbenchTrainer, column, make_trainer, make_training_arguments

    from .batches import TextCollator, encode_examples
    from .model import save_classifier
    from .predict import collect_answers, predict_logits, write_predictions
    from .report import (
        collect_metrics,
        describe_start,
        describe_task,
        draw_figures,
        print_scores,
        score_majority,
        submit,
        write_outcomes,
    )
    from .scoring import class_weights, logits_of, score_predictions, weighted_loss

    check_before_training(arguments)
    set_seed(arguments.seed)
    say = print if is_main_process() else lambda *_: None
    strategy = find_strategy(arguments.strategy)
    has_first_stage = intermediate.check_intermediate(arguments)

    # ---- Data, tokenizer and model: what is wrong with them is told before anything is written
    data, new_texts = read_data(arguments, held_out)
    added: list[dict] = []
    if augmentation.check_augmentation(arguments):
        data, added = augmentation.augment(data, arguments, make_transforms)
    tokenizer, model = build_model(arguments, data)
    training_arguments = make_training_arguments(
        arguments,
        None if data.streams else len(data.splits["train"]),
        metric_for_best_model=data.task.metrics[0],
        greater_is_better=True,
        # A batch counts examples, not tokens: transformers 5 would multiply the loss by the number of processes.
        average_tokens_across_devices=False,
    )
    folder = open_run(arguments)
    for note in data.notes:
        say(note)
    if added and is_main_process():
        augmentation.write_augmented(folder, added, data.label_names)

    # ---- The task before the task: a run of its own, whose encoder this one goes on from
    if has_first_stage:
        arguments = intermediate.train_first(arguments, data, train)
        set_seed(arguments.seed)
        reset_peak_memory()
        tokenizer, model = build_model(arguments, data)

    # ---- Trainer
    splits = {name: encode_examples(split, tokenizer, arguments.max_length) for name, split in data.splits.items()}
    parameters = results.count_parameters(model)
    say(describe_start(arguments, data, parameters, splits["train"]))
    weights = None
    if arguments.class_weights:
        weights = class_weights(column(splits["train"], "labels"), len(data.label_names))
    collector = facts.FactsCollector(describe_task(arguments, data))
    trainer = make_trainer(
        arguments,
        training_arguments,
        model,
        tokenizer,
        TextCollator(tokenizer, data.task.is_regression),
        splits,
        compute_metrics=score_predictions(data.task, weights),
        compute_loss_func=None if weights is None else weighted_loss(weights),
        trainer_class=strategy.trainer_class(WorkbenchTrainer),
        parameter_groups=strategy.parameter_groups(model, arguments.learning_rate, arguments.weight_decay),
        callbacks=[*strategy.callbacks(model), collector],
    )

    # ---- Train
    trainer.fit()
    seconds = {"train": trainer.seconds, "epoch": trainer.seconds / max(1.0, trainer.state.epoch or 0.0)}
    parameters = results.count_parameters(model)  # gradual unfreezing may not have come to all

    # ---- Evaluate: with the epoch's weights that validation chose; the test split is read once
    outcomes = {
        name: trainer.predict(splits[name], metric_key_prefix=name) for name in ("validation", "test") if name in splits
    }

    # ---- Save
    save_classifier(trainer.model, tokenizer, folder)
    if not is_main_process():
        return
    metrics = collect_metrics(outcomes, data.task.metrics)
    seen = trainer.state.global_step * training_arguments.train_batch_size
    sizes = {name: seen if name == "train" and data.streams else len(splits[name]) for name in splits}
    told = collector.facts() | {"strategy": arguments.strategy, "peak_memory_mib": peak_memory_mib()}
    told |= {"majority": score_majority(data, outcomes)} | strategy.facts(trainer.model)
    if added:
        told["augmentation"] = augmentation.describe_augmentation(arguments, added)
    if has_first_stage:
        told["forgetting"] = intermediate.measure_forgetting(arguments, trainer.model)
    write_outcomes(folder, data, outcomes)
    given = {name: collect_answers(data.splits[name], logits_of(outcomes[name]), data) for name in outcomes}
    predictions.write_predictions(folder, given)
    # Last of what others read: a study takes a run that has it for finished.
    results.RunResults(metrics, sizes, parameters, seconds, arguments.seed, facts=told).write(folder)
    draw_figures(folder, data, outcomes, trainer.state.log_history, arguments)
    lines = strategy.report(told, folder, f"{data.task.name}, {arguments.strategy}, seed {arguments.seed}")
    package = packages.write_card(folder, arguments.push_to_hub)

    # ---- Report
    print_scores(metrics, told["majority"], data, outcomes, seconds["train"])
    for line in lines:
        print(line)
    if has_first_stage:
        print(intermediate.describe_forgetting(told["forgetting"]))
    if new_texts:
        logits = predict_logits(model, tokenizer, new_texts, arguments.max_length)
        write_predictions(folder / "predictions.tsv", new_texts, logits, data)
        print(f"Predictions:  {len(new_texts):,} answers in {folder / 'predictions.tsv'}")
    if arguments.submission:
        print(f"Submission:   {submit(folder, data, model, tokenizer, arguments.max_length)}")
    second = ' --pair "another one"' if data.task.pair_column else ""
    print(f'Try it:       python scripts/classify.py {folder} "a sentence of yours"{second}')
    if arguments.push_to_hub:
        print(f"Published:    {publish_run(package, arguments, folder)}")
    print(f"The model, its card, results.json, the figures and the test answers are in {folder}")


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
