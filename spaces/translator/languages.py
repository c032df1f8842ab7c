"""What a model translates from and into, and what to try: as its results.json and its card tell."""

import json
import re
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import metadata_load
from yaml import YAMLError

PIG_LATIN = "Pig Latin"
PIG_LATIN_EXAMPLES = (
    "The air conditioning is working, my friend!",
    "Quiet squirrels don't yodel.",
    "A well-known STREET",
)
# Columns by these names tell nothing of what is in them.
NEUTRAL = frozenset("source target src tgt input output word words translation text label from to x y".split())
MAX_EXAMPLES = 3


class Languages(NamedTuple):
    """The languages read and written, by name, and texts to try."""

    source: str = "Word"
    target: str = "translation"
    examples: tuple[str, ...] = ()

    @property
    def is_pig_latin(self) -> bool:
        return self.target == PIG_LATIN

    @property
    def title(self) -> str:
        return "Pig Latin translator" if self.is_pig_latin else f"{self.source} → {self.target}"


def read_languages(folder: Path) -> Languages:
    """The languages of the model in a folder; neutral words where it does not tell them."""
    facts = as_dict(as_dict(read_results(folder)).get("facts"))
    data = as_dict(facts.get("dataset"))
    columns = data.get("columns")
    columns = columns if isinstance(columns, list) and len(columns) == 2 else [None, None]
    source, target = map(as_name, columns)
    if data.get("generated") is True or target.casefold() == "pig latin" or "pig-latin" in read_tags(folder):
        return Languages(source or "English", PIG_LATIN, PIG_LATIN_EXAMPLES)
    named = {"source": source[:1].upper() + source[1:], "target": target}
    return Languages(**{key: value for key, value in named.items() if value}, examples=examples_of(facts))


def shared(languages: list[Languages]) -> Languages:
    """The page's words for several models: what they have in common, or neutral ones."""
    return languages[0] if len({item[:2] for item in languages}) == 1 else Languages()


def read_results(folder: Path):
    try:
        return json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # the model is none of igpay's, or its results are broken: it translates all the same


def read_tags(folder: Path) -> list[str]:
    """The tags in the model's card."""
    try:
        tags = as_dict(metadata_load(folder / "README.md")).get("tags")
    except (OSError, ValueError, RecursionError, YAMLError):
        return []
    return tags if isinstance(tags, list) else []


def as_dict(value) -> dict:
    return value if isinstance(value, dict) else {}


def as_name(column) -> str:
    """A column's name as one writes it; empty if it tells nothing, or is no name at all."""
    name = " ".join(column.replace("_", " ").split()) if isinstance(column, str) else ""
    name = {"english": "English"}.get(name.casefold(), name)
    return name if re.fullmatch(r"[\w '’().-]{1,40}", name) and name.casefold() not in NEUTRAL else ""


def examples_of(facts: dict) -> tuple[str, ...]:
    """Words of the test split."""
    rows = facts.get("examples")
    firsts = [row[0] for row in rows if isinstance(row, list) and row] if isinstance(rows, list) else []
    return tuple(word for word in firsts if isinstance(word, str) and 0 < len(word) <= 60)[:MAX_EXAMPLES]
