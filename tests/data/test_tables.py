"""Files of text as people have them: each is read as it was meant, or refused with its line."""

import datasets
import pandas
import pyarrow
import pytest
from pyarrow import parquet

from workbench.data.new_texts import read_texts
from workbench.data.tables import read_table
from workbench.errors import UserError

ROWS = [["a “fine” film, really", "good"], ["naïve\u2028and slow", "bad"]]
JSON_LINES = '{"text": "a “fine” film, really", "label": "good"}\n\n{"label": "bad", "text": "naïve\u2028and slow"}\n'


def rows(table) -> list[list]:
    return [list(row) for row in zip(*map(table.column, table.header), strict=True)]


def write(tmp_path, name: str, content: str | bytes):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("r.csv", 'text,label\n"a “fine” film, really",good\n\nnaïve\u2028and slow,bad\n'),
        ("r.csv", "text;label\na “fine” film, really;good\nnaïve\u2028and slow;bad\n"),
        ("r.csv", "\ufefftext\tlabel\r\na “fine” film, really\tgood\r\nnaïve\u2028and slow\tbad\r\n"),
        ("r.tsv", "text\tlabel\na “fine” film, really\tgood\nnaïve\u2028and slow\tbad"),
        ("r.data", "text\tlabel\na “fine” film, really\tgood\nnaïve\u2028and slow\tbad"),
        ("r.jsonl", JSON_LINES),
    ],
)
def test_every_usual_text_file_gives_the_same_rows(tmp_path, name, content):
    table = read_table(write(tmp_path, name, content))
    assert table.header == ["text", "label"]
    assert rows(table) == ROWS


def test_parquet_gives_class_names_where_it_has_them(tmp_path):
    pandas.DataFrame(ROWS, columns=["text", "label"]).to_parquet(tmp_path / "plain.parquet")
    assert rows(read_table(tmp_path / "plain.parquet")) == ROWS
    named = datasets.Dataset.from_dict({"text": ["x", "y", "z"], "label": [1, 0, -1]})
    named = named.cast_column("label", datasets.ClassLabel(names=["worse", "better"]))
    named.to_parquet(tmp_path / "named.parquet")
    table = read_table(tmp_path / "named.parquet")
    assert table.column("label") == ["better", "worse", None]
    assert table.class_names == {"label": ["worse", "better"]}


