"""A study is a grid of cells, and a cell is one run of a training script, in a process and a folder of its own.

    STUDY/CELL/            the run: config.yaml, results.json, model, checkpoints, figures
    STUDY/cells/CELL.yaml  what the cell was asked for
    STUDY/cells/CELL.log   what its process printed

The study's process may be killed at any time. On Linux the kernel then ends the cell's process too (PR_SET_PDEATHSIG);
and because a launcher's workers, or another system, may not hear of it, the log is also a lock: it is held as long as
any process that prints into it lives, so that no second one ever writes into the same run.
"""

import ctypes
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from workbench.errors import UserError
from workbench.files import write_whole
from workbench.locks import take_lock, wait_for_lock
from workbench.recipes import read_recipe
from workbench.runs.claims import claim, release
from workbench.runs.folder import CONFIG_FILE, FREE_OPTIONS, delete_run, read_run_config
from workbench.runs.inputs import check_inputs
from workbench.runs.metrics import diverged_loss, metric_name
from workbench.runs.results import RESULTS_FILE, RunResults, is_whole

from .cells import Cell, StudyArguments, take_shard

CELLS_FOLDER = "cells"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
SECONDS_TO_END = 10
GROUP = {} if sys.platform == "win32" else {"process_group": 0}


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


def read_finished(folder: Path) -> RunResults | None:
    """The results of a finished run; None if it has none, diverged, or a broken file. UserError for a newer schema."""
    try:
        content = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not is_whole(content) or any(diverged_loss(scores) for scores in content["metrics"].values()):
        return None
    return RunResults.read(folder)


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
    """The command that starts the cell; writes the recipe that it names."""
    import yaml

    recipe = study / CELLS_FOLDER / f"{cell.name}.yaml"
    write_whole(recipe, yaml.safe_dump(cell.options, sort_keys=False, allow_unicode=True))
    start = split_launcher(launcher) or [sys.executable]
    folder = ["--output_dir", str(study / cell.name), "--resume_from_checkpoint"]
    return [*start, str(script), "--config", str(recipe), *folder]


def split_launcher(launcher: str) -> list[str]:
    """The words of the command that starts a run; UserError for a quotation that does not end."""
    try:
        return shlex.split(launcher)
    except ValueError as error:
        raise UserError(f"launcher: {launcher[:60]} cannot be read as a command: {error}") from error


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
    split_launcher(arguments.launcher)
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
            claim(study / cell.name)
            delete_run(study / cell.name, cell.options)
            release(study / cell.name)
            (study / CELLS_FOLDER / f"{cell.name}.yaml").unlink(missing_ok=True)


def _lock(log, cell: Cell) -> None:
    """Waits until no other process writes into the cell."""
    if not take_lock(log):
        print(f"    {cell.name} is being run by another process: waiting for it", flush=True)
        wait_for_lock(log)


def _run_process(command: list[str], log) -> int:
    """Runs to the end, printing into `log`; the exit code, or minus the signal that ended it."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    # A bar drawn into a file is thousands of lines; tqdm's own switch leaves the epochs' lines.
    environment = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1"}
    follow = _die_with(os.getpid()) if sys.platform == "linux" else None
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            preexec_fn=follow,
            **GROUP,
        )
    except FileNotFoundError as error:
        raise UserError(f"launcher: there is no command '{command[0]}'") from error
    try:
        return process.wait()
    finally:
        _end(process)


def _die_with(parent: int):
    """A child's first call, so that SIGTERM reaches it when its parent dies, of whatever cause."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return follow


def _end(process: subprocess.Popen) -> None:
    if process.poll() is not None:
        return
    if GROUP:  # a launcher does not tell its workers that they are to end
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
