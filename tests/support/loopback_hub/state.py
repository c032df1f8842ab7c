"""What the routes share: the server's state, the reading of requests and the shape of refusals."""

import json
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse

from .accounts import Accounts
from .describe import PREFIX
from .repository import KINDS, Contents, HubError, Repository, UnsupportedError


class Grant(NamedTuple):
    """What one signed storage address allows."""

    method: str
    repository: Repository
    sha256: str
    size: int


@dataclass
class State:
    """All the server knows. `one_kind_per_name` refuses a data set named like an existing model, and so on."""

    contents: Contents
    accounts: Accounts
    page_size: int = 1000
    one_kind_per_name: bool = True
    url: str = ""
    storage_url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)

    def sign(self, method: str, repository: Repository, sha256: str, size: int) -> str:
        """An address on the storage host that needs no token, as a signed S3 or CDN address does not."""
        key = secrets.token_hex(16)
        self.grants[key] = Grant(method, repository, sha256, size)
        return f"{self.storage_url}/storage/{key}"

    def page(self, repository: Repository) -> str:
        """The address of a repository's page."""
        return f"{self.url}/{PREFIX[repository.kind]}{repository.id}"

    def readable(self, request: Request) -> Repository:
        """The repository a request names, if the viewer may see it."""
        found = self.repositories.get((kind_of(request), repository_id(request)))
        return self.accounts.check_read(found, self.accounts.viewer(request))

    def writable(self, request: Request) -> Repository:
        """The repository a request names, if the viewer may push to it."""
        repository = self.readable(request)
        if not self.accounts.required(request).may_write(repository.owner):
            raise HubError(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        return repository


def kind_of(request: Request) -> str:
    """model, dataset or space, from the plural in the path."""
    kind = request.path_params.get("kinds", "models").removesuffix("s")
    if kind not in KINDS:
        raise UnsupportedError(f"{request.method} {unquote(request.url.path)}")
    return kind


def repository_id(request: Request) -> str:
    """namespace/name; a bare name is an id no repository here has."""
    parts = [request.path_params.get("namespace"), request.path_params["name"]]
    return unquote("/".join(part for part in parts if part))


def parameter(request: Request, name: str) -> str:
    """A decoded path parameter."""
    return unquote(request.path_params.get(name, ""))


def query(request: Request, *known: str) -> dict[str, list[str]]:
    """The query parameters, lists without the `[]` some clients add; an unknown one is refused."""
    values: dict[str, list[str]] = {}
    for key, value in request.query_params.multi_items():
        values.setdefault(key.removesuffix("[]"), []).append(value)
    refuse_others(request, values, known)
    return values


def flag(values: dict[str, list[str]], name: str) -> bool:
    """A yes/no query parameter; requests writes True, httpx true."""
    return values.get(name, ["false"])[0].lower() in {"true", "1"}


async def json_body(request: Request, *known: str) -> dict:
    """The JSON object sent; an unknown field is refused."""
    body = json.loads(await request.body() or b"{}")
    refuse_others(request, body, known)
    return body


def refuse_others(request: Request, given: dict, known: tuple[str, ...]) -> None:
    """Ignoring a parameter would answer a question that was not asked: refuse those nobody implemented."""
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise UnsupportedError(f"{', '.join(unknown)} of {request.method} {unquote(request.url.path)}")


def refusal(error: HubError) -> JSONResponse:
    """A HubError as the Hub sends it."""
    headers = {"X-Error-Message": error.message.encode("ascii", "replace").decode(), **error.headers}
    if error.code:
        headers["X-Error-Code"] = error.code
    return JSONResponse({"error": error.message, **error.extra}, error.status, headers)
