"""Fields of transformers.TrainingArguments beside ours: every one, on the command line and in a recipe."""

import dataclasses
import typing
from collections.abc import Iterator
from functools import partial

from borders.harness import Case, shown
from borders.material import tiny
from borders.options import SURROGATE, own_files

SCRIPTS = ("train_translator", "train_classifier", "pretrain_encoder", "train_multitask")
VALUES = {
    bool: ("maybe", "true", "false"),
    int: ("-1", "0", "1", "2", "nan", "x", "9" * 30),
    float: ("nan", "inf", "-1", "0", "0.5", "1e30", "x"),
    str: ("", "x", "no", "epoch", "steps", "{}", "[1]", "/proc/x", SURROGATE, "a" * 5_000),
}
YAML = ("null", "[1]", "{a: 1}", ".nan", "-1", "0", "true", "x", '"\\ud800"', "{}", "9" * 30, "1.0e+30", "2020-01-01")
# Always wrong for a number.
WRONG = ("nan", "inf", "x", ".nan")


def kinds() -> dict[str, type]:
    """The fields with the first of bool, int, float and str that each may be; str for what is none of them."""
    from transformers import TrainingArguments

    hints = typing.get_type_hints(TrainingArguments)
    names = [item.name for item in dataclasses.fields(TrainingArguments) if item.init]
    return {name: next((kind for kind in VALUES if kind in _allowed(hints[name])), str) for name in names}


def _allowed(hint) -> tuple:
    return typing.get_args(hint) or (hint,)


def cases() -> Iterator[Case]:
    for place, (name, kind) in enumerate(sorted(kinds().items())):
        script = SCRIPTS[place % len(SCRIPTS)]
        for value in VALUES[kind]:
            given = (*tiny(script), f"--{name}={value}")
            wrong = kind in (int, float) and value in WRONG
            yield Case("training-arguments", f"{name}={shown(value)}", script, given, own_files, wrong, True)
        for value in YAML:
            prepare = partial(own_files, recipe=f"{name}: {value}\n")
            wrong = kind in (int, float) and value in WRONG
            given = ("recipe.yaml", *tiny(script))
            yield Case("training-arguments-recipe", f"{name}={shown(value)}", script, given, prepare, wrong)
