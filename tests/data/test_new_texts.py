"""New texts: which columns are read, what is said about it, and what does not fit the model."""

import pytest
from support.task_files import write

from workbench.classification.loading import task_of_run
from workbench.data.known_tasks import Task
from workbench.data.new_texts import read_texts
from workbench.errors import UserError


def test_new_texts_come_in_order_from_lines_and_tables(tmp_path):
    (tmp_path / "new.txt").write_text("first one\n\n second, too \n", encoding="utf-8")
    assert read_texts(tmp_path / "new.txt") == [{"text": "first one"}, {"text": "second, too"}]
    (tmp_path / "new.csv").write_text('id,review\n1,"fine, really"\n2,\n', encoding="utf-8")
    assert read_texts(tmp_path / "new.csv") == [{"text": "fine, really"}, {"text": ""}]
    pairs = write(tmp_path / "new.tsv", ("n", "left", "right"), (1, "a", "b"))
    assert read_texts(pairs, "left", "right") == [{"text": "a", "pair": "b"}]
    with pytest.raises(UserError, match="no column 'rigth'; did you mean 'right'"):
        read_texts(pairs, "left", "rigth")


def test_new_texts_are_those_that_the_task_calls_so(tmp_path):
    task, notes = Task("mine", "comment_text"), []
    path = write(tmp_path / "new.tsv", ("title", "Comment_Text"), ("a", "b"))
    assert read_texts(path, task=task, notes=notes) == [{"text": "b"}]
    assert notes == [f"{path}: text 'Comment_Text' (as in training)"]
    assert read_texts(path, "title", task=task) == [{"text": "a"}]
    pairs = Task("pairs", "post", "reply")
    both = write(tmp_path / "both.tsv", ("reply", "post", "text"), ("b", "a", "c"))
    assert read_texts(both, task=pairs) == [{"text": "a", "pair": "b"}]
    assert read_texts(both, "text", task=pairs) == [{"text": "c", "pair": "b"}]
    (tmp_path / "new.txt").write_text("only one\n")
    for given in (path, tmp_path / "new.txt"):
        with pytest.raises(UserError, match=r"no pair, but the model \(pairs\) was trained on pairs"):
            read_texts(given, task=pairs)
    with pytest.raises(UserError, match=r"a pair, but the model \(mine\) was trained on single texts"):
        read_texts(path, "title", "Comment_Text", task)


def test_new_texts_that_are_no_unicode_are_refused_with_their_line(tmp_path):
    path = write(tmp_path / "new.jsonl", ('{"text": "fine"}',), ('{"text": "\\ud83d"}',))
    with pytest.raises(UserError, match="new.jsonl, line 2: no valid Unicode"):
        read_texts(path)


def test_a_column_of_the_training_file_is_not_looked_for_in_plain_lines(tmp_path):
    task = Task("mine", "comment_text")
    (tmp_path / "new.txt").write_text("first one\nsecond\n")
    assert read_texts(tmp_path / "new.txt", "comment_text", task=task) == [{"text": "first one"}, {"text": "second"}]
    (tmp_path / "table.txt").write_text("n\tcomment_text\n1\tfirst one\n")
    assert read_texts(tmp_path / "table.txt", "comment_text", task=task) == [{"text": "first one"}]
    with pytest.raises(UserError, match="no column 'other'"):
        read_texts(tmp_path / "new.txt", "other", task=task)


def test_results_of_others_tell_nothing_and_break_nothing(tmp_path):
    assert task_of_run("owner/name") is None and task_of_run("x" * 300) is None
    for content in ("[]", "{}", '{"facts": [1]}', "no JSON"):
        (tmp_path / "results.json").write_text(content)
        assert task_of_run(str(tmp_path)) is None


def test_a_pair_is_not_taken_for_its_first_text_unless_asked_to(tmp_path):
    path = write(tmp_path / "new.tsv", ("text", "pair"), ("a", "b"))
    with pytest.raises(UserError, match="text 'text', pair 'pair': a pair, but"):
        read_texts(path, task=Task("mine"))
    assert read_texts(path, "text", task=Task("mine")) == [{"text": "a"}]


def test_a_first_line_of_json_is_no_header(tmp_path):
    notes = []
    path = write(tmp_path / "new.jsonl", ('{"opinion": "a"}',))
    assert read_texts(path, notes=notes) == [{"text": "a"}]
    assert notes == [f"{path}: text 'opinion' (guessed from the header)"]
