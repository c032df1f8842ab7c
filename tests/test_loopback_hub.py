"""The loopback Hub, driven by the real client: what a test that pushes and pulls over it may rely on."""

import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import loopback_hub
import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from loopback_hub import LoopbackHub

hub = loopback_hub.hub

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


# Push and pull


def test_a_pushed_folder_comes_back_byte_for_byte(hub, run_folder, tmp_path):
    client(hub).create_repo(REPO)
    client(hub).upload_folder(repo_id=REPO, folder_path=run_folder, commit_message="push")
    copy = snapshot_download(REPO, endpoint=hub.url, token=False, cache_dir=tmp_path / "cache")
    expected = digests(run_folder)
    assert {name: digest for name, digest in digests(Path(copy)).items() if name in expected} == expected
    assert hub.files(REPO) == sorted([*expected, ".gitattributes"])
    assert [commit.title for commit in hub.history(REPO)] == ["push", "initial commit"]


def test_weights_binaries_and_large_files_go_through_lfs_and_text_does_not(hub):
    client(hub).create_repo(REPO)
    contents = {
        "named.safetensors": safetensors(10),
        "binary.dat": b"a\0b",
        "large.txt": b"x" * (10 * 1024 * 1024 + 1),
        "small.txt": b"x",
    }
    operations = [add(path, content) for path, content in contents.items()]
    client(hub).create_commit(REPO, operations, commit_message="push")
    listed = {file.path: file for file in client(hub).list_repo_tree(REPO) if file.path in contents}
    assert {path for path, file in listed.items() if file.lfs} == contents.keys() - {"small.txt"}
    for path, content in contents.items():
        assert hub.read(REPO, path) == content
        assert listed[path].size == len(content)
    assert listed["binary.dat"].lfs.sha256 == hashlib.sha256(b"a\0b").hexdigest()


def test_a_gitattributes_of_the_repository_decides_what_goes_through_lfs(hub):
    client(hub).create_repo(REPO)
    client(hub).create_commit(REPO, [add(".gitattributes", b"*.csv filter=lfs -text\n")], commit_message="rules")
    client(hub).create_commit(REPO, [add("a.csv", b"1"), add("a.bin", b"1")], commit_message="push")
    assert [f.path for f in client(hub).list_repo_tree(REPO) if f.lfs] == ["a.csv"]


def test_ignored_files_stay_at_home(hub, tmp_path):
    (tmp_path / "cache").mkdir()
    for name, text in {".gitignore": "*.log\ncache/\n", "a.log": "1", "cache/x.txt": "1", "a.txt": "1"}.items():
        (tmp_path / name).write_text(text)
    client(hub).create_repo(REPO)
    client(hub).upload_folder(repo_id=REPO, folder_path=tmp_path)
    assert hub.files(REPO) == [".gitattributes", ".gitignore", "a.txt"]
    with pytest.raises(HfHubHTTPError):
        client(hub).create_commit(REPO, [add(".gitignore", b"*\n!a.txt\n")], commit_message="negated")
    assert "negated patterns" in hub.problems.pop()


def test_one_commit_adds_changes_and_deletes_together(hub):
    api = client(hub)
    api.create_repo(REPO)
    first = [add(path, b"1") for path in ("keep", "older", "change", "drop", "old/a", "old/deep/b")]
    api.create_commit(REPO, first, commit_message="first")
    second = [
        add("change", b"2"),
        add("new/w.bin", b"3"),
        CommitOperationDelete("drop"),
        CommitOperationDelete("old", is_folder=True),
    ]
    info = api.create_commit(REPO, second, commit_message="second", commit_description="why")
    assert hub.files(REPO) == [".gitattributes", "change", "keep", "new/w.bin", "older"]
    assert (hub.read(REPO, "change"), hub.read(REPO, "keep")) == (b"2", b"1")
    newest = api.list_repo_commits(REPO)[0]
    assert (newest.commit_id, newest.title, newest.message, newest.authors) == (info.oid, "second", "why", [hub.user])
    assert info.repo_url.repo_id == REPO