def test_columns_of_strange_types_beside_the_text_do_not_matter(tmp_path):
    content = {
        "text": pyarrow.array(["x", "y"]),
        "tags": pyarrow.array([[("a", 1)], []], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "id": pyarrow.array([bytes(16), bytes(16)], pyarrow.uuid()),
        # In the year 33658; Python's dates end with 9999.
        "when": pyarrow.array([10**12, 0], pyarrow.timestamp("s")),
        "label": pyarrow.array([1, 0]),
    }
    names = datasets.Features(label=datasets.ClassLabel(names=["no", "yes"])).arrow_schema.metadata
    parquet.write_table(pyarrow.table(content).replace_schema_metadata(names), tmp_path / "r.parquet")
    table = read_table(tmp_path / "r.parquet")
    assert table.header == list(content) and table.notes == []
    assert table.column("text") == ["x", "y"] and table.column("label") == ["yes", "no"]


def test_metadata_that_cannot_be_read_are_said(tmp_path):
    newer = {b"huggingface": b'{"info": {"features": {"text": {"dtype": "string", "_type": "Hologram"}}}}'}
    table = pyarrow.table({"text": ["x"], "label": [1]}).replace_schema_metadata(newer)
    parquet.write_table(table, tmp_path / "r.parquet")
    table = read_table(tmp_path / "r.parquet")
    assert rows(table) == [["x", 1]] and "what its metadata say of classes cannot be read" in table.notes[0]


def test_parquet_columns_of_one_name_and_bytes_that_are_no_text_are_refused(tmp_path):
    parquet.write_table(pyarrow.table([["x"], ["y"]], names=["text", "text"]), tmp_path / "twice.parquet")
    with pytest.raises(UserError, match=r"twice.parquet: the column 'text' is there more than once"):
        read_table(tmp_path / "twice.parquet")
    latin = pyarrow.array([b"fine", b"caf\xe9"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": latin}), tmp_path / "latin.parquet")
    with pytest.raises(UserError, match=r"latin.parquet, row 2: no valid Unicode at character 4 of a text"):
        read_texts(tmp_path / "latin.parquet")


def test_a_csv_cell_may_have_quotes_and_line_breaks_and_errors_keep_counting_lines(tmp_path):
    content = 'text,label\n"two\nlines, ""quoted""",1\n5" screen,0\n'
    table = read_table(write(tmp_path, "r.csv", content))
    assert rows(table) == [['two\nlines, "quoted"', "1"], ['5" screen', "0"]]
    assert list(table.numbers) == [2, 4]


def test_a_stray_quotation_mark_in_a_tsv_swallows_no_row(tmp_path):
    path = write(tmp_path, "r.tsv", 'text\tlabel\n"one\t0\ntwo\t1\nthree"\t1\n')
    table = read_table(path)
    assert table.column("text") == ['"one', "two", 'three"']
    assert table.notes == [f"{path}: quotation marks are read as part of the text"]


def test_a_quoted_tsv_is_read_without_its_quotes(tmp_path):
    content = 'sentence\tlabel\r\n"Bad.\n\tIt ""broke""."\t0\r\n"all\there"\t1\nfine\t1\n'
    table = read_table(write(tmp_path, "r.tsv", content))
    assert rows(table) == [['Bad.\n\tIt "broke".', "0"], ["all\there", "1"], ["fine", "1"]]


def test_a_literal_tsv_keeps_all_quotes_and_leaves_out_broken_rows(tmp_path):
    path = write(tmp_path, "r.tsv", 'text\tlabel\n"quoted"\t0\nhalf a row\n"two\t1\n')
    table = read_table(path, literal=True)
    assert rows(table) == [['"quoted"', "0"], ['"two', "1"]]
    assert "1 broken row(s) skipped, the first in line 3" in table.notes[0]


def test_a_file_without_a_header_gets_the_known_one(tmp_path):
    header = ["source", "label", "mark", "sentence"]

    def name_columns(first: list[str]):
        return None if "label" in first else header

    path = write(tmp_path, "bare.tsv", "gj04\t1\t\tThey left.\ngj04\t0\t*\tThey left it go.\n")
    bare = read_table(path, True, name_columns)
    assert bare.header == header and bare.column("sentence") == ["They left.", "They left it go."]
    named = read_table(
        write(tmp_path, "named.tsv", "source\tlabel\tmark\tsentence\ngj04\t1\t\tA.\n"), True, name_columns
    )
    assert named.column("sentence") == ["A."]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.csv", None, "no such file"),
        ("absent.parquet", None, "no such file"),
        ("empty.csv", "", "an empty file"),
        ("empty.jsonl", "\n", "an empty file"),
        ("header.csv", "text,label\n", "a header (text, label), but no rows"),
        ("latin1.csv", "text,label\nfine,1\na caf\xe9,0\n".encode("latin-1"), "line 3: not UTF-8 at its byte 6 (0xe9)"),
        ("latin1.csv", "text,label\na caf\xe9,0\n".encode("latin-1"), "convert it: iconv -f LATIN1"),
        ("utf16.csv", "text,label\nfine,1\n".encode("utf-16"), "UTF-16"),
        ("nul.csv", b"text,label\nfi\0ne,1\n", "line 2: a NUL byte"),
        ("twice.csv", "text,text\na,b\n", "the column 'text' is there more than once"),
        ("wide.csv", "text,label\nfine,1\nwell, no,0\n", "line 3: 3 cell(s), the header has 2 (text, label)"),
        ("short.tsv", "text\tlabel\nfine\n", "line 2: 1 cell(s), the header has 2"),
        ("open.csv", 'text,label\nfine,1\n"never closed,0\nmore,1\n', "line 3: a quoted cell that does not end"),
        ("list.jsonl", '{"text": "a", "label": 1}\n[1, 2]\n', "line 2: not a JSON object but list"),
        ("broken.jsonl", '{"text": "a", "label": 1}\n{"text":\n', "line 2: not a JSON object"),
        ("broken.parquet", b"PAR1 no", "cannot read this Parquet file"),
        ("deep.jsonl", '{"text": "a"}\n{"text": ' + "[" * 100_000, "line 2: cannot read this JSON: maximum recursion"),
        ("digits.jsonl", '{"text": "a"}\n{"text": ' + "1" * 5000 + "}", "line 2: cannot read this JSON: Exceeds the"),
        ("name.jsonl", '{"text": "a"}\n{"\\ud83d": 1}', "line 2: no valid Unicode at character 1"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_line(tmp_path, name, content, says):
    path = tmp_path / name if content is None else write(tmp_path, name, content)
    with pytest.raises(UserError) as refusal:
        read_table(path)
    assert says in str(refusal.value) and name in str(refusal.value)
