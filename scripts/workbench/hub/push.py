"""Pushing to the Hub: one atomic commit, repeatable, and every refusal of the Hub's is one line without the token."""

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option
from workbench.errors import UserError
from workbench.processes import is_main_process

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")
NETWORK_MODULES = ("requests", "urllib3", "httpx", "httpx2", "httpcore", "httpcore2")
# The Hub makes this file with the repository; it is not ours to delete.
KEPT = frozenset({".gitattributes"})


@dataclass
class PushArguments:
    """Publishing the result on the Hub."""

    push_to_hub: str | None = option(None, "after evaluation, publish the model as this Hub repository, OWNER/NAME")
    hub_private: bool = option(False, "make that repository private; refuse one that is public")


@dataclass(frozen=True)
class Package:
    """Everything that a repository holds after a push.

    Attributes:
        kind: `model`, `dataset` or `space`.
        files: path in the repository -> content, or the local file that has it.
    """

    kind: str
    files: dict[str, bytes | Path]

    def sizes(self) -> dict[str, int]:
        """Path in the repository -> bytes."""
        return {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in sorted(self.files.items())
        }

    def describe(self, repo_id: str, private: bool, revision: str) -> str:
        """The plan of a push: every file with its size, then the card."""
        sizes = self.sizes()
        visible = "private if new" if private else "public if new"
        lines = [
            f"{self.kind} repository {repo_id} ({visible}), branch {revision}: {len(sizes)} files, "
            f"{sum(sizes.values()):,} bytes",
            *(f"{size:12,}  {name}" for name, size in sizes.items()),
        ]
        card = self.files["README.md"]
        text = card.decode() if isinstance(card, bytes) else card.read_text(encoding="utf-8")
        return "\n".join([*lines, "", "README.md:", text])


def check_repo_id(repo_id: str) -> None:
    """UserError unless `repo_id` is a name that the Hub accepts."""
    owner, _, name = repo_id.partition("/")
    badly = any(part in repo_id for part in ("--", "..")) or repo_id.endswith((".", "-", ".git"))
    if not REPO_ID.fullmatch(repo_id) or badly or len(name) > 96 or owner.endswith((".", "-")):
        raise UserError(f"'{repo_id}' is no Hub repository's name: give OWNER/NAME, of letters, digits, '-', '_', '.'")


def check_account(repo_id: str) -> None:
    """UserError if the token is missing, refused or read-only: said before hours of training, not after."""
    check_repo_id(repo_id)
    with plain_errors(repo_id):
        account = _client().whoami()
    token = (account.get("auth") or {}).get("accessToken") or {}
    if token.get("role") == "read":
        raise UserError(f"{repo_id}: the token of '{account['name']}' may only read; use one with the write right")


def check_before_training(arguments: PushArguments) -> None:
    """`check_account` in the main process, if the run is to be pushed, and that nothing private would become public."""
    if not (arguments.push_to_hub and is_main_process()):
        return
    check_account(arguments.push_to_hub)
    if arguments.hub_private:
        with plain_errors(arguments.push_to_hub):
            _refuse_public(_client(), arguments.push_to_hub, "model")


def publish_run(package: Package, arguments: PushArguments, folder: Path) -> str:
    """Pushes a finished run; a UserError says that the run itself is whole, and how to push it again."""
    try:
        return push(package, arguments.push_to_hub, arguments.hub_private)
    except UserError as error:
        private = " --private" if arguments.hub_private else ""
        again = f"python scripts/publish.py model {folder} {arguments.push_to_hub}{private}"
        raise UserError(f"{error}; the run in {folder} is complete, so to push it later: {again}") from error


def push(package: Package, repo_id: str, private: bool = False, revision: str = "main") -> str:
    """Makes a branch hold exactly the package, in one commit; nothing changes if it already does.

    Args:
        private: whether a new repository is private; a public one is refused if this is set.
        revision: the branch, made if there is none.

    Returns:
        The repository's address.

    Raises:
        UserError: the Hub or the network refused; the branch is then as it was.
    """
    check_repo_id(repo_id)
    check_revision(revision)
    with plain_errors(repo_id):
        api = _client()
        url = _open_repository(api, package, repo_id, private)
        if revision != "main":
            api.create_branch(repo_id, branch=revision, repo_type=package.kind, exist_ok=True)
        head = api.repo_info(repo_id, repo_type=package.kind, revision=revision).sha
        present = set(api.list_repo_files(repo_id, repo_type=package.kind, revision=head))
        api.create_commit(
            repo_id,
            _operations(package, present),
            commit_message=f"Publish with igpay: {len(package.files)} files",
            repo_type=package.kind,
            revision=revision,
            parent_commit=head,
        )
    return url


