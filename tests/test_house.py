"""The house rules of the code: which room may import which, and that tests mirror the tree."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WORKBENCH = ROOT / "scripts" / "workbench"
# From the ground up: a room imports from the floors below it, and subjects share a floor without meeting.
FLOORS = (
    {"errors", "termination", "arguments", "values", "recipes", "escapes", "files", "locks", "processes"},
    {"data"},
    {"runs"},
    {"studies", "hub"},
    {"strategies"},
    {"translation", "classification", "robustness", "gradients"},
    {"benchmarks"},
)
MODULES = sorted(WORKBENCH.rglob("*.py"))


def room_of(module: str) -> str:
    return module.split(".")[0]


def imported(path: Path) -> set[str]:
    """The modules of the workbench that a module imports, at its top or inside a function, by their dotted names."""
    here = path.relative_to(WORKBENCH).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level == 1:
            base = [*here[:-1], *(node.module.split(".") if node.module else [])]
        elif node.level == 0 and (node.module or "").split(".")[0] == "workbench":
            base = node.module.split(".")[1:]
        else:
            continue
        for alias in node.names:
            whole = ".".join([*base, alias.name])
            is_module = (WORKBENCH / whole.replace(".", "/")).with_suffix(".py").is_file()
            found.add(whole if is_module else ".".join(base))
    return found


GRAPH = {".".join(path.relative_to(WORKBENCH).with_suffix("").parts): imported(path) for path in MODULES}


@pytest.mark.parametrize("module", [name for name in GRAPH if not name.endswith("__init__")])
def test_a_module_imports_from_its_own_room_and_the_floors_below(module):
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    own = room_of(module)
    wrong = [name for name in GRAPH[module] if room_of(name) != own and floor[room_of(name)] >= floor[own]]
    same_ground = [name for name in wrong if floor[own] == 0 == floor[room_of(name)]]
    assert sorted(set(wrong) - set(same_ground)) == []


def test_no_modules_import_each_other_in_a_circle():
    reachable = {name: set(found) for name, found in GRAPH.items()}
    for _ in reachable:
        grown = {
            name: found | {far for near in found for far in reachable.get(near, ())}
            for name, found in reachable.items()
        }
        if grown == reachable:
            break
        reachable = grown
    assert [name for name, found in reachable.items() if name in found] == []


def test_what_ships_and_what_tests_share_imports_nothing_upwards():
    for path in (ROOT / "custom_models").rglob("*.py"):
        tree = ast.parse(path.read_text())
        roots = {
            node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
        }
        assert "workbench" not in roots, path
    for path in (ROOT / "spaces").rglob("*.py"):
        tree = ast.parse(path.read_text())
        roots = {
            node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not roots & {"workbench", "support"}, path


def test_no_test_imports_a_test():
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").split(".")[-1].startswith("test_"), path


def test_the_rooms_of_the_tests_are_those_of_the_code():
    rooms = {path.parent.name for path in MODULES} - {"workbench", "data"} | {"data"}
    others = {"borders", "custom_models", "scripts", "spaces", "support"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert folders <= rooms | others


def test_every_module_imports_where_posix_modules_are_missing():
    """Windows has neither `resource` nor `fcntl`."""
    # What the libraries themselves import of them is not ours to test, so they come first.
    names = [f"workbench.{name}" for name in GRAPH if not name.endswith("__init__")]
    program = f"""
import importlib, sys
import accelerate, datasets, matplotlib.pyplot, peft, torch, transformers.trainer
sys.modules["resource"] = sys.modules["fcntl"] = None
for name in {names!r}:
    importlib.import_module(name)
"""
    environment = {**os.environ, "PYTHONPATH": "scripts:."}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr
