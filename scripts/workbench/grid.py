"""A study is a grid of cells, and a cell is one run of a training script, in a process and a folder of its own.

    STUDY/CELL/            the run: config.yaml, results.json, model, checkpoints, figures
    STUDY/cells/CELL.yaml  what the cell was asked for
    STUDY/cells/CELL.log   what its process printed

The study's process may be killed at any time. On Linux the kernel then ends the cell's process too (PR_SET_PDEATHSIG);
and because a launcher's workers, or another system, may not hear of it, the log is also a lock: it is held as long as
any process that prints into it lives, so that no second one ever writes into the same run.
"""

import ctypes
import dataclasses
import errno
import fcntl
import json
import os
import re
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .arguments import convert_options, option, read_recipe
from .errors import UserError, nearest
from .metrics import metric_name
from .results import (
    CONFIG_FILE,
    FREE_OPTIONS,
    RESULTS_FILE,
    RunResults,
    check_inputs,
    delete_run,
    read_run_config,
    write_whole,
)

CELLS_FOLDER = "cells"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
SECONDS_TO_END = 10
# What a training script takes for one run alone, which a study of many does not offer.
SINGLE_RUN = frozenset("overwrite_output_dir report_to push_to_hub hub_private predict submission".split())
REQUIRED = frozenset("metrics splits parameters seconds seed".split())


@dataclass
class StudyArguments:
    """What every study accepts."""

    output_dir: str = option("runs/study", "folder of the study: one run per cell, the table and the figures")
    seed: int = option(0, "first seed; a seed fixes data order, initialisation and dropout")
    seeds: int = option(1, "runs per setting, with the seeds that follow the first")
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


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (nan for one value) over n seeds."""

    mean: float
    sd: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        values = list(values)
        sd = statistics.stdev(values) if len(values) > 1 else float("nan")
        return cls(statistics.fmean(values), sd, len(values))

    def show(self, form: str = ".3f") -> str:
        """The mean in the format `form`, with ± sd if there is one."""
        return format(self.mean, form) + (f" ± {format(self.sd, form)}" if self.n > 1 else "")


def check_axis(arguments, name: str, allowed: tuple | None = None) -> None:
    """UserError unless the option `name` lists one or more of `allowed` (None: whole numbers from 1), each once."""
    values = getattr(arguments, name)
    right = all(value in allowed if allowed else value >= 1 for value in values)
    if not values or not right or len(set(values)) < len(values):
        what = " and ".join(allowed) if allowed else "the numbers from 1 on"
        raise UserError(f"{name}: got {values}; give one or more of {what}, each once")


def one_each(arguments, name: str, axis: str) -> dict:
    """Point of the option `axis` -> its value of the option `name`, which lists one for all or one for each."""
    values, points = getattr(arguments, name), getattr(arguments, axis)
    if len(values) not in (1, len(points)):
        raise UserError(f"{name}: got {values}; give one value for all, or one for each of {axis}: {points}")
    return dict(zip(points, values * len(points) if len(values) == 1 else values, strict=True))


@dataclass(frozen=True)
class Score:
    """A column of a study's table: `metrics[split][metric]` of each run, and the format to show it in."""

    name: str
    split: str
    metric: str
    form: str

    def values(self, runs: list[RunResults]) -> list[float]:
        return [run.metrics[self.split][self.metric] for run in runs]

    def change(self, before: list[RunResults], after: list[RunResults]) -> str:
        """ "lowered the NAME from X to Y" and the difference paired by seed; both lists have the seeds in one order."""
        old, new = self.values(before), self.values(after)
        moved = Spread.of(b - a for a, b in zip(old, new, strict=True))
        x, y = Spread.of(old).show(self.form), Spread.of(new).show(self.form)
        if x == y:
            return f"left the {self.name} at {y}"
        text = f"{'lowered' if moved.mean < 0 else 'raised'} the {self.name} from {x} to {y}"
        paired = f" (paired difference {moved.mean:+{self.form}} ± {moved.sd:{self.form}})" if moved.n > 1 else ""
        return text + paired


def shared_options(arguments: StudyArguments, script_options: type, without: Iterable[str] = ()) -> dict[str, object]:
    """What every cell is told: the study's values of the training script's options.

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
    return options | convert_options(script_options, own or {})


def pair_along(runs: dict, axis: str, values: list, where: str) -> dict[str, tuple[list, list]]:
    """The runs at the first and at the last of an axis's values, all else equal.

    Args:
        runs: setting (a dataclass with the field `axis`) -> runs.
        where: names a pair, by `{s.field}` of the setting.
    """
    return {
        where.format(s=setting): (found, runs[dataclasses.replace(setting, **{axis: values[-1]})])
        for setting, found in runs.items()
        if getattr(setting, axis) == values[0] != values[-1]
    }


def describe_effect(cause: str, cases: dict[str, tuple[list, list]], scores: tuple[Score, ...]) -> str:
    """A sentence on what one change did to the scores.

    Args:
        cause: the change, as the sentence's subject.
        cases: where -> the runs before and after, each in the order of the seeds.
    """
    seeds = len(next(iter(cases.values()))[0])
    told = [f"{' and '.join(score.change(*pair) for score in scores)} {where}" for where, pair in cases.items()]
    return f"{cause} {'; '.join(told)} (n = {seeds} {'seed' if seeds == 1 else 'seeds'} each)."


def run_grid(script: Path, cells: list[Cell], arguments: StudyArguments) -> dict[str, RunResults]:
    """Runs this shard's unfinished cells one after the other.

    Args:
        script: the training script; it takes `--config`, `--output_dir` and `--resume_from_checkpoint`, and writes
            `results.json` into its folder when all is done.

    Returns:
        Cell name -> results, in the order of `cells`; fewer than `cells` while other shards are still at work.

    Raises:
        UserError: a cell failed, a cell in the folder was run with other options, or the folder is not a study's.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("start a study with plain python, in one process, and say --launcher 'accelerate launch …'")
    study = _open_study(arguments)
    share = take_shard(cells, arguments.shard)
    for cell in cells:
        _check_options(study, cell)
    waiting = [cell for cell in share if read_finished(study / cell.name) is None]
    print(f"{len(cells)} runs, {len(share)} of them in shard {arguments.shard}, {len(share) - len(waiting)} finished")
    started = time.perf_counter()
    for place, cell in enumerate(waiting, start=1):
        print(f"[{place}/{len(waiting)}] {cell.name} … (log: {study / CELLS_FOLDER / cell.name}.log)", flush=True)
        results = run_cell(script, cell, study, arguments.launcher)
        seconds = time.perf_counter() - started
        left = seconds / place * (len(waiting) - place)
        print(f"    {describe(results)}; {duration(seconds)} so far, about {duration(left)} left", flush=True)
    finished = {cell.name: read_finished(study / cell.name) for cell in cells}
    return {name: results for name, results in finished.items() if results is not None}


