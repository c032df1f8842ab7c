"""Tables for people: no cell of them is a formula to a spreadsheet, no text breaks a row, and all can be read back."""

import csv

import pytest

from workbench.escapes import markdown_text, one_line, plain_cell, spreadsheet_cell
from workbench.files import read_rows, write_table
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
