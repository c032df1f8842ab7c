"""The report of a classifier's run: scores, confusion matrix, curves, answers to the splits, the GLUE server's file."""

from pathlib import Path

from workbench.data.tasks import TaskData
from workbench.errors import UserError
from workbench.escapes import one_line
from workbench.runs.figures import plot_confusion, plot_curves

from .classwise import class_table, describe_scores, majority_class, majority_scores
from .predict import predict_logits, write_predictions, write_submission
from .scoring import answers, logits_of


def describe_task(arguments, data) -> dict:
    """The data of a classifier's run: its name (never a path), its Hub id if it has one, labels, columns and metric."""
    described = {"name": data.task.name, "labels": data.label_names, "columns": list(data.splits["train"].column_names)}
    described["metric"] = data.task.metrics[0]
    described |= {"text_column": data.task.text_column, "pair_column": data.task.pair_column}
    if arguments.train_file is not None:
        exists = Path(arguments.train_file).exists()
        return described | ({"name": Path(arguments.train_file).name} if exists else {"id": arguments.train_file})
    return described | ({"id": data.task.hub_id} if data.task.hub_id else {"generated": True})


def describe_start(arguments, data: TaskData, parameters: dict[str, int], train) -> str:
    """A sentence: the strategy, the share that it trains, the examples, and how many texts are cut off.

    Args:
        train: what `encode_examples` made of the training split.
    """
    share = parameters["trainable"] / parameters["total"]
    whole = {name: split for name, split in data.splits.items() if not (data.streams and name == "train")}
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in whole.items())
    classes = "a number" if data.task.is_regression else f"{len(data.label_names)} classes"
    full = 0 if data.streams else sum(length == arguments.max_length for length in train["length"][:])
    cut = f"; about {full:,} training texts are cut off at {arguments.max_length} tokens" if full else ""
    return (
        f"{arguments.strategy} on {data.task.name}: {parameters['trainable']:,} of {parameters['total']:,} parameters "
        f"({share:.2%}) are trained; {sizes} examples, {classes}; learning rate {arguments.learning_rate:g}{cut}"
    )


def collect_metrics(outcomes: dict, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """`metrics` of results.json from what `Trainer.predict` returned for each split."""
    return {
        split: {name: float(outcome.metrics[f"{split}_{name}"]) for name in ("loss", *names)}
        for split, outcome in outcomes.items()
    }


def reported_split(outcomes: dict) -> str:
    """The split that figures and tables show: test where it has labels, else validation."""
    return "test" if "test" in outcomes else "validation"


def draw_figures(folder: Path, data: TaskData, outcomes: dict, log_history: list[dict], arguments) -> None:
    """`curves.png`, and for classes `confusion.png` of the reported split."""
    title = f"{data.task.name}, {arguments.strategy}, seed {arguments.seed}"
    unit = "squared error" if data.task.is_regression else "nats per example"
    plot_curves(log_history, folder / "curves.png", title, data.task.metrics[0], unit)
    if data.task.is_regression:
        return
    from sklearn.metrics import confusion_matrix

    split = reported_split(outcomes)
    given = answers(logits_of(outcomes[split]), False)
    right = outcomes[split].label_ids.tolist()
    counts = confusion_matrix(right, given, labels=range(len(data.label_names))).tolist()
    plot_confusion(counts, data.label_names, folder / "confusion.png", f"{title}: {split} split")


def write_outcomes(folder: Path, data: TaskData, outcomes: dict) -> None:
    """`validation_predictions.tsv` and, where there is a test split, `test_predictions.tsv`."""
    for split, outcome in outcomes.items():
        path = folder / f"{split}_predictions.tsv"
        write_predictions(path, list(data.splits[split]), logits_of(outcome), data)


def score_majority(data: TaskData, outcomes: dict) -> dict[str, dict]:
    """Split -> the scores of always answering the commonest class of the training split; {} for numbers.

    Of a training split that streams, nobody counts the classes: it is the commonest of validation. Under `class` stands
    its name.
    """
    if data.task.is_regression:
        return {}
    common = majority_class(list(data.splits["validation" if data.streams else "train"]["label"]))
    scores = {
        split: majority_scores(common, outcome.label_ids.tolist(), data.task.metrics)
        for split, outcome in outcomes.items()
    }
    return {"class": data.label_names[common], **scores}


def print_scores(
    metrics: dict[str, dict[str, float]], majority: dict[str, dict], data: TaskData, outcomes: dict, seconds: float
) -> None:
    """Each split's scores above those of the majority class, the reported split's class by class, and the time."""
    print()
    for split, scores in metrics.items():
        print(f"{split.capitalize()} split, {len(data.splits[split]):,} examples: {describe_scores(scores)}")
        if majority:
            common = one_line(majority["class"])
            where = "validation" if data.streams else "training"
            print(f"  always '{common}', commonest in {where}: {describe_scores(majority[split])}")
    if majority:
        split = reported_split(outcomes)
        given = answers(logits_of(outcomes[split]), False)
        print(f"\nClass by class, {split} split")
        print(class_table(given, outcomes[split].label_ids.tolist(), data.label_names), end="\n\n")
    print(f"{seconds:.0f} s of training; the weights are those of the best evaluation on validation")


def check_submission(data: TaskData) -> None:
    """UserError unless all of the GLUE server's test texts for the task are there."""
    if data.task.submission is None or data.unlabelled is None:
        raise UserError(f"submission: {data.task.name} has no test split of the GLUE server here")
    if data.unlabelled["index"] != list(range(len(data.unlabelled))):
        raise UserError(
            f"submission: rows of {data.task.name}'s test split are missing or broken; the server wants all"
        )


def submit(folder: Path, data: TaskData, model, tokenizer, max_length: int) -> Path:
    """Answers the task's unlabelled test split for the GLUE server."""
    logits = predict_logits(model, tokenizer, list(data.unlabelled), max_length)
    return write_submission(folder, data, logits)
