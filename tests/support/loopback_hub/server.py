"""The running loopback Hub: an uvicorn thread on two free ports of 127.0.0.1, and the `hub` fixture.

The second port plays the storage host (S3, the CDN): another origin, so that clients must drop their token when they
follow a redirect to it.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from .accounts import STRANGER, USER, Accounts, Tokens
from .faults import AbortableProtocol, Control, Exchange, Gate
from .reading import Reading
from .repository import Commit, Contents, HubError, Repository, UnsupportedError
from .state import State, refusal
from .writing import Writing

API_FORMS = ("/api/{kinds}/{namespace}/{name}", "/api/{kinds}/{name}")
GIT_FORMS = ("/{kinds}/{namespace}/{name}", "/{namespace}/{name}", "/{name}")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build_app(state: State, control: Control) -> FastAPI:
    """All routes; whatever none of them knows is answered 501 and recorded as a problem."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    async def unknown(request: Request) -> None:
        raise UnsupportedError(f"{request.method} {unquote(request.url.path)}")

    async def refused(request: Request, error: HubError) -> JSONResponse:
        if isinstance(error, UnsupportedError):
            control.problems.append(error.message)
        return refusal(error)

    for methods, path, answer in _table(Reading(state), Writing(state)):
        app.add_api_route(path, answer, methods=methods.split(), response_model=None)
    app.add_api_route("/{path:path}", unknown, methods=METHODS, response_model=None)
    app.add_exception_handler(HubError, refused)
    return app


def _table(*groups: Reading | Writing) -> Iterator[tuple[str, str, Callable]]:
    for group in groups:
        yield from group.fixed
    # forms outside: an id of two parts must be tried before an id of one part and a word
    for forms, name in ((API_FORMS, "api"), (GIT_FORMS, "git")):
        for form in forms:
            for group in groups:
                for methods, path, answer in getattr(group, name):
                    yield methods, form + path, answer


def listening_socket() -> socket.socket:
    """A socket on a free port of this machine."""
    # asyncio switches Nagle's algorithm off only on sockets that name their protocol; on, it costs 40 ms a request
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


class LoopbackHub:
    """A Hub on this machine, for tests: use it as a context manager, or through the `hub` fixture.

    `url` is its address (HF_ENDPOINT), `user` the account of `tokens.write` and `tokens.read`, `stranger` that of
    `tokens.stranger`; `tokens.expired` and `tokens.unknown` are refused. `exchanges` lists the requests so far.
    """

    user, stranger = USER, STRANGER

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tokens = Tokens()
        self.control = Control()
        self.exchanges: list[Exchange] = []
        self.state = State(Contents(folder / "contents"), Accounts(self.tokens))

    def __enter__(self) -> "LoopbackHub":
        sockets = [listening_socket(), listening_socket()]
        self.url, self.storage_url = (f"http://127.0.0.1:{s.getsockname()[1]}" for s in sockets)
        self.state.url, self.state.storage_url = self.url, self.storage_url
        app = build_app(self.state, self.control)
        gate = Gate(app, self.control, self.exchanges, sockets[1].getsockname()[1])
        config = uvicorn.Config(
            gate, http=AbortableProtocol, ws="none", loop="asyncio", lifespan="off", log_level="critical",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=(sockets,), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)

    @property
    def problems(self) -> list[str]:
        """What would make a test meaningless: requests not implemented, errors of the server, faults that never
        happened, tokens sent to the wrong host."""
        return self.control.problems

    def environment(self, token: str | None = None, home: Path | None = None) -> dict[str, str]:
        """The environment for a process that is to use this Hub and nothing of the person running the tests."""
        foreign = ("HF_", "HUGGING", "TRANSFORMERS_OFFLINE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        local = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        hub = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home or self.folder / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "GRADIO_ANALYTICS_ENABLED": "False",
        }
        return kept | local | hub | ({"HF_TOKEN": token} if token else {})

    def repository(self, repo_id: str, repo_type: str = "model") -> Repository:
        """The repository itself, private or not; KeyError when there is none."""
        return self.state.repositories[repo_type, repo_id]

    def files(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> list[str]:
        """The paths a revision holds."""
        return sorted(self.repository(repo_id, repo_type).resolve(revision).files)

    def read(self, repo_id: str, path: str, revision: str = "main", repo_type: str = "model") -> bytes:
        """The content of a file, LFS or not."""
        return self.repository(repo_id, repo_type).resolve(revision).files[path].content.read_bytes()

    def history(self, repo_id: str, revision: str = "main", repo_type: str = "model") -> list[Commit]:
        """The commits of a revision, newest first; the last is the one made on creation."""
        return self.repository(repo_id, repo_type).history(revision)

    def use_in_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make this Hub the default of the huggingface_hub that is already imported here.

        The endpoint is read at import; the 0.x client falls back to it even when it was given `endpoint=`, for
        example to parse the address of a commit.
        """
        from huggingface_hub import constants, file_download, hf_api

        template = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        for module in (constants, file_download):
            if hasattr(module, "HUGGINGFACE_CO_URL_TEMPLATE"):
                monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        monkeypatch.setattr(hf_api.api, "endpoint", self.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A fresh loopback Hub; the test fails at its end if the Hub was asked for something it does not implement."""
    with LoopbackHub(tmp_path_factory.mktemp("hub")) as server:
        server.use_in_process(monkeypatch)
        yield server
    server.control.heal()
    if server.problems:
        pytest.fail("loopback Hub: " + "; ".join(dict.fromkeys(server.problems)), pytrace=False)
