"""Answers to texts whose right answers are known: scores, and which texts are wrong."""

from workbench.errors import UserError
from workbench.runs.metrics import label_scores

from .classwise import class_table, describe_scores, majority_class, majority_scores
from .predict import Answer

SHOWN = 5


def match_labels(cells: list, names: list[str], is_required: bool) -> list[str | float | None] | None:
    """The right answer of each text as the model calls it; None for a text without one.

    Args:
        cells: of a column of labels: names of classes, or their numbers from 0 on; for regression any numbers.
        names: the model's classes by id; [] for regression.
        is_required: whether the column was asked for, and not only found.

    Returns:
        None if the column is not required and holds something else.

    Raises:
        UserError: it is required, and holds something else; names the first such values.
    """
    by_cell = {name: name for name in names} or None
    if by_cell and not any(name.isdecimal() for name in names):
        by_cell |= {str(number): name for number, name in enumerate(names)}
    texts = ["" if cell is None else _plain(cell) for cell in cells]
    read = [by_cell.get(text) if by_cell else _number(text) for text in texts]
    odd = list(dict.fromkeys(text for text, label in zip(texts, read, strict=True) if text and label is None))
    if not odd and any(label is not None for label in read):
        return read
    if not is_required:
        return None
    allowed = f"the model's classes are {', '.join(names)[:200]}" if names else "the model wants numbers"
    got = ", ".join(map(repr, odd[:SHOWN])) if odd else "no label"
    raise UserError(f"label_column: {got} in it; {allowed}")


def _plain(cell) -> str:
    """A cell as text; of a whole number without what a float adds."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def describe_answers(answers: list[Answer], labels: list, names: list[str], with_classes: bool) -> str:
    """The scores of a run on the labelled texts, those of the class that is commonest there, and perhaps each class's.

    Args:
        labels: of `match_labels`, in the order of the answers.
    """
    pairs = [(answer.label, label) for answer, label in zip(answers, labels, strict=True) if label is not None]
    if not names:
        given, right = [float(answer) for answer, _ in pairs], [label for _, label in pairs]
        return (
            f"{describe_scores(label_scores(('pearson', 'spearman'), given, right))} on {len(pairs):,} labelled texts"
        )
    given, right = ([names.index(pair[place]) for pair in pairs] for place in (0, 1))
    metrics, common = ("accuracy", "macro_f1"), majority_class(right)
    told = f"{describe_scores(label_scores(metrics, given, right))} on {len(pairs):,} labelled texts"
    told += f"\n  always '{names[common]}', commonest there: {describe_scores(majority_scores(common, right, metrics))}"
    return f"{told}\n{class_table(given, right, names)}" if with_classes else told


def sort_by_rightness(answers: list[list[Answer]], labels: list) -> tuple[list[int], list[int]]:
    """The places of the texts that some runs have right and others wrong, and of those that all have wrong.

    Args:
        answers: of each run, in the order of the labels.
    """
    differing, wrong = [], []
    for place, label in enumerate(labels):
        right = sum(of_run[place].label == label for of_run in answers)
        if label is not None and right == 0:
            wrong.append(place)
        elif label is not None and right < len(answers):
            differing.append(place)
    return differing, wrong
