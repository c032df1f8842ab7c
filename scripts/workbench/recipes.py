"""Recipes: YAML files of options, read within limits, since one may come from a stranger.

Only the standard library and PyYAML are imported here, so that `--help` answers at once.
"""

import os
import stat
from collections import Counter
from functools import cache
from pathlib import Path

from .errors import UserError
from .values import shown

LARGEST = 100_000
DEEPEST = 20
MOST_VALUES = 10_000


def read_recipe(path: str) -> dict:
    """A YAML file of options; UserError if it cannot be read or is not a mapping with texts for keys."""
    return read_lines(path)[0]


def read_lines(path: str) -> tuple[dict, dict[str, int]]:
    """`read_recipe`, and the line on which each option stands."""
    import yaml

    text = _read_text(path)
    try:
        loader = _loader_class()(text)
        try:
            root = loader.get_single_node()
            _check_size(root)
            recipe = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot read this recipe: {error}") from error
    if not isinstance(recipe, dict):
        raise UserError(f"{path}: a recipe is a list of `option: value` lines")
    odd = next((key for key in recipe if not isinstance(key, str)), "")
    if odd != "":
        raise UserError(f"{path}: a recipe is a list of `option: value` lines; {shown(odd)} is not an option's name")
    return recipe, {key.value: key.start_mark.line + 1 for key, _ in root.value}


def _read_text(path: str) -> str:
    """A file's text; UserError for what is no plain file, is too large, or is not UTF-8."""
    try:
        # A pipe would be waited for.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise UserError(f"{path}: cannot read this recipe: it is not a file")
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot read this recipe: {error.strerror or error}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f"{path}: cannot read this recipe: {error}") from error
    if len(content) > LARGEST:
        size = os.stat(path).st_size  # noqa: PTH116
        raise UserError(f"{path}: {size:,} bytes; a recipe has at most {LARGEST:,}")
    return text


@cache
def _loader_class() -> type:
    """YAML's safe loader, which also refuses deep nesting and an option that is given twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent, index):
            self.depth += 1
            if self.depth > DEEPEST:
                raise yaml.YAMLError(f"nested deeper than {DEEPEST} levels")
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node, deep=False):
            names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            twice = [name for name, times in names.items() if times > 1]
            if twice:
                raise yaml.YAMLError(f"{shown(twice[0])} is given twice")
            return super().construct_mapping(node, deep=deep)

    return Loader


def _check_size(root) -> None:
    """ValueError for more values than a recipe has, those that stand for others (`*name`) counted in full."""
    seen, waiting = 0, [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values")
        for part in node.value if isinstance(node.value, list) else ():
            waiting.extend(part if isinstance(part, tuple) else (part,))