def test_a_second_identical_push_makes_no_commit_and_sends_no_contents(hub, run_folder):
    client(hub).create_repo(REPO)
    client(hub).upload_folder(repo_id=REPO, folder_path=run_folder)
    before, seen = hub.history(REPO), len(hub.exchanges)
    info = client(hub).upload_folder(repo_id=REPO, folder_path=run_folder)
    assert hub.history(REPO) == before
    assert info.oid == before[0].oid
    assert not [exchange for exchange in hub.exchanges[seen:] if exchange.is_upload]


def test_a_tag_a_branch_and_a_commit_id_each_give_their_own_version(hub, tmp_path):
    api = client(hub)
    api.create_repo(REPO)
    old = api.create_commit(REPO, [add("version", b"1"), add("w.bin", b"1")], commit_message="1").oid
    api.create_tag(REPO, tag="v1")
    api.create_branch(REPO, branch="dev/next")
    api.create_commit(REPO, [add("version", b"2"), add("w.bin", b"2")], commit_message="2", revision="dev/next")
    api.create_commit(REPO, [add("version", b"3"), add("w.bin", b"3")], commit_message="3")
    for revision, expected in {old: "1", "v1": "1", "dev/next": "2", "main": "3"}.items():
        for name in ("version", "w.bin"):
            path = hf_hub_download(REPO, name, revision=revision, endpoint=hub.url, cache_dir=tmp_path, token=False)
            assert Path(path).read_text() == expected
    refs = api.list_repo_refs(REPO)
    assert {ref.name for ref in refs.branches} == {"main", "dev/next"}
    assert {ref.name: ref.target_commit for ref in refs.tags} == {"v1": old}


def test_a_cached_file_is_not_sent_again(hub, tmp_path):
    client(hub).create_repo(REPO)
    client(hub).create_commit(REPO, [add("a.txt", b"1" * 1000), add("w.bin", b"1" * 1000)], commit_message="push")
    for name in ("a.txt", "w.bin"):
        first = hf_hub_download(REPO, name, endpoint=hub.url, cache_dir=tmp_path, token=False)
        seen = len(hub.exchanges)
        assert hf_hub_download(REPO, name, endpoint=hub.url, cache_dir=tmp_path, token=False) == first
        again = hub.exchanges[seen:]
        assert [exchange.method for exchange in again] == ["HEAD"]
        assert sum(exchange.sent for exchange in again) == 0


def test_a_part_of_a_file_is_read_without_the_rest(hub):
    content = os.urandom(500_000)
    client(hub).create_repo(REPO)
    client(hub).create_commit(REPO, [add("w.bin", content), add("a.txt", b"0123456789")], commit_message="push")
    with HfFileSystem(endpoint=hub.url, token=hub.tokens.write).open(f"{REPO}/w.bin", block_size=1000) as file:
        file.seek(250_000)
        assert file.read(500) == content[250_000:250_500]
    assert sum(exchange.sent for exchange in hub.exchanges if exchange.host == "storage") < 10_000
    url = f"{hub.url}/{REPO}/resolve/main/a.txt"
    assert raw(hub, "GET", url, Range="bytes=2-4")[:2] == (206, b"234")
    assert raw(hub, "GET", url, Range="bytes=8-")[2]["Content-Range"] == "bytes 8-9/10"
    assert raw(hub, "GET", url, Range="bytes=10-")[0] == 416


