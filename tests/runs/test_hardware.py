"""What a run says of its machine, on systems that are not Linux too."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from workbench.runs import hardware


@pytest.fixture
def no_proc(monkeypatch):
    """A system without /proc."""
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: False if self.parts[:2] == ("/", "proc") else exists(self))


def test_peak_memory_is_that_of_the_process():
    before = hardware.peak_memory_mib()
    block = bytearray(b"1" * 64 * 2**20)
    assert hardware.peak_memory_mib() >= before and hardware.peak_memory_mib() >= len(block) / 2**20


@pytest.mark.parametrize(("platform", "unit"), [("freebsd", 2**10), ("darwin", 1)])
def test_peak_memory_comes_from_getrusage_where_there_is_no_proc(no_proc, monkeypatch, platform, unit):
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=48 * 2**20 // unit))
    monkeypatch.setattr(hardware, "resource", usage)
    monkeypatch.setattr(sys, "platform", platform)
    assert hardware.peak_memory_mib() == 48


def test_peak_memory_on_windows_is_the_peak_working_set(no_proc, monkeypatch):
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=48 * 2**20))
    monkeypatch.setattr(hardware, "resource", None)
    monkeypatch.setattr(hardware.psutil, "Process", lambda: process)
    assert hardware.peak_memory_mib() == 48
