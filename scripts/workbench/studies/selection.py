"""Which runs a person means: a run's folder, a folder of seeds, a study's setting, or a glob of runs."""

import re
from collections.abc import Sequence
from pathlib import Path

from workbench.data.limits import MOST_IN_NAME
from workbench.data.tables import check_unicode
from workbench.errors import UserError, nearest
from workbench.runs.results import RESULTS_FILE

from .comparison import Setting

SEED_SUFFIX = re.compile(r"[-_]?seed\d+$")


def read_settings(given: Sequence[str]) -> list[Setting]:
    """A setting per argument, `name=` before it or not; UserError for one that is no run, or a run given twice."""
    settings, owners = [], {}
    for text in given:
        name, folders = find_runs(text)
        check_unicode(name, "the name of a setting")
        if len(name) > MOST_IN_NAME:
            raise UserError(f"the name of a setting has {len(name):,} characters; at most {MOST_IN_NAME} are possible")
        setting = Setting.read(name, folders)
        for folder in folders:
            owner = owners.setdefault(folder.resolve(), text)
            if owner != text:
                raise UserError(f"{folder}: is in '{owner}' and in '{text}'; give each run once")
        settings.append(setting)
    names = [setting.name for setting in settings]
    if len(set(names)) < len(names):
        settings = _with_parents(settings)
    return settings


def _with_parents(settings: list[Setting]) -> list[Setting]:
    """The settings under names of two folders, where one was not enough to tell them apart."""
    for setting in settings:
        setting.name = f"{setting.folders[0].resolve().parent.name}/{setting.name}"
    names = [setting.name for setting in settings]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"'{twice}' names two settings; tell them apart as one=FOLDER other=FOLDER")
    return settings


def find_runs(text: str) -> tuple[str, list[Path]]:
    """The setting's name and its runs' folders; UserError if there are none."""
    name, has_name, pattern = text.partition("=")
    if not has_name or Path(text).exists():
        name, pattern = "", text
    path = Path(pattern)
    if _is_run(path):
        folders = [path]
    elif path.is_dir():
        folders = _runs_in(path)
    else:
        root, below = Path(path.anchor or "."), str(path.relative_to(path.anchor))
        found = [*root.glob(below), *root.glob(f"{below}-seed*")] if path.name else []
        folders = sorted((one for one in found if _is_run(one)), key=_seed_order)
    if not folders:
        raise UserError(f"{pattern}: no run with a {RESULTS_FILE}{_suggestion(path)}")
    return name or _name_of(path, folders), folders


def _is_run(folder: Path) -> bool:
    return (folder / RESULTS_FILE).is_file()


def _runs_in(folder: Path) -> list[Path]:
    """The runs in a folder of one setting's seeds; UserError for a study of several settings."""
    runs = sorted((one for one in folder.iterdir() if _is_run(one)), key=_seed_order)
    stems = list(dict.fromkeys(SEED_SUFFIX.sub("", one.name) for one in runs))
    if len(stems) > 1:
        raise UserError(
            f"{folder}: holds several settings: {', '.join(stems)}; name one, as {folder / stems[0]} or "
            f"'{folder / stems[0]}-seed*'"
        )
    return runs


def _seed_order(folder: Path) -> tuple[str, int]:
    digits = re.search(r"(\d+)$", folder.name)
    return SEED_SUFFIX.sub("", folder.name), int(digits[1]) if digits else 0


def _name_of(path: Path, folders: list[Path]) -> str:
    """The common part of the runs' folders, without seeds and wildcards."""
    stem = SEED_SUFFIX.sub("", folders[0].name)
    return stem or folders[0].resolve().parent.name or path.name


def _suggestion(path: Path) -> str:
    beside = [SEED_SUFFIX.sub("", one.name) for one in path.parent.glob("*") if one.is_dir()]
    return nearest(path.name, list(dict.fromkeys(beside)))