def test_the_headers_of_a_file_name_its_commit_its_size_and_its_identity(hub):
    client(hub).create_repo(REPO)
    commit = client(hub).create_commit(REPO, [add("a.txt", b"hi\n"), add("w.bin", b"weights")], commit_message="x")
    _, body, headers = raw(hub, "HEAD", f"{hub.url}/{REPO}/resolve/main/a.txt")
    # the id `git hash-object` gives "hi\n"
    assert headers["ETag"] == '"45b983be36b73c0788dc9cbcb76cbb80fc7bb057"'
    assert (headers["X-Repo-Commit"], headers["Content-Length"], body) == (commit.oid, "3", b"")
    large = client(hub).get_paths_info(REPO, "w.bin")[0]
    assert (large.lfs.sha256, large.size) == (hashlib.sha256(b"weights").hexdigest(), 7)


def test_a_tree_is_listed_by_folder_in_full_and_over_several_pages(hub):
    api = client(hub)
    api.create_repo(REPO)
    names = [f"data/part {i}/{j}.txt" for i in range(3) for j in range(4)]
    pushed = api.create_commit(REPO, [add(name, b"1") for name in names], commit_message="push")
    hub.state.page_size = 5
    assert sorted(f.path for f in api.list_repo_tree(REPO, "data", recursive=True) if hasattr(f, "size")) == names
    assert [f.path for f in api.list_repo_tree(REPO, "data/part 1")] == names[4:8]
    assert [f.path for f in api.list_repo_tree(REPO)] == [".gitattributes", "data"]
    last = {f.path: f.last_commit.title for f in api.list_repo_tree(REPO, expand=True)}
    assert last == {".gitattributes": "initial commit", "data": "push"}
    known = api.get_paths_info(REPO, ["data", names[0], "nowhere"], revision=pushed.oid)
    assert sorted(info.path for info in known) == ["data", names[0]]


def test_what_is_missing_says_which_part_of_the_address_is_wrong(hub, tmp_path):
    api = client(hub)
    api.create_repo(REPO)
    download = {"endpoint": hub.url, "cache_dir": tmp_path, "token": hub.tokens.write}
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(REPO, "missing.json", **download)
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(REPO, "missing"))
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(REPO, ".gitattributes", revision="missing", **download)
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("tester/missing", ".gitattributes", **download)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("missing")
    with pytest.raises(EntryNotFoundError):
        api.delete_file("missing.json", REPO)


def test_the_information_of_each_kind_of_repository_reads_its_card(hub):
    api = client(hub)
    api.create_repo(REPO)
    api.create_repo("tester/pairs", repo_type="dataset")
    api.create_repo("tester/demo", repo_type="space", space_sdk="gradio")
    card = CARD.replace("tags", "library_name: transformers\npipeline_tag: text-classification\ntags").encode()
    api.create_commit(REPO, [add("README.md", card), add("w.bin", b"12345")], commit_message="push")
    model = api.model_info(REPO, files_metadata=True, securityStatus=True)
    assert (model.library_name, model.pipeline_tag, model.tags) == (
        "transformers",
        "text-classification",
        ["pig-latin"],
    )
    assert model.card_data.license == "apache-2.0"
    assert {s.rfilename: s.lfs.size for s in model.siblings if s.lfs} == {"w.bin": 5}
    assert api.model_info(REPO, expand=["sha", "private"]).sha == model.sha == hub.history(REPO)[0].oid
    first = api.model_info(REPO, revision=hub.history(REPO)[1].oid)
    assert (first.sha, first.tags) == (hub.history(REPO)[1].oid, [])
    assert [s.rfilename for s in api.dataset_info("tester/pairs").siblings] == [".gitattributes"]
    assert api.space_info("tester/demo").sdk == "gradio"


