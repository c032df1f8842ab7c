"""Classify texts with trained classifiers, and see what several of them make of the same texts.

    python scripts/classify.py runs/mine "a sentence of yours"
    python scripts/classify.py runs/full --compare runs/houlsby runs/frozen --file sentences.csv --only_differences

The first prints each class's probability. The second shows, text by text, what three runs answer and how sure they are,
marks where they differ, and ends with how often each two of them agree. A run is a folder of train_classifier.py or a
classifier on the Hub; a file is CSV, TSV, JSON lines or Parquet with a header, or plain text with a text per line.
"""

import sys
from dataclasses import dataclass
from itertools import combinations

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main


@dataclass
class ClassifyArguments:
    """Everything that the script can be told."""

    model: str = option("", "a run's folder, or a classifier's name on the Hub", positional=True)
    text: str | None = option(None, "a text; without it, --file or lines from standard input", positional=True)
    pair: str | None = option(None, "the second text, for a model of pairs")
    compare: list[str] = option(list, "other runs, to see their answers beside the first one's")
    file: str | None = option(None, "texts to classify; labels in it are not read")
    text_column: str | None = option(None, "the file's column of texts, if its header does not tell")
    pair_column: str | None = option(None, "the file's column of second texts, if its header does not tell")
    only_differences: bool = option(False, "show only the texts on which the runs differ")
    max_length: int | None = option(None, "tokens per example (default: as in training, or what the model takes)")
    batch_size: int = option(64, "texts per batch")
    trust_remote_code: bool = option(False, "run the code that a Hub repository brings, if it is not igpay's")


def main() -> None:
    # ---- Arguments and texts
    arguments = parse_arguments(ClassifyArguments, __doc__)
    if arguments.text is not None and arguments.file is not None:
        raise UserError("give text or --file, not both")
    if arguments.batch_size < 1:
        raise UserError("--batch_size is at least 1")
    examples = read_examples(arguments)

    # ---- Answers of each run
    from workbench.classification import inspect_texts
    from workbench.classifier_loading import load_classifier

    names = list(dict.fromkeys([arguments.model, *arguments.compare]))
    answers = {}
    for name in names:
        model, tokenizer = load_classifier(name, arguments.trust_remote_code)
        answers[name] = inspect_texts(model, tokenizer, examples, arguments.max_length, arguments.batch_size)

    # ---- Show
    if len(examples) == 1 and len(names) == 1:
        show_one(answers[names[0]][0])
        return
    print(
        "\t".join(
            ["text", *(["pair"] if "pair" in examples[0] else []), *names, *(["differ"] if len(names) > 1 else [])]
        )
    )
    for place, example in enumerate(examples):
        given = [answers[name][place] for name in names]
        differ = len({answer.label for answer in given}) > 1
        if differ or not arguments.only_differences:
            texts = [" ".join(example[column].split()) for column in ("text", "pair") if column in example]
            mark = ["≠" if differ else ""] if len(names) > 1 else []
            print("\t".join([*texts, *map(str, given), *mark]).rstrip("\t"))
    for first, second in combinations(names, 2):
        same = sum(a.label == b.label for a, b in zip(answers[first], answers[second], strict=True))
        print(
            f"{first} and {second} agree on {same:,} of {len(examples):,} texts ({same / len(examples):.1%})",
            file=sys.stderr,
        )


def read_examples(arguments: ClassifyArguments) -> list[dict[str, str]]:
    """The texts, each with its pair where there is one; UserError if there are none."""
    if arguments.file is not None:
        from workbench.tasks import read_texts

        return read_texts(arguments.file, arguments.text_column, arguments.pair_column)
    texts = [arguments.text] if arguments.text is not None else [line.rstrip("\r\n") for line in sys.stdin]
    examples = [{"text": text} | ({"pair": arguments.pair} if arguments.pair else {}) for text in texts if text.strip()]
    if not examples:
        raise UserError("no text to classify: give TEXT, --file, or lines on standard input")
    return examples


def show_one(answer) -> None:
    """Each class with its probability, the likeliest first; or the number."""
    if not answer.probabilities:
        print(answer)
    for name, share in sorted(answer.probabilities.items(), key=lambda item: -item[1]):
        print(f"{name:20} {share:7.2%}")


if __name__ == "__main__":
    run_main(main)
