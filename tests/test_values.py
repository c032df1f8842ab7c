"""Values of options: what is read, and what is refused by name in one line."""

import dataclasses
import importlib
import math
from pathlib import Path

import pytest

from workbench.arguments import option, option_values
from workbench.errors import UserError
from workbench.values import BATCH, DROPOUT, EPOCHS, RATE, SEED, Value

SCRIPTS = sorted(path.stem for path in (Path(__file__).parents[1] / "scripts").glob("*.py"))
HUGE = (10**30, "1" * 30, 10**5000, "9" * 5000, 1e300)
NO_SEEDS = (-1, "-1", 2**32, 1.5, None, True, [], {}, "x", "")
NOT_FINITE = (math.nan, math.inf, -math.inf, "nan", "inf", "-inf")


def test_what_is_no_seed_is_refused_by_name():
    for given in (*NO_SEEDS, *HUGE, *NOT_FINITE):
        with pytest.raises(UserError) as refusal:
            Value(int, **SEED).read("seed", given)
        message = str(refusal.value)
        assert message.startswith("seed: ") and message.endswith("; give a whole number from 0 to 4294967295")
        assert "\n" not in message and len(message) < 200


def test_a_refusal_shows_what_was_got():
    with pytest.raises(UserError) as refusal:
        Value(int, **SEED).read("seed", "-1")
    assert str(refusal.value) == "seed: -1; give a whole number from 0 to 4294967295"


@pytest.mark.parametrize(
    ("limits", "right", "wrong", "described"),
    [
        (RATE, (1e-9, "5e-5", 100), (0, -1e-3, 101), "a number above 0 and at most 100"),
        (DROPOUT, (0, 0.999), (1, 1.5, -0.1), "a number from 0 and below 1"),
        (EPOCHS, (0.1, 3), (0, -1), "a number above 0 and at most 1000000"),
        ({"minimum": -0.25, "maximum": 0.25}, (0, -0.25), (0.3,), "a number from -0.25 to 0.25"),
    ],
)
def test_a_range_holds_at_its_ends(limits, right, wrong, described):
    value = Value(float, **limits)
    assert [value.read("rate", given) for given in right] == [float(given) for given in right]
    for given in (*wrong, None, *HUGE, *NOT_FINITE):
        with pytest.raises(UserError, match=rf"^rate: .*; give {described}$"):
            value.read("rate", given)


def test_a_number_may_mean_something_outside_of_the_range():
    steps = Value(int, minimum=1, maximum=10, also=(-1,))
    assert [steps.read("max_steps", given) for given in ("-1", 1, 10.0, "1e1")] == [-1, 1, 10, 10]
    with pytest.raises(UserError, match="max_steps: 0; give a whole number from 1 to 10, or -1"):
        steps.read("max_steps", 0)


def test_each_member_of_a_list_is_held_against_the_range():
    sizes = Value(int, is_list=True, **BATCH)
    assert sizes.read("sizes", ["8", 16]) == [8, 16] and sizes.read("sizes", 8) == [8]
    for given in ([8, 0], [8, None], [[8]], None):
        with pytest.raises(UserError, match="sizes: .*; give a whole number from 1 to 65536"):
            sizes.read("sizes", given)


def test_null_is_for_what_may_be_absent():
    assert Value(int, is_optional=True).read("length", None) is None
    with pytest.raises(UserError, match="length: null; give a whole number"):
        Value(int).read("length", None)


@pytest.mark.parametrize("given", ["a\udce9b", "a\0b"])
def test_text_that_no_file_can_hold_is_refused(given):
    with pytest.raises(UserError, match="^name: "):
        Value().read("name", given)


@pytest.mark.parametrize("given", [[], {}, None, True, b"x"])
def test_text_is_text(given):
    with pytest.raises(UserError, match="name: .*; give text"):
        Value().read("name", given)


def test_a_table_of_options_is_read_to_its_leaves():
    @dataclasses.dataclass
    class Study:
        strategy_options: dict[str, dict] = option(dict, "strategy -> options")

    value = option_values(Study)["strategy_options"]
    assert value.read("o", {"lora": {"learning_rate": 1e-3}}) == {"lora": {"learning_rate": 1e-3}}
    assert value.read("o", '{"lora": {"seeds": [1, 2]}}') == {"lora": {"seeds": [1, 2]}}
    deep = "[" * 5000
    tree = {}
    for _ in range(50):
        tree = {"a": tree}
    for given in ({"lora": 3}, {"lora": None}, {1: {}}, {"lora": {1: 2}}, {"lora": {"a": math.nan}}, tree, deep, [], 3):
        with pytest.raises(UserError, match="^o: .*give a mapping"):
            value.read("o", given)


def options_of_scripts():
    """`SCRIPT --OPTION` -> what it takes, and its default."""
    for name in SCRIPTS:
        kinds = vars(importlib.import_module(name)).values()
        for kind in (kind for kind in kinds if getattr(kind, "__name__", "").endswith("Arguments")):
            for option_name, value in option_values(kind).items():
                item = kind.__dataclass_fields__[option_name]
                default = item.default_factory() if item.default is dataclasses.MISSING else item.default
                yield f"{name} --{option_name}", value, default


OPTIONS = list(options_of_scripts())


def test_every_number_that_a_script_takes_has_two_ends():
    numbers = {where: value for where, value, _ in OPTIONS if value.kind in (int, float)}
    without = [
        where
        for where, value in numbers.items()
        if (value.minimum is None and value.above is None) or (value.maximum is None and value.below is None)
    ]
    assert len(numbers) > 100 and without == []


def test_the_default_of_every_script_is_in_its_range():
    for where, value, default in OPTIONS:
        if value.kind in (int, float):
            assert value.read(where, default) == default


WRITTEN = (" --output_dir", "--output_file", "--target", "--attention", "--readme")


def test_every_path_that_a_script_writes_to_is_checked_before_work():
    outputs = {where for where, value, _ in OPTIONS if value.output is not None}
    assert outputs == {where for where, *_ in OPTIONS if where.endswith(WRITTEN)}
