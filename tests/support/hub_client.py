"""What tests of the loopback Hub share: the real client, requests without it, and folders to push."""

import hashlib
import json
import os
import struct
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from support.loopback_hub import LoopbackHub

REPO = "tester/pig"
CARD = "---\nlicense: apache-2.0\ntags: [pig-latin]\n---\n# Pig\n"


def client(hub: LoopbackHub, token: str | bool | None = None) -> HfApi:
    """The real client; with the write token unless told otherwise."""
    return HfApi(endpoint=hub.url, token=hub.tokens.write if token is None else token)


def status_of(failure: pytest.ExceptionInfo[HfHubHTTPError]) -> int:
    return failure.value.response.status_code


def add(path: str, content: bytes) -> CommitOperationAdd:
    return CommitOperationAdd(path_in_repo=path, path_or_fileobj=content)


def safetensors(size: int) -> bytes:
    """A valid safetensors file of one uint8 tensor with `size` random bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + os.urandom(size)


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def raw(hub: LoopbackHub, method: str, url: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, Message]:
    """One request without the client: (status, body, headers)."""
    request = urllib.request.Request(url, body or None, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A folder as a run leaves it: card, weights, configuration in a subfolder, awkward and empty names."""
    folder = tmp_path / "run"
    (folder / "figures").mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    (folder / "model.safetensors").write_bytes(safetensors(11_000_000))
    (folder / "figures" / "höhe 100% #1?.json").write_text("{}")
    (folder / "empty.txt").write_text("")
    return folder
