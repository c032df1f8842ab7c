"""Spaces as the Hub starts them: a folder of their own, `app.py`, variables, and no igpay."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

SPACES = Path(__file__).resolve().parents[2] / "spaces"
JSON = {"Content-Type": "application/json"}
# `python app.py`, but what an editable install would let slip in is not there.
WITHOUT_IGPAY = """
import runpy, sys
sys.modules.update(custom_models=None, workbench=None)
runpy.run_path("app.py", run_name="__main__")
"""
COMMAND = [sys.executable, "-c", WITHOUT_IGPAY]


class Space:
    """A running Space, over its public API."""

    def __init__(self, url: str):
        self.url = url

    def call(self, name: str, *data):
        """What the endpoint answers; the message of what it refuses is raised as a RuntimeError."""
        with httpx.Client(base_url=f"{self.url}/gradio_api", timeout=120) as client:
            joined = client.post(f"/call/{name}", content=json.dumps({"data": data}), headers=JSON)
            joined.raise_for_status()
            with client.stream("GET", f"/call/{name}/{joined.json()['event_id']}") as stream:
                lines = [line for line in stream.iter_lines() if line.startswith(("event: ", "data: "))]
        answer = json.loads(lines[-1].removeprefix("data: "))
        if lines[-2] == "event: complete":
            return answer[0] if len(answer) == 1 else answer
        raise RuntimeError(str(answer))

    def endpoints(self) -> set[str]:
        """The names of the public endpoints, each of which says what it does."""
        named = httpx.get(f"{self.url}/gradio_api/info", timeout=60).json()["named_endpoints"]
        assert all(len(endpoint["description"]) > 20 for endpoint in named.values())
        return set(named)

    def upload(self, path: Path) -> dict:
        answer = httpx.post(
            f"{self.url}/gradio_api/upload", files={"files": (path.name, path.read_bytes())}, timeout=60
        )
        answer.raise_for_status()
        return {"path": answer.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def environment(**variables) -> dict[str, str]:
    """What a Space's process sees: offline, unless the variables say otherwise."""
    ours = {"MODEL_ID", "DECODER_ONLY_MODEL_ID", "RESULTS_DIR", "RESULTS_REPO"}
    fixed = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", "OMP_NUM_THREADS": "1"}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return {**inherited, **fixed, **{name: str(value) for name, value in variables.items()}}


@contextmanager
def running(folder: Path, log: Path, **variables):
    """Starts a Space's folder on loopback and waits until it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    place = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": port, "GRADIO_TEMP_DIR": log.parent / "gradio"}
    with log.open("w") as output:
        process = subprocess.Popen(
            COMMAND, cwd=folder, env=environment(**place, **variables), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 120
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield Space(url)
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False
