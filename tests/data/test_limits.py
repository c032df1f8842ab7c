"""Files that would take all memory, or never end: each is refused in one line, or read with a note."""

import json
import os

import numpy
import pyarrow
import pytest
from pyarrow import parquet

from workbench.data import limits, tables
from workbench.data.columns import Columns, choose_columns, guess_columns
from workbench.data.examples import read_examples
from workbench.data.known_tasks import Task
from workbench.data.labels import encode_labels
from workbench.data.new_texts import read_texts
from workbench.data.pairs import PairFile
from workbench.data.tables import read_table
from workbench.errors import UserError


def repeated(text: str, rows: int) -> pyarrow.Array:
    """The same text in each row, of which a file holds one."""
    return pyarrow.DictionaryArray.from_arrays(numpy.zeros(rows, numpy.int8), pyarrow.array([text]))


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.parquet", "pipe.jsonl", "pipe.txt"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    for read in (read_table, read_texts, lambda path: PairFile(str(path)).read()):
        with pytest.raises(UserError, match=rf"{name}: not a regular file"):
            read(tmp_path / name)


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", "/proc/kmsg", "/sys/kernel/notes"])
def test_devices_and_the_kernels_files_are_refused(tmp_path, path):
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(UserError, match="not a regular file|cannot read this file|no such file"):
            read_table(name)


def test_a_folder_and_names_that_no_file_can_have_are_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name, reason in (
        (tmp_path / "folder.csv", "a folder"),
        ("a\0b.csv", "no name of a file"),
        ("\ud800.csv", "Unicode"),
    ):
        with pytest.raises(UserError, match=reason):
            read_table(name)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"text": repeated("x", limits.MOST_ROWS + 1)}, "10,000,001 rows or more; at most 10,000,000"),
        ({"text": repeated("x" * 1_000_000, 60_000)}, "60,000,000,000 bytes or more"),
        ({f"c{number}": [1] for number in range(limits.MOST_COLUMNS + 1)}, "2,001 columns or more"),
        ({f"c{number}": repeated("", 1_000_000) for number in range(201)}, "201,000,000 cells or more"),
        ({"n" * 300: ["x"]}, "a column's name of 300 characters"),
    ],
)
def test_a_small_parquet_file_that_would_fill_the_memory_is_refused(tmp_path, content, says):
    parquet.write_table(pyarrow.table(content), tmp_path / "bomb.parquet")
    with pytest.raises(UserError, match=rf"bomb.parquet: {says}"):
        read_table(tmp_path / "bomb.parquet")


def test_columns_that_are_neither_text_nor_numbers_are_not_decoded(tmp_path):
    content = {
        "text": ["a b", None, "c"],
        "tags": [["x"] * 3] * 3,
        "picture": [bytes(10)] * 3,
        "kind": pyarrow.array(["u", "v", "u"]).dictionary_encode(),
        "large": pyarrow.array(["x", "y", None], pyarrow.large_string()),
    }
    parquet.write_table(pyarrow.table(content), tmp_path / "r.parquet")
    table = read_table(tmp_path / "r.parquet")
    rows = {name: table.column(name) for name in table.header}
    assert rows == {
        **content,
        "kind": ["u", "v", "u"],
        "large": ["x", "y", None],
        "tags": [[]] * 3,
        "picture": [b""] * 3,
    }
    with pytest.raises(UserError, match="r.parquet, row 1: a text is wanted, not list"):
        read_texts(tmp_path / "r.parquet", "tags")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("line.csv", "text,label\n" + "x" * 2000 + ",1\n", "line 2: longer than 1,000 bytes"),
        ("line.jsonl", '{"text": "a"}\n{"text": "' + "x" * 2000 + '"}\n', "line 2: longer than 1,000 bytes"),
        ("line.txt", "x" * 2000, "line 1: longer than 1,000 bytes"),
        ("cell.csv", 'text,label\n"' + "x\n" * 2000, "line 2: a quoted cell that does not end as it should"),
        ("tabs.tsv", "\t" * 900, "line 1: 901 columns or more"),
        ("rows.csv", "text,label\n" + "x,1\n" * 200, "200 rows or more"),
        ("rows.jsonl", '{"text": "a"}\n' * 200, "200 rows or more"),
        ("names.jsonl", "".join(f'{{"n{number}": 1}}\n' for number in range(60)), "60 columns or more"),
        ("bytes.csv", "text,label\n" + "x,1\n" * 5000, "20,011 bytes or more"),
    ],
)
def test_text_files_have_limits(tmp_path, monkeypatch, name, content, says):
    monkeypatch.setattr(tables, "MOST_IN_LINE", 1000)
    for limit, value in (("MOST_ROWS", 100), ("MOST_COLUMNS", 50), ("MOST_BYTES", 10_000)):
        monkeypatch.setattr(limits, limit, value)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as refusal:
        read_texts(tmp_path / name) if name == "line.txt" else read_table(tmp_path / name)
    assert says in str(refusal.value) and name in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"text": "a", "text": "b"}', "line 1: cannot read this JSON: the name 'text' is there more than once"),
        ('{"text": "a", "label": Infinity}', "line 1: cannot read this JSON: Infinity is no number"),
        ('{"text": "a", "label": 1e999}', "line 1: a label that is infinite is no number"),
        ('{"text": "a", "label": "' + "x" * 501 + '"}', "line 1: a label of 501 characters; at most 500 are possible"),
        ('{"text": "a", "label": ' + "9" * 600 + "}", "line 1: a label of 600 characters"),
        ('{"text": "a", "label": "b\\u0000ad"}', r"line 1: the label 'bad' has a control character (U+0000) in it"),
        ('{"text": "a", "label": "\\ud800"}', "line 1: no valid Unicode"),
        (
            '{"text": "' + "x" * 1_000_001 + '", "label": 1}',
            "line 1: a text of 1,000,001 characters; at most 1,000,000",
        ),
    ],
)
def test_what_json_can_say_and_no_example_can_be_is_refused(tmp_path, content, says):
    (tmp_path / "r.jsonl").write_text(content + "\n")
    with pytest.raises(UserError) as refusal:
        read_examples(read_table(tmp_path / "r.jsonl"), Columns("text", None, "label"), (), [])
    assert says in str(refusal.value) and "r.jsonl" in str(refusal.value)


