"""Pushing: one commit, repeatable, whole or not at all, and every refusal in one line without the token."""

import errno
import random

import pytest
from huggingface_hub import constants
from support import loopback_hub

from workbench.errors import UserError, run_main
from workbench.hub import push as pushing
from workbench.hub.push import Package, _operations, check_account, check_repo_id, check_revision, push

hub = loopback_hub.hub
REPO = "tester/pig"
CARD = b"---\nlicense: apache-2.0\n---\n# Pig\n"


@pytest.fixture(autouse=True)
def own_login(monkeypatch, tmp_path):
    """Nobody's login is used, and a client that waits before it tries again does not."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-login"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)


@pytest.fixture
def login(monkeypatch):
    def use(token: str) -> str:
        monkeypatch.setenv("HF_TOKEN", token)
        return token

    return use


def package(**files: bytes) -> Package:
    weights = {"model.safetensors": random.Random(0).randbytes(60_000)}
    return Package("model", {"README.md": CARD, **weights, **{name.replace("_", "."): c for name, c in files.items()}})


def test_a_push_is_one_commit_and_the_same_push_again_is_none(hub, login):
    login(hub.tokens.write)
    assert push(package(a_txt=b"1"), REPO) == f"{hub.url}/{REPO}"
    assert hub.files(REPO) == [".gitattributes", "README.md", "a.txt", "model.safetensors"]
    assert len(hub.history(REPO)) == 2
    push(package(a_txt=b"1"), REPO)
    assert len(hub.history(REPO)) == 2


def test_a_second_push_changes_adds_and_deletes_in_one_commit(hub, login):
    login(hub.tokens.write)
    push(package(a_txt=b"1", b_txt=b"1"), REPO)
    push(package(b_txt=b"2", c_txt=b"3"), REPO)
    assert hub.files(REPO) == [".gitattributes", "README.md", "b.txt", "c.txt", "model.safetensors"]
    assert hub.read(REPO, "b.txt") == b"2"
    assert len(hub.history(REPO)) == 3


def test_a_branch_gets_the_push_and_main_stays(hub, login):
    login(hub.tokens.write)
    push(package(a_txt=b"1"), REPO)
    for content in (b"2", b"3"):
        push(package(a_txt=content), REPO, revision="v2/next")
    assert (hub.read(REPO, "a.txt"), hub.read(REPO, "a.txt", "v2/next")) == (b"1", b"3")


def test_private_makes_a_private_repository_and_never_uses_a_public_one(hub, login):
    login(hub.tokens.write)
    push(package(), REPO, private=True)
    assert hub.repository(REPO).private
    push(package(a_txt=b"1"), REPO, private=True)
    push(package(), "tester/public")
    before = hub.history("tester/public")
    with pytest.raises(UserError, match="exists and is public"):
        push(package(a_txt=b"secret"), "tester/public", private=True)
    assert hub.history("tester/public") == before


def refused(call, token: str | None, capsys) -> str:
    """Calls as a script does; returns the one line on stderr, which must not hold the token."""
    with pytest.raises(SystemExit) as exit_:
        run_main(call)
    printed = capsys.readouterr()
    assert exit_.value.code == 2
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1, printed.err
    assert not token or token not in printed.out + printed.err
    return printed.err


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("read", "may only read"),
        ("expired", "wrong or has expired"),
        ("unknown", "wrong or has expired"),
        ("stranger", "may not write there"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_token_without_the_right_is_one_line(hub, login, capsys, kind, says, exists):
    if exists:
        login(hub.tokens.write)
        push(package(), REPO)
    token = login(getattr(hub.tokens, kind))

    def publish():
        check_account(REPO)
        push(package(a_txt=b"1"), REPO)

    assert says in refused(publish, token, capsys)
    assert not exists or len(hub.history(REPO)) == 2


def test_a_push_with_a_token_that_lost_its_right_is_one_line(hub, login, capsys):
    login(hub.tokens.write)
    push(package(), REPO)
    token = login(hub.tokens.read)
    assert "may not write there" in refused(lambda: push(package(a_txt=b"1"), REPO), token, capsys)


@pytest.mark.parametrize("token", ["hf_with space", "hf_ümlaut", "hf_tab\tbed"])
def test_a_token_that_cannot_be_one_is_not_quoted(hub, login, capsys, token):
    login(token)
    assert "characters that no token has" in refused(lambda: push(package(), REPO), token, capsys)


def test_no_token_is_one_line_that_says_how_to_log_in(hub, capsys):
    assert "hf auth login" in refused(lambda: push(package(), REPO), None, capsys)


@pytest.mark.parametrize("one_kind_per_name", [True, False])
def test_a_name_of_another_type_is_refused_and_the_other_stays(hub, login, capsys, one_kind_per_name):
    token = login(hub.tokens.write)
    push(Package("dataset", {"README.md": CARD}), REPO)
    before = hub.history(REPO, repo_type="dataset")
    hub.state.one_kind_per_name = one_kind_per_name
    if one_kind_per_name:
        assert "is a dataset, not a model" in refused(lambda: push(package(), REPO), token, capsys)
    else:
        push(package(), REPO)
    assert hub.history(REPO, repo_type="dataset") == before


def test_no_network_is_one_line(monkeypatch, login, capsys):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    token = login("hf_some")
    for call in (lambda: check_account(REPO), lambda: push(package(), REPO)):
        assert "no connection to the Hub" in refused(call, token, capsys)


def test_a_full_disk_is_not_mistaken_for_the_network(hub, login, capsys, monkeypatch):
    token = login(hub.tokens.write)

    def full(*_args, **_kwargs):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("Error while uploading") from error

    monkeypatch.setattr("huggingface_hub.HfApi.create_commit", full)
    assert "no space left" in refused(lambda: push(package(), REPO), token, capsys)


@pytest.mark.parametrize(
    ("status", "retry_after", "says"), [(500, None, "answered 500"), (503, None, "answered 503"), (429, 7, "in 7 s")]
)
def test_a_hub_in_trouble_is_one_line_and_a_second_push_completes(hub, login, capsys, status, retry_after, says):
    token = login(hub.tokens.write)
    hub.control.fail("*/commit/main", status, retry_after=retry_after)
    assert says in refused(lambda: push(package(a_txt=b"1"), REPO), token, capsys)
    assert hub.files(REPO) == [".gitattributes"]
    push(package(a_txt=b"1"), REPO)
    assert hub.read(REPO, "a.txt") == b"1"


def test_a_push_over_somebody_elses_is_refused(hub, login, capsys, monkeypatch):
    token = login(hub.tokens.write)
    push(package(), REPO)
    operations = _operations

    def meanwhile(*arguments):
        monkeypatch.setattr(pushing, "_operations", operations)
        push(package(theirs_txt=b"1"), REPO)
        return operations(*arguments)

    monkeypatch.setattr(pushing, "_operations", meanwhile)
    assert "somebody pushed in the meantime" in refused(lambda: push(package(a_txt=b"1"), REPO), token, capsys)
    assert hub.files(REPO) == [".gitattributes", "README.md", "model.safetensors", "theirs.txt"]


def test_a_card_that_the_hub_refuses_is_one_line(hub, login, capsys):
    token = login(hub.tokens.write)
    bad = Package("model", {"README.md": b"---\ntags: [1]\n---\n"})
    assert '"tags" must be' in refused(lambda: push(bad, REPO), token, capsys)


@pytest.mark.parametrize("point", range(10))
def test_interrupted_anywhere_the_repository_is_as_before_and_a_second_push_completes_it(hub, login, capsys, point):
    token = login(hub.tokens.write)
    push(package(a_txt=b"old", old_txt=b"old"), REPO)
    before = hub.history(REPO)
    files = {
        "README.md": CARD,
        "a.txt": b"new" * 1000,
        "model.safetensors": random.Random(1).randbytes(200_000),
        "other.safetensors": random.Random(2).randbytes(200_000),
    }
    new = Package("model", files)
    # Both weights go up first, then the commit with the text in it.
    hub.control.drop_upload(random.Random(point).randrange(404_000), then=403)
    error = refused(lambda: push(new, REPO), token, capsys)
    assert "no connection" in error or "may not write" in error
    assert hub.history(REPO) == before
    assert hub.read(REPO, "a.txt") == b"old"
    hub.control.heal()
    push(new, REPO)
    assert hub.files(REPO) == sorted([".gitattributes", *files])
    assert all(hub.read(REPO, name) == content for name, content in files.items())
    assert len(hub.history(REPO)) == len(before) + 1


def test_a_push_whose_answer_was_lost_landed_once(hub, login, capsys):
    token = login(hub.tokens.write)
    hub.control.lose_answer("*/commit/main")
    assert "no connection" in refused(lambda: push(package(), REPO), token, capsys)
    push(package(), REPO)
    assert len(hub.history(REPO)) == 2


@pytest.mark.parametrize(
    "name", ["pig", "a/b/c", "tester/", "tester/a--b", "tester/ä", "tester/a b", "../x/y", "t/a.git"]
)
def test_a_name_that_the_hub_would_refuse_is_refused_before_any_request(name):
    with pytest.raises(UserError, match="OWNER/NAME"):
        check_repo_id(name)


@pytest.mark.parametrize("revision", ["0" * 40, "a..b", "", "-x", "a b"])
def test_a_revision_that_is_no_branch_is_refused(revision):
    with pytest.raises(UserError, match="branch"):
        check_revision(revision)
