"""The calls that change something: repositories, branches, uploads, commits."""

import base64
import binascii
import hashlib
import json
import secrets

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from . import cards
from .repository import (
    BRANCH_NAME,
    COMMIT_ID,
    KINDS,
    REGULAR_LIMIT,
    REPOSITORY_NAME,
    Blob,
    Commit,
    HubError,
    Operation,
    Repository,
    UnsupportedError,
    matches,
)
from .state import Grant, State, json_body, parameter, query

SPACE_SDKS = ("gradio", "docker", "static")


class Writing:
    """One method per call; `fixed`, `api` and `git` list them with their paths."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.fixed = [
            ("POST", "/api/repos/create", self.create),
            ("DELETE", "/api/repos/delete", self.delete),
            ("PUT", "/storage/{grant}", self.store),
            ("GET HEAD", "/storage/{grant}", self.fetch),
        ]
        self.api = [
            ("POST", "/branch/{branch}", self.create_branch),
            ("DELETE", "/branch/{branch}", self.delete_branch),
            ("POST", "/tag/{revision}", self.create_tag),
            ("DELETE", "/tag/{revision}", self.delete_tag),
            ("PUT", "/settings", self.settings),
            ("POST", "/preupload/{revision}", self.preupload),
            ("POST", "/commit/{revision}", self.commit),
        ]
        self.git = [
            ("POST", ".git/info/lfs/objects/batch", self.lfs_batch),
            ("POST", ".git/info/lfs/objects/verify", self.lfs_verify),
        ]

    # Repositories

    async def create(self, request: Request) -> dict:
        query(request)
        body = await json_body(request, "name", "organization", "type", "private", "visibility", "sdk")
        viewer = self.state.accounts.required(request)
        owner, kind = body.get("organization") or viewer.user, body.get("type", "model")
        if not viewer.may_write(owner):
            raise HubError(403, f'You don\'t have the rights to create a {kind} under the namespace "{owner}"')
        self._check_new(body, kind, f"{owner}/{body['name']}")
        private = _is_private(body, default=False)
        repository = Repository(kind, f"{owner}/{body['name']}", self.state.contents, private, body.get("sdk"))
        self.state.repositories[kind, repository.id] = repository
        return {"url": self.state.page(repository), "name": repository.id}

    def _check_new(self, body: dict, kind: str, identifier: str) -> None:
        if kind not in KINDS:
            raise UnsupportedError(f"repositories of type {kind}")
        if not REPOSITORY_NAME.fullmatch(body["name"]):
            raise HubError(400, f"Invalid repository name: {body['name']}")
        if kind == "space" and body.get("sdk") not in SPACE_SDKS:
            raise HubError(400, f'"sdk" must be one of {", ".join(SPACE_SDKS)}')
        taken = [k for k in KINDS if (k, identifier) in self.state.repositories]
        if kind in taken or (taken and self.state.one_kind_per_name):
            other = self.state.repositories[kind if kind in taken else taken[0], identifier]
            message = f"You already created this {other.kind} repo: {identifier}"
            raise HubError(409, message, url=self.state.page(other))

    async def delete(self, request: Request) -> Response:
        query(request)
        body = await json_body(request, "name", "organization", "type")
        viewer = self.state.accounts.required(request)
        key = (body.get("type", "model"), f"{body.get('organization') or viewer.user}/{body['name']}")
        repository = self.state.accounts.check_read(self.state.repositories.get(key), viewer)
        if not viewer.may_write(repository.owner):
            raise HubError(403, f"You don't have the rights to delete {repository.id}")
        del self.state.repositories[key]
        return Response("OK", media_type="text/plain")

    async def settings(self, request: Request) -> dict:
        query(request)
        repository = self.state.writable(request)
        body = await json_body(request, "private", "visibility")
        repository.private = _is_private(body, default=repository.private)
        return {"private": repository.private}

    # Branches and tags

    async def create_branch(self, request: Request) -> Response:
        query(request)
        repository, name = self.state.writable(request), parameter(request, "branch")
        body = await json_body(request, "startingPoint")
        if not BRANCH_NAME.fullmatch(name) or COMMIT_ID.fullmatch(name):
            raise HubError(400, f"Invalid reference for a branch: {name}")
        if name in repository.branches:
            raise HubError(409, f"Reference already exists: {name}")
        repository.branches[name] = repository.resolve(body.get("startingPoint", "main")).oid
        return Response("OK", 201, media_type="text/plain")

    async def delete_branch(self, request: Request) -> Response:
        query(request)
        repository, name = self.state.writable(request), parameter(request, "branch")
        if name == "main":
            raise HubError(403, "The branch main cannot be deleted")
        if repository.branches.pop(name, None) is None:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return Response("OK", media_type="text/plain")

    async def create_tag(self, request: Request) -> Response:
        query(request)
        repository = self.state.writable(request)
        body = await json_body(request, "tag", "message")
        if body["tag"] in repository.tags:
            raise HubError(409, f"Tag reference exists already: {body['tag']}")
        repository.tags[body["tag"]] = repository.resolve(parameter(request, "revision")).oid
        return Response("OK", 201, media_type="text/plain")

    async def delete_tag(self, request: Request) -> Response:
        query(request)
        repository, name = self.state.writable(request), parameter(request, "revision")
        if repository.tags.pop(name, None) is None:
            raise HubError(404, f"Invalid rev id: {name}", "RevisionNotFound")
        return Response("OK", media_type="text/plain")

    # Uploads

    async def preupload(self, request: Request) -> dict:
        """Which files go through LFS, which are ignored, and what the repository has under their names."""
        query(request)
        repository = self.state.writable(request)
        body = await json_body(request, "files", "gitIgnore")
        commit = repository.resolve(parameter(request, "revision"))
        ignored = _ignore_patterns(body.get("gitIgnore"), commit)
        return {"files": [self._upload_plan(repository, commit, ignored, line) for line in body["files"]]}

    def _upload_plan(self, repository: Repository, commit: Commit, ignored: list[str], line: dict) -> dict:
        path, present = line["path"], commit.files.get(line["path"])
        mode = repository.upload_mode(path, line["size"], base64.b64decode(line["sample"]), commit)
        plan = {"path": path, "uploadMode": mode, "shouldIgnore": any(matches(path, p) for p in ignored)}
        return plan | ({"oid": present.etag} if present else {})

    async def lfs_batch(self, request: Request) -> JSONResponse:
        """The LFS batch call: an address for each object the repository does not have yet."""
        query(request)
        repository = self.state.writable(request)
        body = await json_body(request, "operation", "transfers", "objects", "hash_algo", "ref")
        basic = "basic" in body.get("transfers", ["basic"]) and body.get("hash_algo", "sha256") == "sha256"
        if body["operation"] != "upload" or not basic:
            raise UnsupportedError(f"LFS {body['operation']} by {body.get('transfers')} with {body.get('hash_algo')}")
        if "ref" in body:
            repository.resolve(body["ref"]["name"])
        verify = f"{self.state.page(repository)}.git/info/lfs/objects/verify"
        objects = [self._lfs_action(repository, line["oid"], line["size"], verify) for line in body["objects"]]
        answer = {"transfer": "basic", "objects": objects}
        return JSONResponse(answer, media_type="application/vnd.git-lfs+json")

    def _lfs_action(self, repository: Repository, sha256: str, size: int, verify: str) -> dict:
        line = {"oid": sha256, "size": size}
        if sha256 in repository.objects:
            return line
        address = self.state.sign("PUT", repository, sha256, size)
        return line | {"authenticated": True, "actions": {"upload": {"href": address}, "verify": {"href": verify}}}

    async def lfs_verify(self, request: Request) -> dict:
        query(request)
        repository = self.state.writable(request)
        body = await json_body(request, "oid", "size")
        self._uploaded(repository, body["oid"], body["size"])
        return {"success": True}

    def _uploaded(self, repository: Repository, sha256: str, size: int | None) -> Blob:
        if sha256 not in repository.objects:
            raise HubError(404, f"The LFS object {sha256} was not uploaded to {repository.id}")
        blob = self.state.contents.large(sha256)
        if size not in (None, blob.size):
            raise HubError(400, f"The LFS object {sha256} has {blob.size} bytes, not {size}")
        return blob

    async def store(self, request: Request) -> Response:
        """The storage host receives an LFS object; it counts only when it has the size and sha256 announced."""
        grant = self._grant(request, "PUT")
        partial = self.state.contents.folder / f"{secrets.token_hex(8)}.partial"
        digest, size = hashlib.sha256(), 0
        try:
            with partial.open("wb") as file:
                async for chunk in request.stream():
                    digest.update(chunk)
                    size += file.write(chunk)
            if (digest.hexdigest(), size) != (grant.sha256, grant.size):
                raise HubError(400, "BadDigest: the content is not what was announced")
            partial.rename(self.state.contents.folder / grant.sha256)
        finally:
            partial.unlink(missing_ok=True)
        grant.repository.objects.add(grant.sha256)
        return Response(headers={"ETag": f'"{grant.sha256}"'})

    async def fetch(self, request: Request) -> Response:
        """The storage host sends an LFS object."""
        grant = self._grant(request, "GET")
        headers = {"ETag": f'"{grant.sha256}"'}
        return FileResponse(
            self.state.contents.folder / grant.sha256, headers=headers, media_type="application/octet-stream"
        )

    def _grant(self, request: Request, method: str) -> Grant:
        grant = self.state.grants.get(parameter(request, "grant"))
        if grant is None or grant.method != method:
            raise HubError(403, "AccessDenied: this address is not signed for that")
        return grant

    # Commits

    async def commit(self, request: Request) -> dict:
        """A push: newline-delimited JSON, first a header, then one line per operation; lands whole or not at all."""
        query(request)
        repository = self.state.writable(request)
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line.strip()]
        if not lines or lines[0]["key"] != "header":
            raise HubError(400, "The first line of a commit must be its header")
        header = lines[0]["value"]
        if header.keys() - {"summary", "description", "parentCommit"}:
            raise UnsupportedError(f"the commit header {sorted(header)}")
        if not header["summary"]:
            raise HubError(400, '"summary" is not allowed to be empty')
        operations = [self._operation(repository, line["key"], line["value"]) for line in lines[1:]]
        author, parent = self.state.accounts.required(request).user, header.get("parentCommit")
        branch, description = parameter(request, "revision"), header.get("description", "")
        commit = repository.push(branch, operations, parent, header["summary"], description, author)
        url = f"{self.state.page(repository)}/commit/{commit.oid}"
        return {"success": True, "commitOid": commit.oid, "commitUrl": url, "hookOutput": ""}

    def _operation(self, repository: Repository, key: str, value: dict) -> Operation:
        if key == "file":
            return Operation("add", value["path"], self._regular(repository, value))
        if key == "lfsFile" and value["algo"] == "sha256":
            return Operation("add", value["path"], self._uploaded(repository, value["oid"], value.get("size")))
        actions = {"deletedFile": "delete_file", "deletedFolder": "delete_folder"}
        if key not in actions:
            raise UnsupportedError(f"the commit operation {key}")
        return Operation(actions[key], value["path"])

    def _regular(self, repository: Repository, value: dict) -> Blob:
        try:
            body = base64.b64decode(value["content"], validate=True)
        except binascii.Error as error:
            raise HubError(400, f"The content of {value['path']} is not base64") from error
        if len(body) > REGULAR_LIMIT:
            raise HubError(400, f"{value['path']} is larger than 10 MiB and must be uploaded through LFS")
        if value["path"] == "README.md":
            errors, _ = cards.validate(body.decode(), repository.kind)
            if errors:
                raise HubError(400, "Invalid metadata in README.md: " + "; ".join(errors))
        return self.state.contents.regular(body)


def _is_private(body: dict, default: bool) -> bool:
    """The older client sends private, the newer one visibility."""
    if body.get("visibility", "public") not in ("public", "private"):
        raise UnsupportedError(f"the visibility {body['visibility']}")
    if "visibility" in body:
        return body["visibility"] == "private"
    return body.get("private", default)


def _ignore_patterns(sent: str | None, commit: Commit) -> list[str]:
    """The .gitignore being pushed, else the one in the repository."""
    present = commit.files.get(".gitignore")
    text = sent if sent is not None else present.content.read_text() if present else ""
    patterns = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if any(pattern.startswith("!") for pattern in patterns):
        raise UnsupportedError("negated patterns in a .gitignore")
    return patterns
