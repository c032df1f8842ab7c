"""The scaffold of every study: points that are run with each seed, and the settings that come out."""

import re
from collections.abc import Callable
from pathlib import Path

from .cells import Cell, StudyArguments
from .grid import run_grid


def run_study(
    script: Path, points: list[str], options: Callable[[str, int], dict[str, object]], arguments: StudyArguments
) -> "dict[str, Setting] | None":  # noqa: F821, imported late: it needs numpy
    """Runs each point with each seed, all points of a seed before the next seed.

    Args:
        points: their names, with which their runs' folders begin.
        options: what the training script is told for a point and a seed.

    Returns:
        The settings by the points' names; None, with a word about it, while other shards are at work.
    """
    from .comparison import Setting

    folder = Path(arguments.output_dir)
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    cells = [Cell(cell_name(name, seed), options(name, seed) | {"seed": seed}) for seed in seeds for name in points]
    results = run_grid(script, cells, arguments)
    if len(results) < len(cells):
        print(f"{len(results)} of {len(cells)} runs are finished: start this again when the other shards are\n{folder}")
        return None
    names = {name: [cell_name(name, seed) for seed in seeds] for name in points}
    return {
        name: Setting(name, [folder / run for run in runs], [results[run] for run in runs])
        for name, runs in names.items()
    }


def cell_name(point: str, seed: int) -> str:
    """The name of a run's folder: the point's, of what every system takes in a name, and the seed."""
    safe = re.sub(r"[^\w.-]", "_", point)
    return f"{safe}-seed{seed}"
