"""A run's folder belongs to one process at a time, and to nobody when that has ended, however it ended."""

import os
import signal
import subprocess
import sys

import pytest

from workbench import locks
from workbench.errors import UserError
from workbench.runs.claims import LOCK_FILE, claim, release

WORK = """
import os, sys, time
from pathlib import Path
from workbench.errors import run_main
from workbench.runs.claims import claim

def main():
    claim(Path(sys.argv[1]), sys.argv[2] == "read")
    if sys.argv[2] == "load" and os.fork() == 0:
        sys.stdout.write(f"{os.getpid()}\\n")
    else:
        sys.stdout.write("at work\\n")
    sys.stdout.flush()
    time.sleep(60)

run_main(main)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a process that claims a folder, and stays; all are killed in the end."""
    processes = []

    def start(how="write"):
        command = [sys.executable, "-c", WORK, str(tmp_path), how]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_of_two_processes_the_second_is_refused_until_the_first_is_killed(tmp_path, start):
    first = start()
    assert first.stdout.readline() == "at work\n"
    second = start()
    assert second.wait(50) == 2
    said = second.stderr.read()
    assert said.startswith(f"error: {tmp_path}: another process is at work in this folder") and said.count("\n") == 1
    first.kill()
    first.wait(50)
    claim(tmp_path)
    release(tmp_path)


def test_a_process_that_loads_data_for_a_killed_one_keeps_nobody_out(tmp_path, start):
    first = start("load")
    lines = {first.stdout.readline().strip() for _ in range(2)}
    loader = int((lines - {"at work"}).pop())
    try:
        first.kill()
        first.wait(50)
        os.kill(loader, 0)
        claim(tmp_path)
        release(tmp_path)
    finally:
        os.kill(loader, signal.SIGKILL)


def test_many_may_read_what_nobody_writes(tmp_path, start):
    claim(tmp_path, is_shared=True)
    assert not (tmp_path / LOCK_FILE).exists()
    (tmp_path / LOCK_FILE).touch()
    readers = [start("read") for _ in range(2)]
    assert [reader.stdout.readline() for reader in readers] == ["at work\n"] * 2
    with pytest.raises(UserError, match="another process is at work"):
        claim(tmp_path)


def test_one_process_may_claim_again_also_a_folder_that_was_made_anew(tmp_path, start):
    folder = tmp_path / "run"
    folder.mkdir()
    claim(folder)
    claim(folder)
    (folder / LOCK_FILE).unlink()
    claim(folder)
    assert (folder / LOCK_FILE).exists()
    release(folder)


@pytest.mark.parametrize("missing", ["system", "file system"])
def test_where_there_are_no_locks_it_is_said_and_the_work_goes_on(tmp_path, monkeypatch, capsys, missing):
    if missing == "system":
        monkeypatch.setattr(locks, "fcntl", None)
    else:
        monkeypatch.setattr(locks.fcntl, "flock", refuse)
    claim(tmp_path)
    release(tmp_path)
    assert f"this {missing} has no locks; see that no other process works there" in capsys.readouterr().err


def refuse(file, operation):
    raise OSError(locks.NO_LOCKS[0], "No locks available")
