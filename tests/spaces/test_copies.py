"""Spaces import nothing of ours, so they bring copies; here each copy is held against what it was copied from."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"# The same as scripts/workbench/(\S+)")
WHOLE_MARK = re.compile(r"# The same as (\S+)\n")
# What must be marked: a copy whose mark is lost would drift.
COPIES = {
    ("classifier/loading.py", "LAST_LINEAR"),
    ("classifier/classification.py", "positions"),
    ("classifier/cards.py", "FORMULA"),
    ("classifier/cards.py", "NUMBER"),
    ("classifier/cards.py", "NUMERIC"),
    ("classifier/cards.py", "one_line"),
    ("classifier/cards.py", "spreadsheet_cell"),
    ("classifier/reading.py", "PAIR_NAMES"),
    ("classifier/reading.py", "TEXT_NAMES"),
    ("classifier/reading.py", "LABEL_NAMES"),
    ("translator/translation.py", "WORD"),
}
DOOR = [f"scripts/workbench/hub/{name}.py" for name in ("door", "schemas", "sizes")]
PIGLATIN = [f"custom_models/{name}_piglatin.py" for name in ("configuration", "layers", "modeling")]
# Files that are copied whole, with the mark as their first line.
WHOLE = {f"{space}/{Path(source).name}": source for space in ("classifier", "translator") for source in DOOR}
WHOLE |= {f"translator/piglatin/{Path(source).name}": source for source in PIGLATIN}


def definitions(path: Path) -> dict[str, ast.stmt]:
    """The functions, classes and constants at the top of a file, by name."""
    named = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            named |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            named[node.name] = node
    return named


def marks() -> list[tuple[str, str, str]]:
    """File of a Space, name, and the file that the mark above it gives; a mark above nothing has an empty name."""
    found = []
    for path in sorted((ROOT / "spaces").glob("*/*.py")):
        if path.relative_to(ROOT / "spaces").as_posix() in WHOLE:
            continue
        starts = {node.lineno: name for name, node in definitions(path).items()}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if mark := MARK.fullmatch(line):
                found.append((path.relative_to(ROOT / "spaces").as_posix(), starts.get(number + 1, ""), mark[1]))
    return found


def test_every_copy_is_marked():
    assert {(file, name) for file, name, _ in marks()} == COPIES


@pytest.mark.parametrize(("file", "name", "source"), marks())
def test_a_copy_is_what_it_was_copied_from(file, name, source):
    original = definitions(ROOT / "scripts" / "workbench" / source)
    assert ast.dump(definitions(ROOT / "spaces" / file)[name]) == ast.dump(original[name])


@pytest.mark.parametrize(("file", "source"), WHOLE.items())
def test_a_whole_copy_is_what_it_was_copied_from(file, source):
    text = (ROOT / "spaces" / file).read_text(encoding="utf-8")
    assert text == f"# The same as {source}\n" + (ROOT / source).read_text(encoding="utf-8")


def test_every_whole_copy_is_known():
    files = {path.relative_to(ROOT / "spaces").as_posix(): path for path in (ROOT / "spaces").rglob("*.py")}
    marked = {name: WHOLE_MARK.match(path.read_text(encoding="utf-8")) for name, path in files.items()}
    assert {name for name, mark in marked.items() if mark} == set(WHOLE)
