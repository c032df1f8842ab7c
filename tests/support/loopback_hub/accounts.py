"""Who asks: the tokens of the loopback Hub and what each may do."""

import secrets
from dataclasses import dataclass, field

from starlette.requests import Request

from .repository import HubError, Repository

USER = "tester"
STRANGER = "stranger"


def _secret() -> str:
    return "hf_" + secrets.token_hex(17)


@dataclass(frozen=True)
class Tokens:
    """One token of each kind, new for every server, so that a test can search output for exactly these."""

    write: str = field(default_factory=_secret)
    read: str = field(default_factory=_secret)
    expired: str = field(default_factory=_secret)
    stranger: str = field(default_factory=_secret)
    unknown: str = field(default_factory=_secret)


@dataclass(frozen=True)
class Viewer:
    """The account behind a valid token."""

    user: str
    role: str

    def may_write(self, owner: str) -> bool:
        return self.user == owner and self.role == "write"


class Accounts:
    """Reads the Authorization header and refuses what the Hub refuses."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._viewers = {
            tokens.write: Viewer(USER, "write"),
            tokens.read: Viewer(USER, "read"),
            tokens.stranger: Viewer(STRANGER, "write"),
        }

    def viewer(self, request: Request) -> Viewer | None:
        """The account that asks; None without a token; 401 for a bad or an expired one."""
        header = request.headers.get("authorization")
        if header is None:
            return None
        token = header.removeprefix("Bearer ")
        if token == self.tokens.expired:
            raise HubError(401, 'User Access Token "publish" is expired')
        if token not in self._viewers:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self._viewers[token]

    def required(self, request: Request) -> Viewer:
        """The account that asks; 401 without a token."""
        viewer = self.viewer(request)
        if viewer is None:
            raise HubError(401, "Invalid username or password.")
        return viewer

    def check_read(self, repository: Repository | None, viewer: Viewer | None) -> Repository:
        """The repository, unless it is missing or private to somebody else: both look alike from outside."""
        hidden = repository is not None and repository.private and (viewer is None or viewer.user != repository.owner)
        if repository is None or hidden:
            # the Hub answers a stranger 404, but whoever sent no token 401: both carry the same code
            status, message = (404, "Repository not found") if viewer else (401, "Invalid username or password.")
            raise HubError(status, message, "RepoNotFound")
        return repository

    def whoami(self, request: Request) -> dict:
        viewer = self.required(request)
        token = {"displayName": "publish", "role": viewer.role, "createdAt": "2024-01-01T00:00:00.000Z"}
        return {
            "type": "user",
            "id": f"id-{viewer.user}",
            "name": viewer.user,
            "fullname": viewer.user.title(),
            "email": f"{viewer.user}@example.org",
            "emailVerified": True,
            "isPro": False,
            "canPay": False,
            "avatarUrl": "",
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }
