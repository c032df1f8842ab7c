"""Train a sentence classifier on a task or on your own file, by any way of reusing a pretrained encoder.

    python scripts/train_classifier.py --task verbal_arithmetic --strategy houlsby --output_dir runs/arithmetic
    python scripts/train_classifier.py --train_file mine.csv --strategy full --seeds 3 --output_dir runs/mine

The first generates its sentences ("four minus ten") and adapts the encoder with Houlsby's adapters; the second guesses
the columns of your file, says which, holds a tenth out for each of validation and test, and trains with three seeds.
Both end with the scores, and leave a folder with the model (an adapter, where one was trained), results.json, curves,
confusion matrix and predictions. `--strategy list` explains the strategies; scripts/classify.py uses what was trained.
With `--intermediate_task mnli`, the encoder first learns that task whole, and what it then forgets of it is measured.
"""

from pathlib import Path

from workbench.arguments import parse_arguments
from workbench.classification.arguments import ClassifierArguments
from workbench.classification.intermediate import check_intermediate
from workbench.classification.run import build_model, read_data, train_seeds
from workbench.errors import UserError, run_main
from workbench.hub.push import check_before_training, publish_run
from workbench.strategies.catalogue import FUSIONS, STRATEGIES, check_adapters, find_strategy


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(ClassifierArguments, __doc__, extra_options)
    if arguments.strategy == "list":
        print("\n".join(f"{name:18} {strategy.help}" for name, strategy in (STRATEGIES | FUSIONS).items()))
        return
    if arguments.learning_rate is None:
        arguments.learning_rate = find_strategy(arguments.strategy).learning_rate
    check_adapters(arguments)
    check_intermediate(arguments)
    if arguments.seeds < 1:
        raise UserError(f"seeds: {arguments.seeds}; give 1 or more")
    if arguments.seeds > 1:
        train_seeds(Path(__file__), arguments)
    else:
        train(arguments)


def train(arguments: ClassifierArguments, held_out: frozenset[str] = frozenset()) -> None:
    """One run, from its arguments to its folder; texts with the keys `held_out` are not trained on."""
    # ---- Seed and run folder (heavy imports come after parsing, so that --help is quick)
    from transformers import set_seed

    from workbench.classification import intermediate
    from workbench.classification.batches import TextCollator, encode_examples
    from workbench.classification.model import callbacks, parameter_groups, save_classifier, trainer_class
    from workbench.classification.predict import predict_logits, write_predictions
    from workbench.classification.report import (
        collect_metrics,
        describe_start,
        describe_task,
        draw_figures,
        print_scores,
        score_majority,
        submit,
        write_outcomes,
    )
    from workbench.classification.scoring import class_weights, score_predictions, weighted_loss
    from workbench.hub import packages
    from workbench.processes import is_main_process
    from workbench.runs import facts, results
    from workbench.runs.folder import open_run
    from workbench.runs.hardware import peak_memory_mib, reset_peak_memory
    from workbench.runs.trainer import WorkbenchTrainer, make_trainer, make_training_arguments

    check_before_training(arguments)
    set_seed(arguments.seed)
    say = print if is_main_process() else lambda *_: None
    has_first_stage = check_intermediate(arguments)

    # ---- Data, tokenizer and model: what is wrong with them is told before anything is written
    data, new_texts = read_data(arguments, held_out)
    tokenizer, model = build_model(arguments, data)
    training_arguments = make_training_arguments(
        arguments,
        len(data.splits["train"]),
        metric_for_best_model=data.task.metrics[0],
        greater_is_better=True,
        # A batch counts examples, not tokens: transformers 5 would multiply the loss by the number of processes.
        average_tokens_across_devices=False,
    )
    folder = open_run(arguments)
    for note in data.notes:
        say(note)

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
        labels = [example["labels"] for example in splits["train"]]
        weights = class_weights(labels, len(data.label_names))
    trainer, clock, checkpoint = make_trainer(
        arguments,
        training_arguments,
        model,
        tokenizer,
        TextCollator(tokenizer, data.task.is_regression),
        splits,
        trainer_class=trainer_class(arguments.strategy, WorkbenchTrainer),
        compute_metrics=score_predictions(data.task, weights),
        compute_loss_func=None if weights is None else weighted_loss(weights),
    )
    trainer.parameter_groups = parameter_groups(
        model, arguments.strategy, arguments.learning_rate, arguments.weight_decay
    )
    for callback in callbacks(arguments.strategy, model):
        trainer.add_callback(callback)

    # ---- Train
    collector = facts.FactsCollector(describe_task(arguments, data))
    trainer.add_callback(collector)
    trainer.train(resume_from_checkpoint=checkpoint)
    seconds = {"train": clock.seconds, "epoch": clock.seconds / max(1.0, trainer.state.epoch or 0.0)}
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
    sizes = {name: len(examples) for name, examples in splits.items()}
    told = collector.facts() | {"strategy": arguments.strategy, "peak_memory_mib": peak_memory_mib()}
    told["majority"] = score_majority(data, outcomes)
    if has_first_stage:
        told["forgetting"] = intermediate.measure_forgetting(arguments, trainer.model)
    results.RunResults(metrics, sizes, parameters, seconds, arguments.seed, facts=told).write(folder)
    write_outcomes(folder, data, outcomes)
    draw_figures(folder, data, outcomes, trainer.state.log_history, arguments)
    package = packages.write_card(folder, arguments.push_to_hub)

    # ---- Report
    print_scores(metrics, told["majority"], data, outcomes, seconds["train"])
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


def extra_options() -> dict[str, type]:
    from workbench.runs.trainer import training_argument_types

    return training_argument_types()


if __name__ == "__main__":
    run_main(main)
