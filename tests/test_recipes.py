"""Recipes: what is read, and what of a stranger's file is refused in one line."""

import os

import pytest

from workbench.errors import UserError
from workbench.recipes import LARGEST, read_lines, read_recipe

LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_a_recipe_is_read_with_its_lines(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("\ufeff# mine\nshared: &shared {rate: 1.0}\nlora: *shared\n'quoted': [1, 2]\n", encoding="utf-8")
    recipe, lines = read_lines(str(path))
    assert recipe == {"shared": {"rate": 1.0}, "lora": {"rate": 1.0}, "quoted": [1, 2]}
    assert lines == {"shared": 2, "lora": 3, "quoted": 4}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "a recipe is a list of"),
        (b"- a\n", "a recipe is a list of"),
        (b"seed\n", "a recipe is a list of"),
        (b"1: 2\n", "1 is not an option's name"),
        (b"null: 2\n", "null is not an option's name"),
        (b"? [1]\n: 2\n", "cannot read this recipe"),
        (b"seed: 1\nseed: 2\n", "'seed' is given twice"),
        (b"lora: {rate: 1, rate: 2}\n", "'rate' is given twice"),
        (b"seed: " + b"[" * 3000, "nested deeper than 20 levels"),
        (b"seed: " + b"[" * 40 + b"]" * 40, "nested deeper than 20 levels"),
        (b"\n".join(b" " * depth + b"a:" for depth in range(40)), "nested deeper than 20 levels"),
        (b"a: &a [*a]\n", "more than 10,000 values"),
        (LAUGHS.encode(), "more than 10,000 values"),
        (b"seed: " + b"1" * 5000, "cannot read this recipe"),
        (b"seed: !!python/object/apply:os.system [true]\n", "cannot read this recipe"),
        (b"seed: [\n", "cannot read this recipe"),
        (b"seed: \xff\n", "cannot read this recipe"),
        (b"seed: \x00\n", "cannot read this recipe"),
        (b"# " + b"x" * LARGEST, "100,002 bytes; a recipe has at most 100,000"),
    ],
)
def test_what_is_no_recipe_is_one_line(tmp_path, content, says):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as refusal:
        read_recipe(str(path))
    assert str(refusal.value).startswith(f"{path}: ") and says in str(refusal.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "recipe.yaml")
    for path in (tmp_path / "recipe.yaml", tmp_path):
        with pytest.raises(UserError, match="it is not a file"):
            read_recipe(str(path))


@pytest.mark.parametrize("name", ["", "absent.yaml", "x" * 300, "a\0b", "\udce9"])
def test_a_recipe_that_is_not_there_is_one_line(name):
    with pytest.raises(UserError, match="cannot read this recipe"):
        read_recipe(name)
