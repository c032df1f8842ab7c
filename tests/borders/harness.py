"""Cases at the borders: what a stranger may give, run in a forked process, and the verdict on how it ended.

    python tests/borders/harness.py options folders
    python tests/borders/harness.py options --all --name=seed

The first runs the cases that the tests run, of two modules; the second those with "seed" in their names. Both print
the failures and the counts by group.
A process that has imported the heavy libraries once forks for each case, which then costs milliseconds instead of
seconds; it trains nothing itself, for torch's threads do not survive a fork.
"""

import argparse
import atexit
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("options", "training_options", "recipes", "files", "folders", "spaces")
SECONDS, MOST_SECONDS, MOST_BYTES, LONGEST_LINE = 10, 60, 4 * 2**30, 2_000
GOOD = ("one line", "sensible")
# How many cases of a group the tests run, where there are more: always the same ones.
MOST = {
    "options-cli": 170,
    "options-recipe": 170,
    "options-odd": 40,
    "training-arguments": 60,
    "training-arguments-recipe": 60,
    "recipes": 60,
    "nested": 100,
    "recipes-drawn": 70,
    "recipes-bytes": 25,
    "tables": 80,
    "json": 45,
    "pairs": 45,
    "parquet": 40,
    "places": 40,
    "columns": 35,
    "tables-bytes": 20,
    "pairs-bytes": 20,
    "standard-input": 20,
    "results": 45,
    "cards": 30,
    "study-pages": 60,
    "run-files": 120,
    "run-config": 40,
    "checkpoints": 35,
    "names": 80,
    "results-drawn": 15,
    "results-bytes": 15,
    "spaces-classifier": 80,
    "spaces-translator": 30,
    "spaces-results": 110,
}
UNPREPARED = 98  # exit code of a case that could not be prepared: a fault of the tests


@dataclass(frozen=True)
class Case:
    """Something that a stranger gives.

    Args:
        group: the class of inputs that it is counted in.
        name: what is wrong with it, in a few letters.
        script: a script's name, or a function called in the case's folder, whose printed output counts.
        arguments: the script's; "@M" stands for the folder of valid things, "@H" for the case's own.
        prepare: makes the case's files, from (the case's folder, the folder of valid things).
        must_refuse: whether no exit code but 2 is right.
        trains: whether training is real; otherwise all ends well where it would begin.
        writes: names in the case's folder that may be written.
    """

    group: str
    name: str
    script: str | Callable[[Path], None]
    arguments: tuple[str, ...] = ()
    prepare: Callable[[Path, Path], None] | None = None
    must_refuse: bool = False
    trains: bool = False
    writes: tuple[str, ...] = ("out", "runs")
    stdin: bytes = b""

    @property
    def id(self) -> str:
        script = self.script if isinstance(self.script, str) else self.script.__name__
        return re.sub(r"[^\w.=+-]+", "_", f"{self.group}-{script}-{self.name}", flags=re.ASCII)[:100]


@dataclass
class Outcome:
    """How a case ended."""

    verdict: str
    detail: str = ""
    seconds: float = 0.0
    mebibytes: float = 0.0

    @property
    def is_good(self) -> bool:
        return self.verdict in GOOD


def shown(value: str) -> str:
    """A value in a case's name."""
    return value if len(value) <= 60 else f"{value[:8]}..{len(value)}"


def cases_of(module: str) -> dict[str, Case]:
    """The cases of a module by their names, in the same order in every process."""
    cases: dict[str, Case] = {}
    counts: Counter = Counter()
    for case in import_module(f"borders.{module}").cases():
        counts[case.id] += 1
        cases[case.id if counts[case.id] == 1 else f"{case.id}~{counts[case.id]}"] = case
    return cases


def chosen(cases: dict[str, Case]) -> dict[str, Case]:
    """Of each group as many as the tests run, those with the lowest checksums."""
    groups: dict[str, list[str]] = {}
    for name in sorted(cases, key=lambda name: zlib.crc32(name.encode())):
        groups.setdefault(cases[name].group, []).append(name)
    names = {name for group, members in groups.items() for name in members[: MOST[group]]}
    return {name: case for name, case in cases.items() if name in names}


