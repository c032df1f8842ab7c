"""Spaces import nothing of ours, so they bring copies; here each copy is held against what it was copied from."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"# The same as (\S+)")
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
    ("robustness/app.py", "load"),
    ("robustness/app.py", "tokens_to_read"),
    ("robustness/app.py", "refuse"),
    ("robustness/transforms/errors.py", "UserError"),
}
DOOR = [f"scripts/workbench/hub/{name}.py" for name in ("door", "schemas", "sizes")]
PIGLATIN = [f"custom_models/{name}_piglatin.py" for name in ("configuration", "layers", "modeling")]
CLASSIFIER = [f"spaces/classifier/{name}.py" for name in ("loading", "classification", "description", "reading")]
TRANSFORMS = [f"scripts/workbench/robustness/{name}.py" for name in ("transform", "spelling", "wording", "tables")]
TABLES = "contractions fillers homoglyphs keyboard names ocr variants words".split()
TABLE_FOLDERS = ("spaces/robustness/transforms/tables", "scripts/workbench/robustness/tables")
# Files that are copied whole, with the mark as their first line.
SPACES = ("classifier", "translator", "robustness")
WHOLE = {f"{space}/{Path(source).name}": source for space in SPACES for source in DOOR}
WHOLE |= {f"robustness/{Path(source).name}": source for source in CLASSIFIER}
WHOLE |= {f"robustness/transforms/{Path(source).name}": source for source in TRANSFORMS}
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
    for path in sorted((ROOT / "spaces").rglob("*.py")):
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
    original = definitions(ROOT / source)
    assert ast.dump(definitions(ROOT / "spaces" / file)[name]) == ast.dump(original[name])


@pytest.mark.parametrize(("file", "source"), WHOLE.items())
def test_a_whole_copy_is_what_it_was_copied_from(file, source):
    text = (ROOT / "spaces" / file).read_text(encoding="utf-8")
    # The one class of ours that the transforms need stands beside them.
    original = (ROOT / source).read_text(encoding="utf-8")
    assert text == f"# The same as {source}\n" + original.replace("from workbench.errors import", "from .errors import")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_what_it_was_copied_from(name):
    copy, source = (ROOT / folder / f"{name}.json" for folder in TABLE_FOLDERS)
    assert copy.read_bytes() == source.read_bytes()


def test_every_whole_copy_is_known():
    files = {path.relative_to(ROOT / "spaces").as_posix(): path for path in (ROOT / "spaces").rglob("*.py")}
    marked = {name: WHOLE_MARK.match(path.read_text(encoding="utf-8")) for name, path in files.items()}
    assert {name for name, mark in marked.items() if mark} == set(WHOLE)
