# The same as scripts/workbench/robustness/tables.py
"""The tables of words and letters behind the transforms: each file of this folder's `tables`, with its source."""

import json
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("tables")


@cache
def read(name: str) -> dict:
    """The table called `name`: its `source`, and what the source is of."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@cache
def word_set(name: str, key: str) -> frozenset[str]:
    """The words that stand in the lines under `key`."""
    return frozenset(" ".join(read(name)[key]).split())
