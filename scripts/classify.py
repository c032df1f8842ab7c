"""Classify texts with trained classifiers, and see what several of them make of the same texts.

    python scripts/classify.py runs/mine "a sentence of yours"
    python scripts/classify.py runs/full --compare runs/houlsby runs/frozen --file sentences.csv --only_differences
    python scripts/classify.py runs/imdb --evaluate imdb

The first prints each class's probability. The second shows, text by text, what three runs answer and how sure they are,
marks where they differ, and ends with how often each two of them agree. If the file has a column of labels, the runs
are scored, and what is shown of several is where one is right and another wrong, and where all are. A run is a folder
of train_classifier.py or a classifier on the Hub; a file is CSV, TSV, JSON lines or Parquet with a header, or plain
text with a text per line. The third scores a run on a task's test split, or on a file with labels, and leaves
results.json and the answers in a folder of their own.
"""

import sys
from dataclasses import dataclass
from itertools import combinations

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.values import BATCH, LENGTH


@dataclass
class ClassifyArguments:
    """The models, and what they classify."""

    model: str = option("", "a run's folder, or a classifier's name on the Hub", positional=True)
    text: str | None = option(None, "a text; without it, --file or lines from standard input", positional=True)
    pair: str | None = option(None, "the second text, for a model of pairs")
    compare: list[str] = option(list, "other runs, to see their answers beside the first one's")
    file: str | None = option(None, "texts to classify; if it has a column of labels, the answers are scored")
    text_column: str | None = option(None, "the file's column of texts, if its header does not tell")
    pair_column: str | None = option(None, "the file's column of second texts, if its header does not tell")
    label_column: str | None = option(None, "the file's column of labels, if its header does not tell")
    evaluate: str | None = option(None, "score the model on a file with labels, or on a task's test split, and keep it")
    data_dir: str | None = option(None, "of --evaluate: folder with the task's usual files (default: as in training)")
    output_dir: str | None = option(
        None, "of --evaluate: where it goes (default: runs/evaluations/MODEL-on-DATA)", output="folder"
    )
    only_differences: bool = option(False, "show only the texts on which the runs differ")
    max_length: int | None = option(
        None, "tokens per example (default: as in training, or what the model takes)", **LENGTH
    )
    batch_size: int = option(64, "texts per batch", **BATCH)
    trust_remote_code: bool = option(False, "run the code that a Hub repository brings, if it is not igpay's")


def main() -> None:
    # ---- Arguments and texts
    arguments = parse_arguments(ClassifyArguments, __doc__)
    check_arguments(arguments)
    if arguments.evaluate is not None:
        score_saved(arguments)
        return
    names = list(dict.fromkeys([arguments.model, *arguments.compare]))
    notes: list[str] = []
    examples = read_examples(arguments, names, notes)

    # ---- Answers of each run
    from workbench.classification.labelled_texts import match_labels
    from workbench.classification.loading import load_classifier
    from workbench.classification.predict import inspect_texts

    answers, classes = {}, []
    for name in names:
        model, tokenizer = load_classifier(name, arguments.trust_remote_code)
        answers[name] = inspect_texts(model, tokenizer, examples, arguments.max_length, arguments.batch_size)
        classes = classes or list(answers[name][0].probabilities)
    cells = [example.pop("label", None) for example in examples]
    labels = None
    if any(cell is not None for cell in cells):
        labels = match_labels(cells, classes, arguments.label_column is not None)
        notes += [] if labels else [f"{arguments.file}: no scores: these labels are not the model's classes"]

    # ---- Show
    for note in notes:
        print(note, file=sys.stderr)
    if len(examples) == 1 and len(names) == 1 and labels is None:
        show_one(answers[names[0]][0])
    elif labels is not None and len(names) > 1 and classes:
        show_mistakes(examples, answers, labels)
    else:
        show_table(examples, answers, labels, arguments.only_differences)
    tell_agreement(answers)
    if labels is not None:
        tell_scores(answers, labels, classes)


def score_saved(arguments: ClassifyArguments) -> None:
    """Scores the model, prints how, and last the folder with the answers."""
    from workbench.classification.evaluation import evaluate
    from workbench.runs.folder import check_is_one_run

    check_is_one_run(arguments.model)
    notes: list[str] = []
    folder, told = evaluate(arguments, notes)
    for note in notes:
        print(note, file=sys.stderr)
    print(f"{told}\nresults.json, predictions.tsv and predictions.parquet are in\n{folder}")


