"""Scripts and Spaces in forked children of one warm process: a run costs its own work and no imports.

Started as a program, this file is that process: it imports what all runs need, then forks a child for each line of JSON
on its standard input, and answers with what became of it.
"""

import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).parent / "stand_ins"
# What a run may add to the memory of the warm process, and how long it may take: of the processor, and by the clock.
MOST_MEMORY, MOST_SECONDS, MOST_WAITING = 4 << 30, 10, 60
HEAVY = (
    "torch transformers tokenizers peft datasets accelerate sklearn.metrics scipy.stats pandas matplotlib.pyplot "
    "gradio adapters custom_models custom_models.bottleneck.adapterhub transformers.models.bert.modeling_bert "
    "transformers.generation.utils transformers.trainer peft.tuners.lora workbench.runs.trainer "
    "workbench.classification.model workbench.translation.decoding workbench.studies.comparison workbench.hub.packages"
).split()


class Outcome(NamedTuple):
    """How a run ended: exit code (minus the signal that ended it), what it wrote, processor time and memory."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    megabytes: int  # more than the warm process has


class Forks:
    """The warm process, seen from the tests."""

    def __init__(self, home: Path, python: str = sys.executable):
        places = [STAND_INS, ROOT, ROOT / "scripts", ROOT / "tests"]
        variables = {
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            "HF_HOME": str(home),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "GRADIO_ANALYTICS_ENABLED": "False",
            "PYTHONWARNINGS": "ignore",
        }
        command = [python, str(Path(__file__).resolve())]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env=os.environ | variables, **pipes)

    def run(self, target: str, *arguments, folder: Path, **variables) -> Outcome:
        """Runs a script ("translate") or a Space ("spaces/classifier"), in `folder`, its own files in `folder`/.run."""
        order = {"target": target, "arguments": [*map(str, arguments)], "folder": str(folder), "variables": variables}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Outcome(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        self.process.communicate()


def serve() -> None:
    for name in HEAVY:
        # The line of transformers 5 has no `adapters`.
        if name != "adapters" or importlib.util.find_spec(name):
            importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(supervise(json.loads(line))), file=answers, flush=True)


def supervise(order: dict) -> dict:
    """Forks a child that runs the order, waits for it, and tells what became of it."""
    own = Path(order["folder"]) / ".run"
    own.mkdir(exist_ok=True)
    before, started = megabytes(), time.monotonic()
    child = os.fork()
    if child == 0:
        become(order, own)
    while not (ended := os.wait4(child, os.WNOHANG))[0]:
        if time.monotonic() - started > MOST_WAITING:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    _, status, usage = ended
    return {
        "code": os.waitstatus_to_exitcode(status),
        "stdout": (own / "stdout").read_text(errors="replace"),
        "stderr": (own / "stderr").read_text(errors="replace"),
        "seconds": usage.ru_utime + usage.ru_stime,
        "megabytes": max(0, usage.ru_maxrss // 1024 - before),
    }


def megabytes(field: str = "VmRSS") -> int:
    """Of memory that this process holds (VmRSS) or has asked for (VmSize)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) // 1024


def become(order: dict, own: Path) -> None:
    """Turns this process, just forked, into the one that was ordered; never returns."""
    os.setsid()
    for number, name, mode in ((0, "/dev/null", "r"), (1, own / "stdout", "w"), (2, own / "stderr", "w")):
        with Path(name).open(mode) as file:
            os.dup2(file.fileno(), number)
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    most = (megabytes("VmSize") << 20) + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    code = 1
    try:
        os.environ.update(order["variables"])
        tempfile.tempdir = None
        os.chdir(order["folder"])
        socket.socket.connect = refuse_network
        sys.argv = [f"{order['target']}.py", *order["arguments"]]
        start(order["target"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def refuse_network(self, address) -> None:
    raise OSError(f"tests stay offline; something connected to {address}")


def start(target: str) -> None:
    """Runs a script's `main` as the script does, or a Space's `main` as far as its first answer."""
    if not target.startswith("spaces/"):
        from workbench.errors import run_main

        run_main(importlib.import_module(target).main)
        return
    sys.path.insert(0, str(ROOT / target))
    module = importlib.import_module("app")
    build = module.build
    module.build = lambda app: AnsweringPage(app, build(app))
    module.main()


class AnsweringPage:
    """A Space's page, which is not served: it answers one text instead."""

    def __init__(self, app, page):
        self.app, self.page = app, page

    def launch(self, **options) -> None:
        answer = self.app.translate if hasattr(self.app, "translate") else self.app.classify
        print(answer("w3 w9"))


if __name__ == "__main__":
    serve()
    os._exit(0)  # what the libraries would tidy up takes seconds
