"""Repositories with git-like history, kept by the loopback Hub: no HTTP in here.

A commit is an immutable snapshot (path -> blob) with a 40-hex id derived from its tree, parent, author, date and
message, as git derives it. A push builds the whole new snapshot first and moves the branch last, so it lands whole or
not at all. Contents lie in one folder of files named by their sha256.
"""

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

KINDS = ("model", "dataset", "space")
REGULAR_LIMIT = 10 * 1024 * 1024  # bytes; larger files must go through LFS
COMMIT_ID = re.compile(r"[0-9a-f]{40}")
REPOSITORY_NAME = re.compile(r"(?!.*(--|\.\.))[\w][\w.-]{0,94}[\w]|[\w]")
BRANCH_NAME = re.compile(r"(?!refs/)[\w][\w./-]*")

_LFS_SUFFIXES = (
    "7z arrow bin bz2 ckpt ftz gz h5 joblib lz4 mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth rar "
    "safetensors tar tflite tgz wasm xz zip zst"
)
_DATASET_SUFFIXES = "aac bmp flac gif jpeg jpg m4a mp3 mp4 ogg opus pcm png raw sam tiff wav webm webp"
_SPACE_README = "---\ntitle: {name}\nemoji: 🐷\ncolorFrom: pink\ncolorTo: gray\nsdk: {sdk}\npinned: false\n---\n"


class HubError(Exception):
    """An answer that is a refusal: HTTP status, message, and the `X-Error-Code` that clients tell errors by."""

    def __init__(self, status: int, message: str, code: str | None = None, **extra: object) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.extra = status, message, code, extra
        self.headers: dict[str, str] = {}


class UnsupportedError(HubError):
    """A request the loopback Hub has no code for; the server records it, so that the test fails."""

    def __init__(self, what: str) -> None:
        super().__init__(501, f"the loopback Hub does not implement {what}")


@dataclass(frozen=True)
class Blob:
    """One version of a file's content. `oid` is git's blob id (of the pointer file, for an LFS blob)."""

    content: Path
    size: int
    sha256: str
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid

    @property
    def pointer_size(self) -> int:
        return len(lfs_pointer(self.sha256, self.size))


def lfs_pointer(sha256: str, size: int) -> bytes:
    """What git itself stores in place of an LFS file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def git_id(kind: str, body: bytes) -> str:
    """The id git gives an object: sha1 over its kind, length and body."""
    return hashlib.sha1(f"{kind} {len(body)}\0".encode() + body).hexdigest()


class Contents:
    """The folder of file contents, named by sha256 and shared by all repositories."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)

    def regular(self, body: bytes) -> Blob:
        """Store `body` as an ordinary git file."""
        sha256 = hashlib.sha256(body).hexdigest()
        path = self.folder / sha256
        path.write_bytes(body)
        return Blob(path, len(body), sha256, git_id("blob", body), lfs=False)

    def large(self, sha256: str) -> Blob:
        """The LFS blob of content that was uploaded before."""
        path = self.folder / sha256
        size = path.stat().st_size
        return Blob(path, size, sha256, git_id("blob", lfs_pointer(sha256, size)), lfs=True)


@dataclass(frozen=True)
class Commit:
    """One immutable revision: `files` maps each path to its blob."""

    oid: str
    parent: str | None
    files: Mapping[str, Blob]
    title: str
    description: str
    author: str
    date: datetime


def below(files: Mapping[str, Blob], folder: str) -> dict[str, Blob]:
    """The files under `folder` ("" is the root), by their path relative to it."""
    prefix = f"{folder}/" if folder else ""
    return {path[len(prefix) :]: blob for path, blob in files.items() if path.startswith(prefix)}


def tree_id(files: Mapping[str, Blob]) -> str:
    """The id git gives the tree holding `files`."""
    entries: dict[str, tuple[str, str]] = {}
    for name in {path.split("/")[0] for path in files}:
        if name in files:
            entries[name] = ("100644", files[name].oid)
        else:
            entries[name] = ("40000", tree_id(below(files, name)))
    # git sorts a folder as if its name ended in a slash
    order = sorted(entries, key=lambda name: name + "/" * (entries[name][0] == "40000"))
    body = b"".join(f"{entries[n][0]} {n}\0".encode() + bytes.fromhex(entries[n][1]) for n in order)
    return git_id("tree", body)


def folders_of(files: Iterable[str]) -> set[str]:
    """Every folder that holds one of `files`, at any depth."""
    return {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}


@dataclass(frozen=True)
class Operation:
    """One line of a push: `action` is add, delete_file or delete_folder; `blob` only for add."""

    action: str
    path: str
    blob: Blob | None = None