def test_a_dataset_loads_from_parquet_and_from_jsonl_with_the_same_rows(hub, tmp_path):
    script = """
import datasets
rows = [{"word": "pig", "n": 1}, {"word": "latin ü", "n": 2}]
data = datasets.Dataset.from_list(rows)
from huggingface_hub import HfApi
api = HfApi()
for suffix in ("parquet", "jsonl"):
    api.create_repo(f"tester/{suffix}", repo_type="dataset", private=True)
    getattr(data, "to_parquet" if suffix == "parquet" else "to_json")(f"train.{suffix}")
    api.upload_file(path_or_fileobj=f"train.{suffix}", path_in_repo=f"data/train.{suffix}", repo_id=f"tester/{suffix}",
                    repo_type="dataset")
    loaded = datasets.load_dataset(f"tester/{suffix}", split="train")
    assert loaded.to_list() == rows, loaded.to_list()
    streamed = datasets.load_dataset(f"tester/{suffix}", split="train", streaming=True)
    assert list(streamed) == rows, list(streamed)
"""
    environment = hub.environment(token=hub.tokens.write)
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path, check=True)
    assert hub.files("tester/parquet", repo_type="dataset") == [".gitattributes", "data/train.parquet"]


# Who may do what


def test_a_token_says_whose_it_is_and_what_it_may_do(hub):
    for token, user, role in [
        ("write", "tester", "write"),
        ("read", "tester", "read"),
        ("stranger", "stranger", "write"),
    ]:
        answer = client(hub, getattr(hub.tokens, token)).whoami()
        assert (answer["name"], answer["auth"]["accessToken"]["role"]) == (user, role)


def test_a_private_repository_looks_missing_to_everybody_else(hub, tmp_path):
    client(hub).create_repo(REPO, private=True)
    client(hub).create_commit(REPO, [add("a.txt", b"1")], commit_message="push")
    for token in (hub.tokens.stranger, False):
        with pytest.raises(RepositoryNotFoundError):
            client(hub, token).model_info(REPO)
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download(REPO, "a.txt", endpoint=hub.url, token=token, cache_dir=tmp_path)
        with pytest.raises(RepositoryNotFoundError):
            client(hub, token).create_commit(REPO, [add("a.txt", b"2")], commit_message="break in")
    assert client(hub, hub.tokens.read).model_info(REPO).private
    assert hub.read(REPO, "a.txt") == b"1"


def test_making_a_repository_public_shows_it(hub):
    client(hub).create_repo(REPO, private=True)
    client(hub).update_repo_settings(REPO, private=False)
    assert client(hub, False).model_info(REPO).private is False


def test_a_token_without_write_right_changes_nothing(hub):
    client(hub).create_repo(REPO)
    before = hub.history(REPO)
    for token in (hub.tokens.read, hub.tokens.stranger):
        api = client(hub, token)
        for attempt in (
            lambda api=api: api.create_repo("tester/other"),
            lambda api=api: api.create_commit(REPO, [add("a.txt", b"1")], commit_message="no"),
            lambda api=api: api.create_commit(REPO, [add("w.bin", b"1")], commit_message="no"),
            lambda api=api: api.create_branch(REPO, branch="no"),
            lambda api=api: api.update_repo_settings(REPO, private=True),
            lambda api=api: api.delete_repo(REPO),
        ):
            with pytest.raises(HfHubHTTPError) as failure:
                attempt()
            assert status_of(failure) == 403
    assert hub.history(REPO) == before
    assert list(hub.state.repositories) == [("model", REPO)]


def test_an_expired_an_unknown_and_a_missing_token_are_refused(hub):
    client(hub).create_repo(REPO)
    for token, message in ((hub.tokens.expired, "is expired"), (hub.tokens.unknown, "Invalid credentials")):
        with pytest.raises(HfHubHTTPError, match=message) as failure:
            client(hub, token).model_info(REPO)
        assert status_of(failure) == 401
        with pytest.raises(OSError, match="Invalid user token") as failure:  # not always an HfHubHTTPError
            client(hub, token).whoami()
        assert status_of(failure) == 401
    with pytest.raises(HfHubHTTPError) as failure:
        client(hub, False).create_commit(REPO, [add("a.txt", b"1")], commit_message="no")
    assert status_of(failure) == 401
    assert hub.files(REPO) == [".gitattributes"]


def test_the_token_is_not_sent_on_to_the_storage_host(hub, tmp_path):
    client(hub).create_repo(REPO, private=True)
    client(hub).create_commit(REPO, [add("w.bin", b"1")], commit_message="push")
    hf_hub_download(REPO, "w.bin", endpoint=hub.url, token=hub.tokens.write, cache_dir=tmp_path)
    storage = [exchange for exchange in hub.exchanges if exchange.host == "storage"]
    assert [(exchange.method, exchange.authorized) for exchange in storage] == [("PUT", False), ("GET", False)]
    raw(hub, "GET", f"{hub.storage_url}/storage/guess", Authorization=f"Bearer {hub.tokens.write}")
    assert "token was sent to the storage host" in hub.problems.pop()


# Names and revisions in conflict


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_an_existing_name_is_refused_unless_it_may_exist(hub, kind):
    sdk = {"space_sdk": "gradio"} if kind == "space" else {}
    url = client(hub).create_repo(REPO, repo_type=kind, **sdk)
    assert (url.repo_type, url.repo_id) == (kind, REPO)
    with pytest.raises(HfHubHTTPError) as failure:
        client(hub).create_repo(REPO, repo_type=kind, **sdk)
    assert status_of(failure) == 409
    assert client(hub).create_repo(REPO, repo_type=kind, exist_ok=True, **sdk) == url
    assert len(hub.history(REPO, repo_type=kind)) == 1


def test_an_existing_name_of_another_type_is_refused_and_named(hub):
    client(hub).create_repo(REPO)
    with pytest.raises(HfHubHTTPError, match="already created this model repo") as failure:
        client(hub).create_repo(REPO, repo_type="dataset")
    assert status_of(failure) == 409
    hub.state.one_kind_per_name = False
    client(hub).create_repo(REPO, repo_type="dataset")
    assert client(hub).dataset_info(REPO).id == client(hub).model_info(REPO).id
    with pytest.raises(HfHubHTTPError, match="already created this dataset repo"):
        client(hub).create_repo(REPO, repo_type="dataset")


def test_a_push_on_an_outdated_parent_is_refused(hub):
    api = client(hub)
    api.create_repo(REPO)
    old = hub.history(REPO)[0].oid
    api.create_commit(REPO, [add("a.txt", b"theirs")], commit_message="theirs", parent_commit=old)
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as failure:
        api.create_commit(REPO, [add("a.txt", b"mine")], commit_message="mine", parent_commit=old)
    assert status_of(failure) == 412
    assert hub.read(REPO, "a.txt") == b"theirs"
    api.create_commit(REPO, [add("a.txt", b"mine")], commit_message="mine", parent_commit=hub.history(REPO)[0].oid)
    assert hub.read(REPO, "a.txt") == b"mine"


def test_a_branch_exists_once_and_can_go_but_main_stays(hub):
    api = client(hub)
    api.create_repo(REPO)
    api.create_branch(REPO, branch="dev")
    for refused, expected in [
        (lambda: api.create_branch(REPO, branch="dev"), 409),
        (lambda: api.delete_branch(REPO, branch="main"), 403),
        (lambda: api.create_commit(REPO, [add("a", b"1")], commit_message="x", revision="typo"), 404),
    ]:
        with pytest.raises(HfHubHTTPError) as failure:
            refused()
        assert status_of(failure) == expected
    api.delete_branch(REPO, branch="dev")
    assert [ref.name for ref in api.list_repo_refs(REPO).branches] == ["main"]


def test_a_deleted_repository_is_gone_and_its_name_free(hub):
    client(hub).create_repo(REPO)
    client(hub).delete_repo(REPO)
    with pytest.raises(RepositoryNotFoundError):
        client(hub).model_info(REPO)
    client(hub).create_repo(REPO, repo_type="dataset")


# What the Hub refuses in a push


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [
        ("model", "tags: [a\n"),
        ("model", "tags: [1]\n"),
        ("model", "model-index:\n- results: []\n"),
        ("model", "model-index:\n- name: m\n  results:\n  - task: {type: t}\n    dataset: {type: d, name: d}\n"),
        ("space", "sdk: gradio\ncolorFrom: salmon\n"),
        ("space", "title: no sdk\n"),
    ],
)
def test_a_card_the_hub_would_refuse_is_refused_by_the_check_and_by_the_push(hub, kind, metadata):
    client(hub).create_repo(REPO, repo_type=kind, space_sdk="gradio" if kind == "space" else None)
    card, before = f"---\n{metadata}---\n".encode(), hub.history(REPO, repo_type=kind)
    with pytest.raises(ValueError, match="Invalid metadata in README.md"):
        client(hub).create_commit(REPO, [add("README.md", card)], commit_message="push", repo_type=kind)
    assert not [exchange for exchange in hub.exchanges if exchange.is_upload]
    assert push_by_hand(hub, kind, ("file", "README.md", card)) == 400
    assert hub.history(REPO, repo_type=kind) == before


def test_a_complete_model_index_passes(hub):
    result = "task: {type: t}, dataset: {type: d, name: d}, metrics: [{type: wer, value: 0.1}]"
    card = f"---\nmodel-index:\n- name: m\n  results: [{{{result}}}]\n---\n"
    client(hub).create_repo(REPO)
    client(hub).create_commit(REPO, [add("README.md", card.encode())], commit_message="push")
    assert client(hub).model_info(REPO).model_index[0]["results"][0]["metrics"] == [{"type": "wer", "value": 0.1}]


def push_by_hand(hub: LoopbackHub, kind: str, *operations: tuple[str, str, object]) -> int:
    """The status of a commit whose lines no client would send."""
    lines: list[dict] = [{"key": "header", "value": {"summary": "by hand"}}]
    for key, path, content in operations:
        value: dict = {"path": path}
        if isinstance(content, bytes):
            value |= {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        elif content:
            value |= {"algo": "sha256", "oid": content}
        lines.append({"key": key, "value": value})
    body = "\n".join(map(json.dumps, lines)).encode()
    url = f"{hub.url}/api/{kind}s/{REPO}/commit/main"
    return raw(hub, "POST", url, body, Authorization=f"Bearer {hub.tokens.write}")[0]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (("lfsFile", "w.bin", "0" * 64), 404),
        (("deletedFile", "missing", None), 404),
        (("deletedFolder", "missing", None), 404),
        (("file", "../outside", b"1"), 400),
        (("file", "good.txt/below-a-file", b"1"), 400),
        (("file", "large.txt", b"x" * (10 * 1024 * 1024 + 1)), 400),
    ],
)
def test_a_commit_with_one_bad_operation_lands_not_even_in_part(hub, operation, expected):
    client(hub).create_repo(REPO)
    before = hub.history(REPO)
    assert push_by_hand(hub, "model", ("file", "good.txt", b"1"), operation) == expected
    assert hub.history(REPO) == before
    assert hub.files(REPO) == [".gitattributes"]


def test_contents_that_differ_from_their_announced_sha256_are_not_stored(hub):
    client(hub).create_repo(REPO)
    digest = hashlib.sha256(b"right").hexdigest()
    batch = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": digest, "size": 5}]}
    url, token = f"{hub.url}/{REPO}.git/info/lfs/objects/batch", f"Bearer {hub.tokens.write}"
    answer = json.loads(raw(hub, "POST", url, json.dumps(batch).encode(), Authorization=token)[1])
    address = answer["objects"][0]["actions"]["upload"]["href"]
    assert raw(hub, "PUT", address, b"wrong")[0] == 400
    assert raw(hub, "PUT", address, b"right, but longer")[0] == 400
    assert push_by_hand(hub, "model", ("lfsFile", "w.bin", digest)) == 404
    assert raw(hub, "PUT", address, b"right")[0] == 200
    assert push_by_hand(hub, "model", ("lfsFile", "w.bin", digest)) == 200
    assert hub.read(REPO, "w.bin") == b"right"


def test_lfs_contents_of_one_repository_are_not_there_for_another(hub):
    client(hub).create_repo(REPO)
    client(hub).create_repo("tester/other")
    for repo in (REPO, "tester/other"):
        client(hub).create_commit(repo, [add("w.bin", b"same")], commit_message="push")
    assert [exchange.method for exchange in hub.exchanges if exchange.host == "storage"] == ["PUT", "PUT"]


# Told to fail


@pytest.mark.parametrize("after_bytes", [0, 5_000_000, 10_999_000])
def test_an_upload_cut_in_the_middle_changes_nothing_and_a_second_push_completes_it(hub, run_folder, after_bytes):
    client(hub).create_repo(REPO)
    before = hub.history(REPO)
    hub.control.drop_upload(after_bytes, then=403)
    with pytest.raises((HfHubHTTPError, RuntimeError)):
        client(hub).upload_folder(repo_id=REPO, folder_path=run_folder)
    cut = [exchange for exchange in hub.exchanges if exchange.host == "storage"][0]
    assert cut.status is None
    assert after_bytes < cut.received
    assert hub.history(REPO) == before
    assert not list(hub.folder.rglob("*.partial"))
    hub.control.heal()
    client(hub).upload_folder(repo_id=REPO, folder_path=run_folder)
    assert hub.read(REPO, "model.safetensors") == (run_folder / "model.safetensors").read_bytes()
    assert len(hub.history(REPO)) == 2


def test_a_commit_cut_in_the_middle_changes_nothing_and_a_second_push_completes_it(hub):
    client(hub).create_repo(REPO)
    before, content = hub.history(REPO), b"x" * 1_000_000
    hub.control.drop_upload(500_000, path="*/commit/main")
    with pytest.raises(Exception, match="(?i)connection|reset|broken|disconnect"):
        client(hub).create_commit(REPO, [add("a.txt", content), add("b.txt", b"1")], commit_message="push")
    assert hub.history(REPO) == before
    client(hub).create_commit(REPO, [add("a.txt", content), add("b.txt", b"1")], commit_message="push")
    assert hub.read(REPO, "a.txt") == content


def test_a_dropped_upload_is_completed_by_the_clients_own_second_try(hub, run_folder):
    client(hub).create_repo(REPO)
    hub.control.drop_upload(2_000_000)
    client(hub).upload_folder(repo_id=REPO, folder_path=run_folder)
    puts = [exchange.status for exchange in hub.exchanges if exchange.host == "storage"]
    assert puts == [None, 200]
    assert hub.read(REPO, "model.safetensors") == (run_folder / "model.safetensors").read_bytes()


def test_a_push_whose_answer_is_lost_has_landed_once_and_the_second_push_sees_it(hub):
    client(hub).create_repo(REPO)
    hub.control.lose_answer("*/commit/main")
    with pytest.raises(Exception, match="(?i)connection|reset|broken|disconnect"):
        client(hub).create_commit(REPO, [add("a.txt", b"1")], commit_message="push")
    landed = hub.history(REPO)
    assert len(landed) == 2
    assert hub.exchanges[-1].status is None
    assert client(hub).create_commit(REPO, [add("a.txt", b"1")], commit_message="push").oid == landed[0].oid
    assert hub.history(REPO) == landed


@pytest.mark.parametrize(("status", "retry_after"), [(500, None), (429, 7)])
def test_a_refused_commit_changes_nothing_and_the_second_push_completes_it(hub, status, retry_after):
    client(hub).create_repo(REPO)
    before = hub.history(REPO)
    hub.control.fail("*/commit/main", status, retry_after=retry_after)
    with pytest.raises(HfHubHTTPError) as failure:
        client(hub).create_commit(REPO, [add("a.txt", b"1")], commit_message="push")
    assert status_of(failure) == status
    assert failure.value.response.headers.get("Retry-After") == (str(retry_after) if retry_after else None)
    assert hub.history(REPO) == before
    client(hub).create_commit(REPO, [add("a.txt", b"1")], commit_message="push")
    assert hub.read(REPO, "a.txt") == b"1"


