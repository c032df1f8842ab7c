"""The process that forks for each case, one for a module of tests, and the valid things, made once for all workers."""

import fcntl
from pathlib import Path

import pytest
from borders.harness import Server
from borders.material import make_material


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> Path:
    """The folder of valid things; the first worker makes it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "popen-" in base.name else base) / "borders"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "studies").exists():
            make_material(folder)
    return folder


@pytest.fixture(scope="module")
def outcome_of(request, material):
    """Runs a case of the module's by its name."""
    server = Server(request.module.MODULE, material)
    yield server.run
    server.close()
