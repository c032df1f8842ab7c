"""The loopback Hub, driven by the real client: what is pushed comes back, and who may do what."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationDelete,
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

from support import hub_client, loopback_hub
from support.hub_client import CARD, REPO, add, client, digests, raw, safetensors, status_of

hub, run_folder = loopback_hub.hub, hub_client.run_folder


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