def take_shard(cells: list[Cell], shard: str) -> list[Cell]:
    """Every n-th cell from the i-th on, for the shard "i/n"; UserError for anything else."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard)
    if not match or int(match[1]) >= int(match[2]):
        raise UserError(f"shard: '{shard}' is not i/n with i from 0 to n-1, as in 0/4, 1/4, 2/4 and 3/4")
    return cells[int(match[1]) :: int(match[2])]


def read_finished(folder: Path) -> RunResults | None:
    """The results of a finished run; None if it has none, or a broken file. UserError for a newer schema."""
    try:
        content = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    whole = isinstance(content, dict) and content.keys() >= REQUIRED
    return RunResults.read(folder) if whole else None


def run_cell(script: Path, cell: Cell, study: Path, launcher: str = "") -> RunResults:
    """Runs one cell to its end in a process of its own, unless somebody else finishes it in the meantime.

    Raises:
        UserError: the process failed; names its log and the last error in it.
    """
    log_path = study / CELLS_FOLDER / f"{cell.name}.log"
    with log_path.open("ab") as log:
        _lock(log, cell)
        _check_options(study, cell)
        earlier = read_finished(study / cell.name)
        if earlier is not None:
            return earlier
        start = log_path.stat().st_size
        status = _run_process(_command(script, cell, study, launcher), log)
    results = read_finished(study / cell.name)
    if status == 0 and results is not None:
        return results
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with exit code {status}"
    ended += " and left no results.json" if status == 0 else ""
    # Lines of an earlier attempt may stand before `start`.
    written = log_path.read_bytes()[start:].decode("utf-8", "replace")
    raise UserError(f"{cell.name} {ended}; last in its log {log_path}: {last_error(written)}")


def _command(script: Path, cell: Cell, study: Path, launcher: str) -> list[str]:
    """What starts the cell; writes the recipe that it names."""
    import yaml

    recipe = study / CELLS_FOLDER / f"{cell.name}.yaml"
    write_whole(recipe, yaml.safe_dump(cell.options, sort_keys=False, allow_unicode=True))
    start = shlex.split(launcher) or [sys.executable]
    folder = ["--output_dir", str(study / cell.name), "--resume_from_checkpoint"]
    return [*start, str(script), "--config", str(recipe), *folder]


def last_error(text: str) -> str:
    """The last line of a log that reads like an error, or its last line."""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(error|[\w.]*(Error|Exception|Interrupt))\b", line)]
    return (errors or lines or ["nothing"])[-1]


def describe(results: RunResults) -> str:
    """The test split's scores in a few words, or where it has no labels the validation split's."""
    split = "test" if "test" in results.metrics else "validation"
    scores = [f"{metric_name(name)} {value:.4g}" for name, value in results.metrics.get(split, {}).items()]
    return f"{split}: {', '.join(scores)}"


def duration(seconds: float) -> str:
    """`95 s`, `12 min` or `3.1 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _open_study(arguments: StudyArguments) -> Path:
    study = Path(arguments.output_dir)
    if arguments.seeds < 1:
        raise UserError(f"seeds: {arguments.seeds} runs per setting; give 1 or more")
    if study.exists() and not study.is_dir():
        raise UserError(f"{study}: a file; --output_dir is a folder")
    if study.exists() and any(study.iterdir()):
        if not (study / CELLS_FOLDER).is_dir():
            raise UserError(f"{study}: not empty and not a study's folder; choose another --output_dir")
        if not arguments.resume_from_checkpoint:
            raise UserError(f"{study}: holds runs; go on with --resume_from_checkpoint, or choose another --output_dir")
    (study / CELLS_FOLDER).mkdir(parents=True, exist_ok=True)
    return study


def _check_options(study: Path, cell: Cell) -> None:
    """UserError if the cell was run, or begun, with other options than those asked for now."""
    folder, asked = study / cell.name, study / CELLS_FOLDER / f"{cell.name}.yaml"
    if not (folder / CONFIG_FILE).exists():
        return
    earlier = read_run_config(folder)
    # An option that is no longer given would have its default now: only the recipe tells that it was given then.
    given = set(read_recipe(str(asked))) if asked.exists() else set()
    for name in sorted((given | cell.options.keys()) - FREE_OPTIONS):
        now = cell.options.get(name, "not given")
        if name not in cell.options or earlier.get(name) != now:
            raise UserError(
                f"{folder}: was run with other options: {name} was {earlier.get(name)} and is {now} now; "
                "choose another --output_dir, or delete this folder to have it run again"
            )
    check_inputs(folder, cell.options)


def discard(cells: list[Cell], arguments: StudyArguments) -> None:
    """Deletes the runs of these cells, finished or not, so that they are run again; other files stay."""
    study = Path(arguments.output_dir)
    for cell in cells:
        if (study / cell.name / CONFIG_FILE).is_file():
            delete_run(study / cell.name, cell.options)
            (study / CELLS_FOLDER / f"{cell.name}.yaml").unlink(missing_ok=True)


def _lock(log, cell: Cell) -> None:
    """Waits until no other process writes into the cell."""
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"    {cell.name} is being run by another process: waiting for it", flush=True)
        fcntl.flock(log, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        print(f"    {log.name}: this file system has no locks; see that no other study runs {cell.name}", flush=True)


def _run_process(command: list[str], log) -> int:
    """Runs to the end, printing into `log`; the exit code, or minus the signal that ended it."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    # A bar drawn into a file is thousands of lines; tqdm's own switch leaves the epochs' lines.
    environment = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1"}
    follow = _die_with(os.getpid()) if sys.platform == "linux" else None
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, preexec_fn=follow
        )
    except FileNotFoundError as error:
        raise UserError(f"launcher: there is no command '{command[0]}'") from error
    try:
        return process.wait()
    finally:
        _end(process)


def _die_with(parent: int):
    """What a child calls first, so that SIGTERM reaches it when its parent dies, of whatever cause."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return follow


def _end(process: subprocess.Popen) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def write_study_table(path: Path, rows: list[dict[str, object]], forms: dict[str, str], text: str = "") -> str:
    """Writes `path`.csv with full precision and `path`.md with formatted values, each whole or not at all.

    Args:
        rows: one dictionary per row, all with the same keys; a `Spread` becomes three columns (mean, sd, n) in CSV.
        forms: column -> format of its numbers in Markdown.
        text: stands below the Markdown table.

    Returns:
        The Markdown table.
    """
    import csv
    import io

    flat = [{key: value for name, cell in row.items() for key, value in _columns(name, cell)} for row in rows]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(flat[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    write_whole(path.with_suffix(".csv"), buffer.getvalue())
    lines = [list(rows[0]), ["---" if isinstance(cell, str) else "---:" for cell in rows[0].values()]]
    lines += [[_shown(cell, forms.get(name, "")) for name, cell in row.items()] for row in rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    write_whole(path.with_suffix(".md"), table + (f"\n{text}\n" if text else ""))
    return table


def _columns(name: str, cell) -> list[tuple[str, object]]:
    if not isinstance(cell, Spread):
        return [(name, cell)]
    return [(name, cell.mean), (f"{name} sd", cell.sd if cell.n > 1 else ""), (f"{name} n", cell.n)]


def _shown(cell, form: str) -> str:
    return cell.show(form) if isinstance(cell, Spread) else cell if isinstance(cell, str) else format(cell, form)
