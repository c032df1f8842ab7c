"""The loopback Hub refuses what the Hub refuses, and fails when told to, so that a second push completes the first."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub.errors import (
    HfHubHTTPError,
    RepositoryNotFoundError,
)

from support import hub_client, loopback_hub
from support.hub_client import REPO, add, client, raw, status_of
from support.loopback_hub import LoopbackHub

hub, run_folder = loopback_hub.hub, hub_client.run_folder


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
    source = "from huggingface_hub import HfApi\nfrom support.loopback_hub import hub\n"
    source += "".join(f"\ndef test_{name}(hub):\n{start}{body}" for name, body in INNER_TESTS.items())
    (folder / "test_inner.py").write_text(source)
    (folder / "pytest.ini").touch()  # else the options of a project above would be taken
    run = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", folder]
    environment = os.environ | {"PYTHONPATH": str(Path(loopback_hub.__file__).parents[2])}
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
