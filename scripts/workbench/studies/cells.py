"""The cells of a study: what each run is told."""

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

from workbench.arguments import convert_options, option
from workbench.errors import UserError, nearest
from workbench.runs.folder import FREE_OPTIONS
from workbench.values import SEED, SEEDS

# What a training script takes for one run alone, which a study of many does not offer.
SINGLE_RUN = frozenset("overwrite_output_dir report_to push_to_hub hub_private predict submission".split())


@dataclass
class StudyArguments:
    """The study: its folder, its seeds, and the machines that share it."""

    output_dir: str = option(
        "runs/study", "folder of the study: one run per cell, the table and the figures", output="folder"
    )
    seed: int = option(0, "first seed; a seed fixes data order, initialisation and dropout", **SEED)
    seeds: int = option(1, "runs per setting, with the seeds that follow the first", **SEEDS)
    resume_from_checkpoint: bool = option(
        True, "skip the finished runs in output_dir and go on with the others; false: refuse a folder that holds any"
    )
    shard: str = option("0/1", "this machine's share: i/n takes every n-th run from the i-th on, i from 0 to n-1")
    launcher: str = option(
        "", "starts each run, e.g. 'accelerate launch --config_file accelerate_configs/single_gpu.yaml'"
    )


@dataclass(frozen=True)
class Cell:
    """One run: its name, which is its folder's, and the training script's options."""

    name: str
    options: dict[str, object]


def check_axis(arguments, name: str, allowed: tuple | None = None) -> None:
    """UserError unless the option `name` lists one or more of `allowed` (None: whole numbers from 1), each once."""
    values = getattr(arguments, name)
    right = all(value >= 1 if allowed is None else value in allowed for value in values)
    if not values or not right or len(set(values)) < len(values):
        what = "the numbers from 1 on" if allowed is None else " and ".join(allowed)
        raise UserError(f"{name}: got {values}; give one or more of {what}, each once")


def one_each(arguments, name: str, axis: str) -> dict:
    """Point of the option `axis` -> its value of the option `name`, which lists one for all or one for each."""
    values, points = getattr(arguments, name), getattr(arguments, axis)
    if len(values) not in (1, len(points)):
        raise UserError(f"{name}: got {values}; give one value for all, or one for each of {axis}: {points}")
    return dict(zip(points, values * len(points) if len(values) == 1 else values, strict=True))


def shared_options(arguments: StudyArguments, script_options: type, without: Iterable[str] = ()) -> dict[str, object]:
    """The options of every cell: the study's values of the training script's options.

    Args:
        script_options: the training script's dataclass of arguments.
        without: options that differ from cell to cell, beside the seed.
    """
    apart = FREE_OPTIONS | SINGLE_RUN | {"seed", "seeds", *without}
    names = [item.name for item in dataclasses.fields(script_options) if item.name not in apart]
    return {name: getattr(arguments, name) for name in names}


def with_own(options: dict[str, object], own: dict | None, script_options: type, where: str) -> dict[str, object]:
    """The shared options with a cell's own in their place; UserError, beginning with `where`, for one that is none."""
    unknown = sorted(set(own or {}) - set(options))
    if unknown:
        raise UserError(f"{where}: runs have no option '{unknown[0]}'{nearest(unknown[0], list(options))}")
    try:
        return options | convert_options(script_options, own or {})
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def take_shard(cells: list[Cell], shard: str) -> list[Cell]:
    """Every n-th cell from the i-th on, for the shard "i/n"; UserError for anything else."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not match or int(match[1]) >= int(match[2]):
        raise UserError(f"shard: '{shard}' is not i/n with i from 0 to n-1, as in 0/4, 1/4, 2/4 and 3/4")
    return cells[int(match[1]) :: int(match[2])]
