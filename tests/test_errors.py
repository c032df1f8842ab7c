"""What ends a script early: one line, and the command that goes on."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, time
from workbench.arguments import RunArguments, parse_arguments
from workbench.errors import run_main

def main():
    parse_arguments(RunArguments, "A run.")
    # What runs in a shell's background ignores SIGINT from its start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))
    time.sleep(60)

run_main(main)
"""


@pytest.mark.parametrize(("name", "code", "reason"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "ended by")])
def test_an_interrupted_run_says_how_it_goes_on(tmp_path, name, code, reason):
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    command = [sys.executable, path, "--output_dir", "my runs/a", "--overwrite_output_dir"]
    environment = {**os.environ, "SIGNAL": name, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == code and done.stderr.count("\n") == 1 and done.stderr.startswith(reason)
    assert f"python {path} --output_dir 'my runs/a' --resume_from_checkpoint goes on" in done.stderr
    other = subprocess.run(command, env=environment | {"RANK": "1", "WORLD_SIZE": "2"}, capture_output=True, timeout=50)
    assert other.returncode == code and other.stderr == b""


FAULTY = """
import os
from workbench.errors import run_main

def main():
    raise eval(os.environ["FAULT"])

run_main(main)
"""


@pytest.fixture
def fail(tmp_path):
    """Runs a script that fails by the error given, its temporary files in a folder of their own."""
    (tmp_path / "faulty.py").write_text(FAULTY)
    (tmp_path / "temporary").mkdir()

    def run(fault: str, **environment: str) -> subprocess.CompletedProcess:
        paths = {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "temporary"), "FAULT": fault}
        command = [sys.executable, tmp_path / "faulty.py", "--seed", "1"]
        whole = {**os.environ, **paths, **environment}
        return subprocess.run(command, env=whole, capture_output=True, text=True, timeout=50)

    return run


def reports(tmp_path) -> list[str]:
    return [path.read_text() for path in (tmp_path / "temporary").glob("igpay-*.txt")]


def test_what_nobody_foresaw_is_one_line_and_a_report(fail, tmp_path):
    done = fail("IndexError('list index\\nout of range \\udce9')")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and done.stdout == ""
    assert done.stderr.startswith("error: a bug of igpay, please report it: IndexError: list index out of range")
    (report,) = reports(tmp_path)
    assert "faulty.py --seed 1" in report and "Traceback" in report and f"Python {sys.version.split()[0]}" in report
    assert str(next((tmp_path / "temporary").glob("igpay-*"))) in done.stderr


def test_a_report_that_cannot_be_written_hides_nothing(fail, tmp_path):
    done = fail("KeyError()", TMPDIR=str(tmp_path / "absent"), TEMP="", TMP="", PATH="", HOME="")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "a bug of igpay" in done.stderr


def test_a_traceback_is_shown_where_it_is_asked_for(fail, tmp_path):
    done = fail("IndexError('far')", IGPAY_DEBUG="1")
    assert done.returncode == 1 and done.stderr.startswith("Traceback") and reports(tmp_path) == []


def test_of_several_processes_the_first_tells_a_bug_and_each_reports_its_own(fail, tmp_path):
    done = fail("IndexError('far')", RANK="1", WORLD_SIZE="2")
    assert done.returncode == 1 and done.stderr == "" and len(reports(tmp_path)) == 1


@pytest.mark.parametrize("fault", ["MemoryError()", 'RuntimeError("DefaultCPUAllocator: can\'t allocate memory: 9")'])
def test_memory_that_ran_out_is_no_bug(fail, tmp_path, fault):
    done = fail(fault)
    assert done.returncode == 2 and done.stderr.startswith("error: not enough memory") and reports(tmp_path) == []
