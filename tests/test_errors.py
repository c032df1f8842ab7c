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