def test_a_number_that_is_missing_is_no_label(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"text": "a", "label": NaN}\n{"text": "b", "label": 1}\n')
    notes: list[str] = []
    assert len(read_examples(read_table(tmp_path / "r.jsonl"), Columns("text", None, "label"), (), notes)) == 1
    assert "1 without a label" in notes[0]


def test_more_classes_than_a_classifier_has_are_refused(tmp_path):
    rows = "".join(f"text {number},class{number // 2}\n" for number in range(2 * limits.MOST_CLASSES + 2))
    (tmp_path / "r.csv").write_text("text,label\n" + rows)
    table = read_table(tmp_path / "r.csv")
    examples = {"train": read_examples(table, Columns("text", None, "label"), (), [])}
    with pytest.raises(UserError, match=r"r.csv: 2,001 classes; at most 2,000 are possible; .* --label_column"):
        encode_labels(examples, Task("mine"), None, [])


@pytest.mark.parametrize("asked", [Columns("a", None, "A"), Columns("a", "A"), Columns("b", "a", "B")])
def test_one_column_is_not_two_things(tmp_path, asked):
    (tmp_path / "r.csv").write_text("a,b,label\nx y z,1,2\nu v w,3,4\n")
    table = read_table(tmp_path / "r.csv")
    for choose in (lambda: choose_columns(table, asked, None, True, []), lambda: guess_columns(table, asked)):
        with pytest.raises(UserError, match=r"one column for two things \(text '[ab]'"):
            choose()


def test_numbers_of_thousands_of_digits_count_no_rows(tmp_path):
    (tmp_path / "r.csv").write_text(
        "n,text\n" + "".join(f"{'9' * 5000},some words here {number}\n" for number in range(3))
    )
    assert len(read_texts(tmp_path / "r.csv")) == 3


def test_rows_that_a_quotation_mark_swallowed_are_said(tmp_path):
    (tmp_path / "pairs.csv").write_text('word,other,note\na,b,"c\nd,e,f\ng,h,i"\nj,k,l\n')
    table = read_table(tmp_path / "pairs.csv")
    assert len(table) == 2
    assert (
        "1 row(s) go over several lines, the longest from line 2 to 4; if a quotation mark is stray" in table.notes[0]
    )
    assert "2 row(s) are lost" in table.notes[0]


@pytest.mark.parametrize("mark", ["\t", "\r", "\n", "\u0000", "\u001c", "\u0085", "\u2028"])
@pytest.mark.parametrize("word", ["x{}y", "{}x", "x{}"])
def test_a_word_with_a_control_character_is_no_word(tmp_path, mark, word):
    (tmp_path / "p.jsonl").write_text(json.dumps({"a": word.format(mark), "b": "z"}) + "\n")
    with pytest.raises(
        UserError, match=r"p.jsonl, line 1: a (tab or line break|control character \(U\+\w{4}\)) inside a word"
    ):
        PairFile(str(tmp_path / "p.jsonl")).read()
