"""Places where files can be written: what is wrong with one is said before any work."""

import os

import pytest

from workbench.errors import UserError
from workbench.files import check_output


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "file.png").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "kind", "says"),
    [
        ("", "folder", "is empty"),
        ("  ", "file", "is empty"),
        ("x" * 300, "folder", "more than 255 bytes"),
        ("é" * 200, "folder", "more than 255 bytes"),
        ("a/" * 1500, "folder", "more than 2,000"),
        ("file.png", "folder", "file.png is not a folder"),
        ("file.png/below", "folder", "file.png is not a folder"),
        ("nowhere", "folder", "leads nowhere"),
        ("home", "file", "home is a folder"),
        ("new/", "file", "new/ is a folder"),
        ("new/word.png", "file", "there is no folder new"),
        (os.devnull, "file", "is not a file"),
        ("/proc/new", "folder", "nothing can be written in /proc"),
        ("/proc/1/new.png", "file", "nothing can be written in /proc/1"),
    ],
)
def test_where_nothing_can_be_written_is_one_line(here, path, kind, says):
    if path.startswith("/proc") and not os.path.isdir("/proc/1"):  # noqa: PTH112
        pytest.skip("this system has no /proc")
    before = sorted(here.rglob("*"))
    with pytest.raises(UserError) as refusal:
        check_output("output_dir", path, kind)
    assert str(refusal.value).startswith("output_dir: ") and says in str(refusal.value)
    assert "\n" not in str(refusal.value) and sorted(here.rglob("*")) == before


def test_what_can_be_written_is_made_by_nobody_yet(here):
    before = sorted(here.rglob("*"))
    assert check_output("output_dir", "a/b/c", "folder") == "a/b/c"
    assert check_output("attention", "file.png", "file") == "file.png"
    assert sorted(here.rglob("*")) == before


def test_the_home_folder_is_one_and_the_same_everywhere(here):
    assert check_output("output_dir", "~/runs/a", "folder") == str(here / "home" / "runs" / "a")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(here):
    (here / "closed").mkdir(mode=0o500)
    with pytest.raises(UserError, match="nothing can be written in closed: Permission denied"):
        check_output("output_dir", "closed/run", "folder")