def check_revision(revision: str) -> None:
    """UserError for a commit's id, or a name that no branch can have."""
    if re.fullmatch(r"[0-9a-f]{40}", revision) or not re.fullmatch(r"[\w][\w./-]*", revision) or ".." in revision:
        raise UserError(f"--revision {revision}: give a branch's name; a commit cannot be changed")


def _client():
    """A client with the login's or HF_TOKEN's token."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.utils import disable_progress_bars, logging

    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
    token = get_token()
    if not token:
        raise UserError("not logged in to the Hub: run `hf auth login`, or set HF_TOKEN to a token that may write")
    # An HTTP library would quote a token that cannot be a header in its traceback.
    if not re.fullmatch(r"[!-~]+", token):
        raise UserError("the Hub token has characters that no token has; copy it again to HF_TOKEN or `hf auth login`")
    return HfApi(token=token, library_name="igpay")


def _open_repository(api, package: Package, repo_id: str, private: bool) -> str:
    """Makes the repository unless it is there; returns its address."""
    sdk = {"space_sdk": "gradio"} if package.kind == "space" else {}
    url = api.create_repo(repo_id, repo_type=package.kind, private=private or None, exist_ok=True, **sdk)
    # Where the name is taken by another type, the client returns that repository instead of an error.
    if url.repo_type != package.kind:
        raise UserError(
            f"{repo_id} exists already, and is a {url.repo_type}, not a {package.kind}: choose another name"
        )
    if private:
        _refuse_public(api, repo_id, package.kind)
    return str(url)


def _refuse_public(api, repo_id: str, kind: str) -> None:
    """UserError if the repository is there for all to see; none is fine."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        public = not api.repo_info(repo_id, repo_type=kind).private
    except RepositoryNotFoundError:
        return
    if public:
        raise UserError(f"{repo_id} exists and is public: make it private on its page first, or push without 'private'")


def _operations(package: Package, present: set[str]) -> list:
    """Additions of all files, and deletions of what the repository holds beside them."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    added = [CommitOperationAdd(name, _uploadable(content)) for name, content in sorted(package.files.items())]
    gone = sorted(present - package.files.keys() - KEPT)
    return [*added, *(CommitOperationDelete(name) for name in gone)]


def _uploadable(content: bytes | Path) -> bytes | str:
    return content if isinstance(content, bytes) else str(content)


@contextmanager
def plain_errors(repo_id: str) -> Iterator[None]:
    """Turns what the Hub, the network or the disk refuse into a UserError; other exceptions pass."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        chain = list(_causes(error))
        full = next((e for e in chain if isinstance(e, OSError) and e.errno in (errno.ENOSPC, errno.EDQUOT)), None)
        if full is not None:
            raise full from error
        message = _explain(chain)
        if message is None:
            raise
        raise UserError(f"{repo_id}: {message}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those that it was raised from or while handling."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _explain(chain: list[BaseException]) -> str | None:
    """One line for the user, or None for what they did not cause."""
    for error in chain:
        response = getattr(error, "response", None)
        if response is not None:
            return _explain_status(response.status_code, response.headers, getattr(error, "server_message", None))
    for error in chain:
        if type(error).__module__.split(".")[0] in NETWORK_MODULES or isinstance(
            error, (ConnectionError, TimeoutError)
        ):
            return (
                "no connection to the Hub, or it broke off; nothing is half-published: check the network (and "
                "HF_ENDPOINT, HF_HUB_OFFLINE, if set) and run the same command again"
            )
        if isinstance(error, ValueError) and "metadata" in str(error):
            return f"the Hub refuses this card: {error}"
    return None


def _explain_status(status: int, headers, message: str | None) -> str:
    said = f" ({message})" if message else ""
    texts = {
        401: "the Hub refuses the token: it is wrong or has expired; run `hf auth login` again, or renew HF_TOKEN",
        403: "the token may not write there; use one with the write right to this owner's repositories",
        404: "the Hub has no such repository or branch, or hides it from this token",
        409: f"the name is taken{said}; choose another one",
        412: "somebody pushed in the meantime; run the same command again",
    }
    if status == 429 or status >= 500:
        wait = headers.get("Retry-After")
        when = f"in {wait} s" if wait else "later"
        return f"the Hub answered {status}; nothing is half-published: run the same command again {when}"
    return texts.get(status, f"the Hub answered {status}{said}")