def test_an_upload_refused_once_with_500_is_tried_again_by_the_client(hub):
    client(hub).create_repo(REPO)
    hub.control.fail("*", 500, method="PUT")
    client(hub).create_commit(REPO, [add("w.bin", b"weights")], commit_message="push")
    assert [exchange.status for exchange in hub.exchanges if exchange.host == "storage"] == [500, 200]
    assert hub.read(REPO, "w.bin") == b"weights"


# For the tests that use it


def test_a_process_started_with_the_environment_uses_this_hub_and_no_login_of_the_person(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_person")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    client(hub).create_repo(REPO)
    script = f"""
import huggingface_hub as h
print(h.get_token())
print(h.model_info("{REPO}").sha, h.hf_hub_download("{REPO}", ".gitattributes"))
"""
    run = [sys.executable, "-c", script]
    for token in (None, hub.tokens.read):
        done = subprocess.run(run, env=hub.environment(token=token), check=True, capture_output=True, text=True)
        lines = done.stdout.splitlines()
        assert lines[0] == str(token)
        assert lines[1].startswith(hub.history(REPO)[0].oid)
        assert str(hub.folder) in lines[1]


HIDDEN = """    try:
        {call}
        answered = True
    except Exception:
        answered = False
    assert not answered
"""
UNIMPLEMENTED = {
    "GET /api/users/tester/overview": "api.get_user_overview('tester')",
    "create_pr of POST": "api.upload_file(path_or_fileobj=b'1', path_in_repo='a', repo_id=repo, create_pr=True)",
    "sleepTimeSeconds of POST": "api.create_repo(repo, repo_type='space', space_sdk='gradio', space_sleep_time=9)",
    "'trendingScore'": "api.model_info(repo, expand=['trendingScore'])",
}
INNER_TESTS = {
    "unimplemented": "".join(HIDDEN.format(call=call) for call in UNIMPLEMENTED.values()),
    "mistyped_fault": "    hub.control.fail('*/commit/typo', 500)\n",
    "faultless": "    hub.control.fail('*/whoami-v2', 500)\n"
    + HIDDEN.format(call="api.whoami()")
    + "    api.whoami()\n",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says about INNER_TESTS, in a run of its own."""
    folder = tmp_path_factory.mktemp("inner")
    start = (
        "    api = HfApi(endpoint=hub.url, token=hub.tokens.write)\n    repo = api.create_repo('tester/pig').repo_id\n"
    )
    source = "from huggingface_hub import HfApi\nfrom loopback_hub import hub\n"
    source += "".join(f"\ndef test_{name}(hub):\n{start}{body}" for name, body in INNER_TESTS.items())
    (folder / "test_inner.py").write_text(source)
    (folder / "pytest.ini").touch()  # else the options of a project above would be taken
    run = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", folder]
    environment = os.environ | {"PYTHONPATH": str(Path(loopback_hub.__file__).parents[1])}
    return subprocess.run(run, env=environment, cwd=folder, capture_output=True, text=True).stdout


def test_a_test_that_asks_for_what_is_not_implemented_fails_even_if_it_hides_the_error(verdicts):
    assert "test_unimplemented PASSED" in verdicts
    assert "test_unimplemented ERROR" in verdicts
    for what in UNIMPLEMENTED:
        assert what in verdicts


def test_a_test_whose_ordered_failure_never_happened_fails(verdicts):
    assert "test_mistyped_fault ERROR" in verdicts
    assert "the fault never happened: answer */commit/typo" in verdicts


def test_a_test_with_nothing_to_object_to_passes(verdicts):
    assert "test_faultless PASSED" in verdicts
    assert "test_faultless ERROR" not in verdicts
