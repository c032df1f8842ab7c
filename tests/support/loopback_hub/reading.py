"""The calls that change nothing: who am I, information, trees, history, files."""

from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from . import cards, describe
from .repository import Blob, Commit, HubError, Repository
from .state import State, flag, json_body, kind_of, parameter, query, refuse_others


class Reading:
    """One method per call; `api` and `git` list them with their paths."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.fixed = [
            ("GET", "/api/whoami-v2", self.whoami),
            ("GET", "/api/agent-harnesses", self.agent_harnesses),
            ("POST", "/api/validate-yaml", self.validate_yaml),
        ]
        self.api = [
            ("GET", "", self.information),
            ("GET", "/revision/{revision}", self.information),
            ("GET", "/tree/{revision}", self.tree),
            ("GET", "/tree/{revision}/{path}", self.tree),
            ("POST", "/paths-info/{revision}", self.paths_info),
            ("GET", "/commits/{revision}", self.commits),
            ("GET", "/refs", self.refs),
            ("GET", "/auth-check", self.auth_check),
        ]
        self.git = [("GET HEAD", "/resolve/{revision}/{path:path}", self.resolve)]

    async def whoami(self, request: Request) -> dict:
        query(request)
        return self.state.accounts.whoami(request)

    async def agent_harnesses(self, request: Request) -> dict:
        """The newer client asks which coding agents to name in its User-Agent: none."""
        query(request)
        return {"standardEnvVars": [], "harnesses": {}}

    async def validate_yaml(self, request: Request) -> JSONResponse:
        body = await json_body(request, "content", "repoType")
        errors, warnings = cards.validate(body["content"], body["repoType"])
        answer = {"errors": [{"message": e} for e in errors], "warnings": [{"message": w} for w in warnings]}
        return JSONResponse(answer, 400 if errors else 200)

    async def information(self, request: Request) -> dict:
        values = query(request, "blobs", "expand", "securityStatus")
        repository, commit = self._at(request)
        answer = describe.information(repository, commit, flag(values, "blobs"))
        if flag(values, "securityStatus"):
            answer["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
        return describe.selected(answer, values["expand"]) if "expand" in values else answer

    def _at(self, request: Request) -> tuple[Repository, Commit]:
        repository = self.state.readable(request)
        return repository, repository.resolve(parameter(request, "revision") or "main")

    async def tree(self, request: Request) -> JSONResponse:
        values = query(request, "recursive", "expand", "cursor", "limit")
        repository, commit = self._at(request)
        folder = parameter(request, "path").strip("/")
        paths = describe.listing(commit, folder, flag(values, "recursive"))
        if folder and not paths:
            raise self._no_entry(folder, commit)
        size = int(values.get("limit", [self.state.page_size])[0])
        start = int(values.get("cursor", ["0"])[0])
        expand = flag(values, "expand")
        lines = [describe.entry(path, commit, repository, expand) for path in paths[start : start + size]]
        return JSONResponse(lines, headers=self._next_page(request, start + size, len(paths)))

    def _next_page(self, request: Request, start: int, total: int) -> dict[str, str]:
        if start >= total:
            return {}
        url = request.url.include_query_params(cursor=start)
        return {"Link": f'<{self.state.url}{url.path}?{url.query}>; rel="next"'}

    async def paths_info(self, request: Request) -> list[dict]:
        query(request)
        repository, commit = self._at(request)
        form = parse_qs((await request.body()).decode(), keep_blank_values=True)
        refuse_others(request, form, ("paths", "expand"))
        expand = flag(form, "expand")
        entries = [describe.entry(path.strip("/"), commit, repository, expand) for path in form.get("paths", [])]
        return [line for line in entries if line]

    async def commits(self, request: Request) -> list[dict]:
        query(request)
        repository = self.state.readable(request)
        return [describe.commit_line(commit) for commit in repository.history(parameter(request, "revision"))]

    async def refs(self, request: Request) -> dict:
        query(request)
        repository = self.state.readable(request)

        def lines(names: dict[str, str], place: str) -> list[dict]:
            return [{"name": n, "ref": f"refs/{place}/{n}", "targetCommit": oid} for n, oid in names.items()]

        return {"branches": lines(repository.branches, "heads"), "tags": lines(repository.tags, "tags"), "converts": []}

    async def auth_check(self, request: Request) -> dict:
        query(request)
        return {"id": self.state.readable(request).id, "type": kind_of(request)}

    async def resolve(self, request: Request) -> Response:
        query(request, "download")
        _, commit = self._at(request)
        path = parameter(request, "path")
        if path not in commit.files:
            raise self._no_entry(path, commit)
        blob = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        if blob.lfs:
            return self._redirect(self.state.readable(request), blob, headers)
        return FileResponse(blob.content, headers={**headers, **_file_headers(path, blob)}, media_type="text/plain")

    def _redirect(self, repository: Repository, blob: Blob, headers: dict[str, str]) -> Response:
        """LFS content comes from the storage host; its size and etag travel on the redirect itself."""
        address = self.state.sign("GET", repository, blob.sha256, blob.size)
        linked = {"X-Linked-Size": str(blob.size), "X-Linked-ETag": f'"{blob.sha256}"', "Location": address}
        return PlainTextResponse("Found. Redirecting", 302, {**headers, **linked})

    @staticmethod
    def _no_entry(path: str, commit: Commit) -> HubError:
        error = HubError(404, "Entry not found", "EntryNotFound")
        # clients remember per commit which files do not exist
        error.headers["X-Repo-Commit"] = commit.oid
        return error


def _file_headers(path: str, blob: Blob) -> dict[str, str]:
    name = quote(path.rsplit("/")[-1])
    return {"ETag": f'"{blob.etag}"', "Content-Disposition": f"inline; filename*=UTF-8''{name}"}
