"""Options: every one of every script, on the command line and in a recipe, with values from the ends of its type."""

import dataclasses
import os
import typing
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

from borders.harness import Case, shown
from borders.material import TINY, tiny, without

from workbench.values import Value

# Of each script the dataclass of its options, and the options of that which it does not offer.
SCHEMAS = {
    "train_translator": "TranslatorArguments",
    "train_classifier": "ClassifierArguments",
    "train_multitask": "MultiTaskArguments",
    "pretrain_encoder": "PretrainingArguments",
    "study_capacity": "CapacityArguments",
    "study_strategies": "StrategiesArguments",
    "fuse_adapters": "FusionStudyArguments",
    "check_intervals": "IntervalArguments",
    "translate": "TranslateArguments",
    "classify": "ClassifyArguments",
    "compare": "CompareArguments",
    "publish": "PublishArguments",
    "update_readme": "ReadmeArguments",
    "convert_adapter": "ConvertArguments",
    "ablate_adapters": "AblationArguments",
    "benchmark": "BenchmarkArguments",
}
# Below zero by their meaning.
SIGNED = ("max_steps", "difference")
NEVER = ("nan", "inf", "-inf", "x", "")
LONG, SURROGATE = "a" * 5_000, "\udcff"
# Kind -> values; those of the first tuple are always wrong, those of the second unless the option is signed.
NUMBERS = (NEVER, ("-1", "-0.5"), ("0", "1", "1e30", "1e-320", "9" * 30, "9" * 400, "٣", "1_0", LONG))
VALUES = {
    int: NUMBERS,
    float: NUMBERS,
    bool: (("maybe", "2", ""), (), ("true", "no", LONG)),
    str: (
        (),
        (),
        ("", "x", LONG, SURROGATE, "../x", "/proc/x", "@H/pipe", "-", " ", "é\u2028", "%s{}$(x)", "a\nb", "~"),
    ),
    dict: (("x", "[1]", ""), (), ("{}", "{a: 1}")),
}
# YAML values that no option of a number, a truth value or a text takes; others that some do.
NEVER_YAML = ("[[1]]", "{a: 1}", '"\\ud800"')
NUMBERS_YAML = (".nan", ".inf", "-.inf", "x", '""', "2020-01-01", "!!binary aGk=", "1.5e", '"\\0"')
SOME_YAML = (
    "null",
    "-1",
    "0",
    "1",
    "1.0e+30",
    "9" * 30,
    "9" * 5_000,
    "0x10",
    "1:30",
    "true",
    '"\\0"',
    "[]",
    "[1]",
    "[x, x]",
    "[null]",
    "2020-01-01",
    "&a [*a]",
    "&a {a: *a}",
    "!!set {x}",
    f'"{LONG}"',
    "../x",
    "-1.0e-320",
)


def cases() -> Iterator[Case]:
    for script in SCHEMAS:
        for item, hint in fields_of(script):
            kind = Value.of(hint, {}).kind
            for value, is_wrong in command_line_values(item, kind):
                yield command_line_case(script, item, value, is_wrong)
            if takes_recipe(script):
                for value, is_wrong in recipe_values(item, kind):
                    yield recipe_case(script, item, value, is_wrong)
    yield from oddities()


def fields_of(script: str) -> list[tuple[dataclasses.Field, object]]:
    """A script's options with their types."""
    kind = vars(import_module(script))[SCHEMAS[script]]
    hints = typing.get_type_hints(kind)
    return [(item, hints[item.name]) for item in dataclasses.fields(kind)]


def takes_recipe(script: str) -> bool:
    return not any(item.metadata.get("positional") for item, _ in fields_of(script))


def command_line_values(item: dataclasses.Field, kind: type) -> Iterator[tuple[str, bool]]:
    """(value, whether it is wrong for this option)."""
    wrong, negative, others = VALUES[kind]
    if item.metadata.get("choices"):
        wrong, others = ("x", "", LONG, SURROGATE), ()
    yield from ((value, True) for value in wrong)
    yield from ((value, item.name not in SIGNED) for value in negative)
    yield from ((value, False) for value in others)


def recipe_values(item: dataclasses.Field, kind: type) -> Iterator[tuple[str, bool]]:
    """(YAML, whether it is wrong for this option)."""
    yield from ((value, kind is not dict) for value in NEVER_YAML)
    yield from ((value, True) for value in NUMBERS_YAML if kind in (int, float))
    yield from ((value, False) for value in SOME_YAML)


def command_line_case(script: str, item: dataclasses.Field, value: str, is_wrong: bool) -> Case:
    arguments = tiny(script)
    if item.metadata.get("positional"):
        place = [other.name for other, _ in fields_of(script) if other.metadata.get("positional")].index(item.name)
        arguments[place : place + 1] = [value]
        is_wrong = False
    else:
        arguments += [f"--{item.name}={value}"]
    writes = ("out", "runs", "../home" if value == "~" else value or "out")
    given = {"prepare": partial(own_files, runs=script == "ablate_adapters"), "must_refuse": is_wrong, "writes": writes}
    return Case("options-cli", f"{item.name}={shown(value)}", script, tuple(arguments), **given)


def recipe_case(script: str, item: dataclasses.Field, value: str, is_wrong: bool) -> Case:
    arguments = without(tiny(script), item.name)
    prepare = partial(own_files, recipe=f"{item.name}: {value}\n")
    given = {"prepare": prepare, "must_refuse": is_wrong, "writes": ("out", "runs", value.strip('"'))}
    return Case("options-recipe", f"{item.name}={shown(value)}", script, ("recipe.yaml", *arguments), **given)


def own_files(here: Path, material: Path, recipe: str = "", runs: bool = False) -> None:
    """A recipe, and what some scripts write into or beside."""
    import shutil

    if recipe:
        (here / "recipe.yaml").write_text(recipe)
    (here / "README.md").write_text("<!-- study one -->\n<!-- end -->\n")
    os.mkfifo(here / "pipe")
    if runs:
        shutil.copytree(material / "pfeiffer", here / "run")


def oddities() -> Iterator[Case]:
    """Mistakes on the command line that are of no option."""
    odd = {
        "twice": ["--seed=1", "--seed=2"],
        "no value": ["--seed"],
        "unknown": ["--sed=1"],
        "single dash": ["-seed", "1"],
        "only dashes": ["--"],
        "no name": ["--=1"],
        "empty": [""],
        "surrogate": [f"--{SURROGATE}=1"],
        "surrogate place": [SURROGATE],
        "control": ["\x1b[2J"],
        "long": [f"--{LONG}=1"],
        "missing recipe": ["--config=no.yaml"],
        "two recipes": ["a.yaml", "b.yaml"],
        "recipe is a folder": ["--config=@M"],
        "recipe is a device": ["--config=/dev/null"],
        "many": ["--seed=1"] * 3_000,
        "no recipe": ["--config="],
    }
    for script in SCHEMAS:
        for name, arguments in odd.items():
            yield Case(
                "options-odd",
                name,
                script,
                (*tiny(script), *arguments),
                partial(own_files, runs=True),
                writes=("out", "runs", "README.md", "run"),
            )
        if script != "check_intervals":  # takes minutes, as it says
            yield Case("options-odd", "none", script, (), own_files, writes=("runs",))


assert set(SCHEMAS) == set(TINY)
