"""Places where files can be written, and tables for people: no formula, no broken row, and all can be read back."""

import csv
import os

import pytest

from workbench.errors import UserError
from workbench.files import check_output, markdown_text, one_line, plain_cell, read_rows, spreadsheet_cell, write_table
from workbench.studies.report import Spread, write_study_table

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "-", "=", "--help", "+x", "-abc"]
NUMBERS = ["-0.5", "+3", "-1e-05", "-1,234.5", "+0.0123 [-0.0988, -0.0263]", "-0.12 ± 0.03", "-3.5%", "-inf"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe_that_reading_takes_off(text):
    assert spreadsheet_cell(text) == f"'{text}"
    assert plain_cell(spreadsheet_cell(text)) == text


@pytest.mark.parametrize("text", [*NUMBERS, "word", "'quoted'", "a=b", "", "'tis", "0", "don't"])
def test_numbers_and_other_texts_stay(text):
    assert spreadsheet_cell(text) == text == plain_cell(text)


@pytest.mark.parametrize("text", ["'=x", "''=x", "'", "'-1", "'@"])
def test_an_apostrophe_of_the_texts_own_is_told_from_ours(text):
    assert plain_cell(spreadsheet_cell(text)) == text


def test_a_table_has_the_rows_that_were_written_and_no_formula(tmp_path):
    rows = [(text, 1.5) for text in [*FORMULAS, *NUMBERS, "plain", "\ta\tb\r\nc\x0bd\x00e\ud800"]]
    write_table(tmp_path / "t.tsv", ("=text", "value"), rows)
    content = (tmp_path / "t.tsv").read_bytes().decode()
    assert not any(line.startswith(tuple("=@")) for line in content.split("\n"))
    expected = [[one_line(text), str(value)] for text, value in rows]
    assert read_rows(tmp_path / "t.tsv") == [["=text", "value"], *expected] and expected[-1][0] == "a b c de?"


def test_a_studys_table_holds_no_formula_and_no_markup(tmp_path):
    rows = [{"=task": "@x|<script>", "value": Spread(0.5, 0.1, 3), "difference": "-0.1200 [-0.1600, -0.0800]"}]
    markdown = write_study_table(tmp_path / "table", rows, {"value": ".2f"})
    (row,) = csv.DictReader((tmp_path / "table.csv").open())
    assert row == {"'=task": "'@x|<script>", "value": "0.5", "value sd": "0.1", "value n": "3"} | {
        "difference": "-0.1200 [-0.1600, -0.0800]"
    }
    assert markdown.split("\n")[2] == r"| @x\|&lt;script> | 0.50 ± 0.10 | -0.1200 [-0.1600, -0.0800] |"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("houlsby_unshared [95 %] (a)", "houlsby_unshared [95 %] (a)"),
        ("![x](http://e.com/x.png)", r"![x\](http://e.com/x.png)"),
        ("[x][y]", r"[x\][y]"),
        ("**a** `b` ~~c~~ _d_", r"\*\*a\*\* \`b\` \~\~c\~\~ \_d\_"),
        ("<img src=x> &lt; Q&A", "&lt;img src=x> &amp;lt; Q&A"),
        ("a\n\n# b", "a # b"),
        ("# a", r"\# a"),
    ],
)
def test_a_name_is_no_markdown(text, shown):
    assert markdown_text(text) == shown


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