def apply_operations(files: Mapping[str, Blob], operations: Iterable[Operation]) -> dict[str, Blob]:
    """The snapshot after `operations`; raises HubError without having changed anything."""
    after = dict(files)
    for operation in operations:
        _check_path(operation.path)
        if operation.action == "add":
            after[operation.path] = operation.blob
            continue
        gone = {operation.path} & after.keys()
        if operation.action == "delete_folder":
            gone = {path for path in after if path.startswith(operation.path.rstrip("/") + "/")}
        if not gone:
            raise HubError(404, f"A file with this name doesn't exist: {operation.path}", "EntryNotFound")
        after = {path: blob for path, blob in after.items() if path not in gone}
    clash = folders_of(after) & after.keys()
    if clash:
        raise HubError(400, f"{min(clash)} cannot be both a file and a folder")
    return after


def _check_path(path: str) -> None:
    parts = path.rstrip("/").split("/")
    if not path or path.startswith("/") or {"", ".", "..", ".git"} & set(parts):
        raise HubError(400, f"Invalid path in the repository: {path!r}")


def default_gitattributes(kind: str) -> bytes:
    """The `.gitattributes` a new repository starts with; it decides which names go through LFS."""
    suffixes = _LFS_SUFFIXES.split() + (_DATASET_SUFFIXES.split() if kind == "dataset" else [])
    patterns = [f"*.{suffix}" for suffix in suffixes] + ["saved_model/**/*", "*tfevents*"]
    return "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in patterns).encode()


def matches(path: str, pattern: str) -> bool:
    """Whether a .gitattributes or .gitignore `pattern` covers `path` or a folder it is in."""
    anchored, pattern = "/" in pattern.rstrip("/"), pattern.strip("/")
    candidates = [path, *folders_of([path])]
    return any(fnmatch.fnmatchcase(c if anchored else c.rsplit("/")[-1], pattern) for c in candidates)


@dataclass
class Repository:
    """One repository: its commits, the branches and tags that point at them, and the LFS objects it was sent."""

    kind: str
    id: str
    contents: Contents
    private: bool = False
    sdk: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    objects: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        files = {".gitattributes": self.contents.regular(default_gitattributes(self.kind))}
        if self.sdk:
            readme = _SPACE_README.format(name=self.name, sdk=self.sdk)
            files["README.md"] = self.contents.regular(readme.encode())
        self.branches["main"] = self._record(files, None, "initial commit", "", self.owner).oid

    @property
    def owner(self) -> str:
        return self.id.split("/")[0]

    @property
    def name(self) -> str:
        return self.id.split("/")[1]

    def resolve(self, revision: str) -> Commit:
        """The commit of a branch, a tag or a full commit id."""
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        if oid not in self.commits:
            raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def push(
        self, branch: str, operations: list[Operation], parent: str | None, title: str, description: str, author: str
    ) -> Commit:
        """Add one commit to `branch`; refuses a `parent` that is no longer its head."""
        if branch not in self.branches:
            raise HubError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        head = self.commits[self.branches[branch]]
        if parent is not None and not head.oid.startswith(parent.lower()):
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        files = apply_operations(head.files, operations)
        commit = self._record(files, head.oid, title, description, author)
        self.branches[branch] = commit.oid
        return commit

    def _record(self, files: dict[str, Blob], parent: str | None, title: str, description: str, author: str) -> Commit:
        date = datetime.now(UTC)
        who = f"{author} <{author}@loopback> {int(date.timestamp())} +0000"
        lines = [f"tree {tree_id(files)}", *([f"parent {parent}"] if parent else []), f"author {who}"]
        message = f"{title}\n\n{description}" if description else title
        oid = git_id("commit", "\n".join([*lines, f"committer {who}", "", message, ""]).encode())
        commit = Commit(oid, parent, MappingProxyType(files), title, description, author, date)
        return self.commits.setdefault(oid, commit)

    def history(self, revision: str) -> list[Commit]:
        """The commits of `revision`, newest first."""
        commits = [self.resolve(revision)]
        while commits[-1].parent:
            commits.append(self.commits[commits[-1].parent])
        return commits

    def last_change(self, path: str, commit: Commit) -> Commit:
        """The newest commit up to `commit` that touched the file or folder `path`."""

        def content(at: Commit) -> object:
            return at.files.get(path) or below(at.files, path)

        while commit.parent and content(self.commits[commit.parent]) == content(commit):
            commit = self.commits[commit.parent]
        return commit

    def upload_mode(self, path: str, size: int, sample: bytes, commit: Commit) -> str:
        """lfs for what .gitattributes names, what is large and what is binary; regular for the rest."""
        attributes = commit.files.get(".gitattributes")
        lines = attributes.content.read_text().splitlines() if attributes else []
        patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
        if size > REGULAR_LIMIT or b"\0" in sample or any(matches(path, pattern) for pattern in patterns):
            return "lfs"
        return "regular"