def show_table(examples: list[dict], answers: dict[str, list], labels: list | None, only_differences=False) -> None:
    """A row for each text, with the right label where it is known, each run's answer, and whether they differ."""
    from workbench.escapes import one_line

    kinds = [name for name in ("text", "pair") if name in examples[0]]
    print("\t".join([*kinds, *(["label"] if labels else []), *answers, *(["differ"] if len(answers) > 1 else [])]))
    for place, example in enumerate(examples):
        given = [answers[name][place] for name in answers]
        differ = len({answer.label for answer in given}) > 1
        if differ or not only_differences:
            label = ["" if labels[place] is None else str(labels[place])] if labels else []
            mark = ["≠" if differ else ""] if len(given) > 1 else []
            cells = [*(example[kind] for kind in kinds), *label, *map(str, given)]
            print("\t".join([*map(one_line, cells), *mark]).rstrip("\t"))


def show_mistakes(examples: list[dict], answers: dict[str, list], labels: list) -> None:
    """Two tables: the texts that some runs have right and others wrong, and those that all have wrong."""
    from workbench.classification.labelled_texts import sort_by_rightness

    differing, wrong = sort_by_rightness(list(answers.values()), labels)
    for title, places in (("Right in one, wrong in another", differing), ("Wrong in all", wrong)):
        print(f"{title}: {len(places):,} of {len(examples):,} texts")
        if places:
            chosen = {name: [of_run[place] for place in places] for name, of_run in answers.items()}
            show_table([examples[place] for place in places], chosen, [labels[place] for place in places])
        print()


def tell_agreement(answers: dict[str, list]) -> None:
    """A line for each two runs: on how many texts they agree."""
    for first, second in combinations(answers, 2):
        pairs = list(zip(answers[first], answers[second], strict=True))
        same = sum(a.label == b.label for a, b in pairs)
        told = f"agree on {same:,} of {len(pairs):,} texts ({same / len(pairs):.1%})"
        print(f"{first} and {second} {told}", file=sys.stderr)


def tell_scores(answers: dict[str, list], labels: list, classes: list[str]) -> None:
    """Each run's scores against the labels; of a single run, class by class."""
    from workbench.classification.labelled_texts import describe_answers

    for name, of_run in answers.items():
        print(f"{name}: {describe_answers(of_run, labels, classes, len(answers) == 1)}", file=sys.stderr)


def check_arguments(arguments: ClassifyArguments) -> None:
    """UserError for options that exclude each other."""
    if arguments.text is not None and arguments.file is not None:
        raise UserError("give text or --file, not both")
    if arguments.evaluate is not None and (arguments.text, arguments.file, arguments.compare) != (None, None, []):
        raise UserError("--evaluate takes one model, and no other text, --file or --compare")
    unused = next((name for name in ("data_dir", "output_dir") if getattr(arguments, name)), None)
    if unused and arguments.evaluate is None:
        raise UserError(f"--{unused} is of --evaluate")
    if arguments.pair is not None and arguments.file is not None:
        raise UserError("--pair is for a text given here; second texts in the file are named with --pair_column")
    if arguments.label_column is not None and arguments.file is None and arguments.evaluate is None:
        raise UserError("--label_column is of a --file")


def read_examples(arguments: ClassifyArguments, names: list[str], notes: list[str]) -> list[dict[str, str]]:
    """The texts, each with its pair where there is one, `notes` on what was read as them.

    Raises:
        UserError: no texts, or pairs where one of the runs `names` was trained on single texts, or the reverse.
    """
    from workbench.classification.loading import task_of_run
    from workbench.data.new_texts import check_kind, read_texts
    from workbench.runs.folder import check_is_one_run

    for name in names:
        check_is_one_run(name)

    tasks = [task for task in map(task_of_run, names) if task is not None]
    if arguments.file is not None:
        known = tasks[0] if tasks else None
        columns = (arguments.text_column, arguments.pair_column)
        examples = read_texts(arguments.file, *columns, known, notes, arguments.label_column, with_labels=True)
    else:
        texts = [arguments.text] if arguments.text is not None else read_lines()
        pair = {"pair": arguments.pair} if arguments.pair else {}
        examples = [{"text": text} | pair for text in texts if text.strip()]
    if not examples:
        raise UserError("no text to classify: give TEXT, --file, or lines on standard input")
    for task in tasks:
        check_kind("pair" in examples[0], task, arguments.file or "what is given")
    return examples


def read_lines() -> list[str]:
    """Standard input's lines; UserError names the line that is no UTF-8."""
    from workbench.data.tables import decode_lines, lines_of

    return list(lines_of(decode_lines(sys.stdin.buffer, "standard input")))


def show_one(answer) -> None:
    """Each class with its probability, the likeliest first; or the number."""
    if not answer.probabilities:
        print(answer)
    for name, share in sorted(answer.probabilities.items(), key=lambda item: -item[1]):
        plain = "".join(filter(str.isprintable, " ".join(name.split())))
        print(f"{plain:20} {share:7.2%}")


if __name__ == "__main__":
    run_main(main)