class Server:
    """The process that forks; to be closed."""

    def __init__(self, module: str, material: Path):
        self.scratch = tempfile.mkdtemp(prefix="borders-")
        paths = os.pathsep.join(str(ROOT / name) for name in (".", "scripts", "tests"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from borders.harness import serve; serve()", module, str(material), self.scratch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"},
        )

    def run(self, name: str) -> Outcome:
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return Outcome(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)


def serve() -> None:
    """Reads names of cases, and answers each with its outcome."""
    module, material, scratch = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1", COLUMNS="120")
    cases = cases_of(module)
    import_all(module)
    for line in sys.stdin:
        outcome = run_case(cases[line.rstrip("\n")], Path(scratch), Path(material))
        print(json.dumps(vars(outcome)), file=answers, flush=True)


def import_all(module: str) -> None:
    """Imports what scripts and Spaces import late."""
    import gc
    import pkgutil

    from transformers.utils import logging

    logging.disable_progress_bar()
    import workbench

    for item in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if "adapters_library" not in item.name:
            import_module(item.name)
    for path in (ROOT / "scripts").glob("*.py"):
        import_module(path.stem)
    late = "pyarrow.parquet matplotlib.pyplot transformers.models.auto sklearn.metrics scipy.stats rapidfuzz wordfreq"
    late += " transformers.models.bert.modeling_bert peft.tuners.lora huggingface_hub.repocard tensorboard"
    for name in late.split():
        import_module(name)
    if module == "spaces":
        import_module("gradio")
    gc.collect()
    gc.freeze()


def run_case(case: Case, scratch: Path, material: Path) -> Outcome:
    """Forks, waits within the limits, and judges."""
    home = scratch / "case"
    for name in ("here", "home", "tmp", "log"):
        (home / name).mkdir(parents=True)
    pid = os.fork()
    if pid == 0:
        _run_child(case, home, material)
    code, outcome = _wait(pid)
    try:
        return _judge(case, home, code, outcome)
    finally:
        shutil.rmtree(home)


def _wait(pid: int) -> tuple[int, Outcome]:
    """The exit code, and what the process took; it is ended if that is too much."""
    started, outcome, pause, idle, used = time.monotonic(), Outcome(""), 0.002, 0.0, 0.0
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        outcome.seconds = time.monotonic() - started
        if ended:
            break
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        resident, seconds = int(fields[21]) * page, (int(fields[11]) + int(fields[12])) / tick
        outcome.mebibytes = max(outcome.mebibytes, resident / 2**20)
        idle = idle + pause if seconds == used else 0.0
        used = seconds
        # A busy machine makes a case slow, but not its processor time; who waits for a pipe takes none.
        if used > SECONDS or idle > SECONDS or outcome.seconds > MOST_SECONDS:
            outcome.verdict = "hang"
        elif resident > MOST_BYTES:
            outcome.verdict = "memory"
        if outcome.verdict:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            break
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status), outcome


def _judge(case: Case, home: Path, code: int, outcome: Outcome) -> Outcome:
    """The verdict; its detail is the last of what was printed."""
    stderr = (home / "log" / "stderr").read_bytes().decode("utf-8", "replace")
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    outcome.detail = "\n".join(line[:600] for line in (errors or lines)[-6:])
    if code == UNPREPARED:
        outcome.verdict = "unprepared"
    if outcome.verdict:
        return outcome
    outside = _outside(case, home)
    if "Traceback (most recent call last)" in stderr or code not in (0, 2):
        outcome.verdict = "traceback" if code in (0, 1, 2) else f"exit {code}"
    elif outside:
        outcome.verdict, outcome.detail = "outside", " ".join(outside[:5])
    elif code == 2:
        is_short = len(errors) == 1 and len(errors[0]) <= LONGEST_LINE
        outcome.verdict = "one line" if is_short else f"{len(errors)} lines" if len(errors) != 1 else "long line"
    else:
        outcome.verdict = "accepted" if case.must_refuse else "sensible"
    return outcome


