"""Spaces import nothing of ours, so they bring copies; here each copy is held against what it was copied from."""

import ast
import json
import re
from pathlib import Path

import pytest

from workbench.errors import UserError
from workbench.hub.fetch import check_config

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"# The same as (\S+)")
# Copied as they are; of the transforms, the import of the one class that is not beside them is another.
WHOLE = {
    f"robustness/{name}.py": f"spaces/classifier/{name}.py"
    for name in ("loading", "classification", "description", "reading")
}
TRANSFORMS = ("transform.py", "spelling.py", "wording.py", "tables.py")
TABLES = "contractions fillers homoglyphs keyboard names ocr variants words".split()
WHOLE |= {f"robustness/transforms/{name}": f"scripts/workbench/robustness/{name}" for name in TRANSFORMS}
WHOLE |= {
    f"robustness/transforms/tables/{name}.json": f"scripts/workbench/robustness/tables/{name}.json" for name in TABLES
}
# What must be marked: a copy whose mark is lost would drift.
COPIES = {
    ("classifier/loading.py", "FORBIDDEN_KEYS"),
    ("classifier/loading.py", "LAST_LINEAR"),
    ("classifier/loading.py", "unasked_code"),
    ("classifier/loading.py", "all_keys"),
    ("classifier/classification.py", "positions"),
    ("classifier/reading.py", "PAIR_NAMES"),
    ("classifier/reading.py", "TEXT_NAMES"),
    ("classifier/reading.py", "LABEL_NAMES"),
    ("translator/translation.py", "WORD"),
    ("robustness/app.py", "load"),
    ("robustness/app.py", "tokens_to_read"),
    ("robustness/app.py", "refuse"),
    ("robustness/transforms/errors.py", "UserError"),
}


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
    original = (ROOT / source).read_text(encoding="utf-8")
    expected = original.replace("from workbench.errors import", "from .errors import")
    assert (ROOT / "spaces" / file).read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("model_type", ["bert", "piglatin", "sentence_encoder"])
def test_code_named_deep_inside_a_config_is_not_run_unasked(tmp_path, model_type):
    """Nor inside our own architectures, of which only the `auto_map` at the top names code that is here already."""
    inner = {"encoder_config": {"parts": [{"auto_map": {"AutoConfig": "other--evil.Config"}}]}}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type, **inner}))
    with pytest.raises(UserError, match="brings its own code; read it, then pass --trust_remote_code"):
        check_config(str(tmp_path), trust_remote_code=False)
    assert check_config(str(tmp_path), trust_remote_code=True)["model_type"] == model_type
