"""SIGTERM: work that can end well is given some seconds for it, and no more."""

import os
import signal
import subprocess
import sys
import time

import pytest

from workbench import termination
from workbench.termination import Terminated, has_come, on_termination, patient, terminate


@pytest.fixture(autouse=True)
def sigterm():
    earlier = on_termination(terminate)
    yield
    on_termination(earlier)
    termination._has_come = False


def send():
    os.kill(os.getpid(), signal.SIGTERM)


def test_patient_work_ends_where_it_looks_and_not_before():
    done = []
    with pytest.raises(Terminated), patient() as patience:
        send()
        send()
        done.append("went on")
        assert patience.has_come
        patience.end_here()
        done.append("never")
    assert done == ["went on"] and has_come()


def test_patient_work_that_does_not_look_ends_behind_itself():
    done = []
    with pytest.raises(Terminated), patient():
        send()
        done.append("all")
    assert done == ["all"]
    with pytest.raises(Terminated):
        send()


def test_patience_has_an_end_unless_the_work_takes_its_time(monkeypatch):
    monkeypatch.setattr(termination, "PATIENCE", 0.05)
    with pytest.raises(Terminated), patient():
        send()
        wait()
    with pytest.raises(Terminated), patient() as patience:
        send()
        patience.take_time()
        with pytest.raises(AssertionError):
            wait(seconds=0.3)


def wait(seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    raise AssertionError("nothing came")


FAILING = """
import os, signal
from workbench.errors import run_main
from workbench.termination import patient

def main():
    with patient():
        os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("a worker has been killed")

run_main(main)
"""


def test_what_fails_because_all_are_ended_is_no_bug():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", FAILING], env=environment, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (143, "ended by SIGTERM\n")