def _outside(case: Case, home: Path) -> list[str]:
    """What was made or changed where the case may write nothing."""
    before = json.loads((home / "log" / "before.json").read_text())
    allowed = [os.path.normpath(f"here/{name}") for name in case.writes]
    now = _state(home)
    return [
        name
        for name in now
        if before.get(name) != now[name] and not any(name == one or name.startswith(f"{one}/") for one in allowed)
    ]


def _state(home: Path) -> dict[str, list[int]]:
    """Files below the case's folder with their times and sizes."""
    paths = [Path(folder, name) for folder, _, names in os.walk(home) for name in names]
    return {
        os.fsencode(path.relative_to(home)).decode("utf-8", "backslashreplace"): list(os.lstat(path)[6:9:2])
        for path in paths
        if path.parent != home / "log"
    }


def _run_child(case: Case, home: Path, material: Path) -> None:
    """The rest of the forked process's life."""
    os.setsid()
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(home / "log" / name, os.O_WRONLY | os.O_CREAT), number)
    (home / "log" / "stdin").write_bytes(case.stdin)
    os.dup2(os.open(home / "log" / "stdin", os.O_RDONLY), 0)
    code = UNPREPARED
    try:
        here = home / "here"
        os.chdir(here)
        os.environ.update(HOME=str(home / "home"), TMPDIR=str(home / "tmp"), IGPAY_DEBUG="1")
        tempfile.tempdir = None
        if case.prepare:
            case.prepare(here, material)
        (home / "log" / "before.json").write_text(json.dumps(_state(home)))
        code = _run(case, here, material)
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
        code = code if code == UNPREPARED else 1
    if any((home / "tmp").iterdir()):
        atexit._run_exitfuncs()  # temporary folders go
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(case: Case, here: Path, material: Path) -> int:
    from workbench.errors import run_main

    try:
        if callable(case.script):
            case.script(here)
            return 0
        _stand_in(case.trains)
        given = [text.replace("@M", str(material)).replace("@H", str(here)) for text in case.arguments]
        sys.argv = [f"{case.script}.py", *given]
        run_main(sys.modules[case.script].main)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _stand_in(trains: bool) -> None:
    """What takes minutes ends at its beginning: a study's cells, benchmarks, and training where it is not the point."""
    from workbench.runs.trainer import WorkbenchTrainer
    from workbench.studies import grid

    def end(*_, **__) -> None:
        sys.exit(0)

    grid._run_process = end
    for suite in ("train", "generate", "adapters"):
        sys.modules[f"workbench.benchmarks.{suite}"].run = end
    if not trains:
        WorkbenchTrainer.fit = end


def main() -> None:
    """Prints failures as they come, and at the end the counts by group and verdict."""
    from borders.material import make_material

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=[*MODULES, []], default=MODULES, metavar="MODULE")
    parser.add_argument("--all", action="store_true", help="not only those that the tests run")
    parser.add_argument("--name", default="", help="only those with this in their names")
    parser.add_argument("--material", help="folder of valid things, made if there is none, and kept")
    arguments = parser.parse_args()
    counts: dict[str, Counter] = {}
    with tempfile.TemporaryDirectory(prefix="borders-") as folder:
        folder = Path(arguments.material or folder)
        folder.mkdir(exist_ok=True)
        if not (folder / "studies").exists():
            make_material(folder)
        for module in arguments.modules:
            cases, server = cases_of(module), Server(module, folder)
            for name, case in (cases if arguments.all or arguments.name else chosen(cases)).items():
                if arguments.name in name:
                    outcome = server.run(name)
                    counts.setdefault(case.group, Counter())[outcome.verdict] += 1
                    if not outcome.is_good or outcome.seconds > SECONDS / 2:
                        print(describe(name, case, outcome), flush=True)
            server.close()
    for group, verdicts in counts.items():
        print(group, sum(verdicts.values()), dict(verdicts))
    print("all", sum(map(Counter.total, counts.values())), dict(sum(counts.values(), Counter())))


def describe(name: str, case: Case, outcome: Outcome) -> str:
    given = " ".join(map(shown, map(repr, case.arguments)))
    return f"## {outcome.verdict} ({outcome.seconds:.1f} s): {name}\n{given}\n{outcome.detail}\n"


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts"), str(ROOT / "tests")]
    main()
