"""What all tests share: no network but loopback, small models, and scripts run as a person runs them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

# Tiny models, and tests that start several processes: one thread each is quickest, and gloo hangs with more.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import pytest
from transformers.utils import logging

from workbench.errors import run_main

# transformers 5 draws a bar for every save and load, into the stderr whose lines the tests count.
logging.disable_progress_bar()
ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch):
    """A test that reaches for the network fails, naming the address."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise OSError(f"tests stay offline; something connected to {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def run_script():
    """Runs `scripts/NAME.py` with arguments in a process of its own, offline; returns the completed process."""

    def run(name: str, *arguments, stdin: str | bytes | None = None, environment: dict | None = None, launcher=()):
        command = [*(launcher or (sys.executable,)), str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
        text = not isinstance(stdin, bytes)
        return subprocess.run(
            command,
            input=stdin,
            text=text,
            capture_output=True,
            cwd=ROOT,
            timeout=600,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **(environment or {})},
        )

    return run


@pytest.fixture
def refused():
    """Asserts that a process ended with exit code 2 and one line on stderr, and returns that line."""

    def check(process) -> str:
        lines = [line for line in process.stderr.splitlines() if line.strip()]
        assert process.returncode == 2, process.stderr
        assert len(lines) == 1 and lines[0].startswith("error: "), process.stderr
        return lines[0]

    return check


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a script in this process; returns its exit code and what it printed."""

    def run(name: str, *arguments):
        module = __import__(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        code = 0
        try:
            run_main(module.main)
        except SystemExit as exit_:
            code = exit_.code
        return code, capsys.readouterr()

    return run
