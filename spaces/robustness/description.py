# The same as spaces/classifier/description.py
"""What a model's results.json and card tell of it: whether it takes pairs of texts, and texts to try."""

import json
from pathlib import Path

from huggingface_hub import metadata_load
from reading import Example
from yaml import YAMLError

# Where a model has none of its own.
TEXTS = (
    Example("A quiet joy from start to finish."),
    Example("The parcel came two weeks late, and the box was empty."),
    Example("The meeting begins at nine in the small hall."),
)
PAIRS = (
    Example("A woman is tuning her guitar.", "Somebody has an instrument."),
    Example("The shop opens at nine.", "The shop is closed all day."),
    Example("How do I learn to swim?", "What is the best way to learn swimming?"),
)
LONGEST = 300


def takes_pairs(folder: Path, labels: list[str]) -> bool | None:
    """Whether the model in this folder was trained on pairs of texts; None if nothing tells."""
    columns = as_dict(read_facts(folder).get("dataset")).get("columns")
    if isinstance(columns, list) and "text" in columns:
        return "pair" in columns
    # Nothing but a pair entails: the labels of GLUE's MNLI, RTE and QNLI.
    return True if any("entailment" in label.casefold() for label in labels) else None


def examples_of(folder: Path, pairs: bool | None) -> list[Example]:
    """Texts to try: those in the card's `widget`, else those in the results, else neutral ones."""
    rows = as_list(read_card(folder).get("widget"))
    found = [Example(row.get("text"), row.get("text_pair")) for row in map(as_dict, rows)]
    if not pairs:
        found += [Example(row[0]) for row in map(as_list, as_list(read_facts(folder).get("examples"))) if row]
    fitting = [example for example in found if is_fitting(example, pairs)]
    return fitting[: len(TEXTS)] or list(PAIRS if pairs else TEXTS)


def is_fitting(example: Example, pairs: bool | None) -> bool:
    """Whether these are texts short enough to show, and as many as the model takes."""
    texts = [example.text] if example.pair is None else [example.text, example.pair]
    is_right = pairs is None or (len(texts) == 2) == pairs
    return is_right and all(isinstance(text, str) and 0 < len(text.strip()) <= LONGEST for text in texts)


def read_facts(folder: Path) -> dict:
    try:
        content = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # the model is none of igpay's, or its results are broken: it answers all the same
    return as_dict(as_dict(content).get("facts"))


def read_card(folder: Path) -> dict:
    """The metadata at the top of the model's card."""
    try:
        return as_dict(metadata_load(folder / "README.md"))
    except (OSError, ValueError, RecursionError, YAMLError):
        return {}


def as_dict(value) -> dict:
    return value if isinstance(value, dict) else {}


def as_list(value) -> list:
    return value if isinstance(value, list) else []
