"""classify.py: what it takes for the texts, what it says about that, and what it refuses."""

import io
import sys
from pathlib import Path

import numpy
import pytest
from support.encoder_folders import build, word_tokenizer, write_encoder

from workbench.classification.model import save_classifier
from workbench.classification.predict import write_predictions
from workbench.data.known_tasks import Task
from workbench.data.tasks import TaskData
from workbench.files import write_whole
from workbench.runs.folder import CONFIG_FILE
from workbench.runs.predictions import read_predictions
from workbench.runs.results import RunResults

LABELS = ["no", "may\tbe", "yes"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, str]:
    """Folders of classifiers: of single texts in a column 'comment_text', of pairs, and one that tells nothing."""
    root = tmp_path_factory.mktemp("runs")
    encoder = write_encoder(root / "encoder")
    # As facts.describe_task has it: `columns` are the examples' parts, beside them what the file called them.
    told = {
        "single": {"columns": ["text", "label"]},
        "pairs": {"columns": ["text", "pair", "label"], "text_column": "post", "pair_column": "reply"},
        "unknown": None,
        "other": None,
    }
    for seed, (name, dataset) in enumerate(told.items()):
        save_classifier(build(encoder, labels=LABELS, seed=seed // 3), word_tokenizer(), root / name)
        if dataset:
            RunResults({}, {}, {"total": 1}, {}, 0, facts={"dataset": dataset}).write(root / name)
            asked = "text_column: comment_text\npair_column: null\n" if name == "single" else "task: null\n"
            write_whole(root / name / CONFIG_FILE, asked)
    return {name: str(root / name) for name in told}


def answered(told) -> list[str]:
    """The texts that a table of answers begins its rows with."""
    return [line.split("\t")[0] for line in told.out.splitlines()[1:]]


def file_of(folder: Path, content: str) -> Path:
    (folder / "new.csv").write_text(content, encoding="utf-8")
    return folder / "new.csv"


def test_a_runs_own_column_wins_and_is_said(tmp_path, call, runs):
    path = file_of(tmp_path, "title,comment_text\nw2,w3 w4\nw5,w6 w7\n")
    code, told = call("classify", runs["single"], "--file", path)
    assert code == 0 and answered(told) == ["w3 w4", "w6 w7"]
    assert told.err.splitlines()[0] == f"{path}: text 'comment_text' (as in training)"
    code, told = call("classify", runs["unknown"], "--file", path)
    assert answered(told) == ["w2", "w5"] and "text 'title' (guessed from the header)" in told.err


def test_labels_beside_the_texts_need_no_name(tmp_path, call, runs):
    path = file_of(tmp_path, "opinion,label\nw2 w3,good\nw4,bad\n")
    code, told = call("classify", runs["unknown"], "--file", path)
    assert code == 0 and answered(told) == ["w2 w3", "w4"] and "text 'opinion' (guessed" in told.err
    code, told = call("classify", runs["unknown"], "--file", file_of(tmp_path, "opinion,remark\nw2,w3\n"))
    assert code == 2 and "Give --text_column (the first" in told.err and "--label_column" not in told.err


def test_a_first_text_that_was_taken_for_a_header_is_said(tmp_path, call, runs):
    code, told = call("classify", runs["single"], "--file", file_of(tmp_path, "w2 w3\nw4 w5\nw6\n"))
    assert code == 0 and answered(told) == ["w4 w5", "w6"]
    assert "text 'w2 w3' (guessed from the header); the first line was taken for the names" in told.err
    code, told = call("classify", runs["single"], "--file", file_of(tmp_path, "comment_text\nw4 w5\nw6\n"))
    assert "the first line" not in told.err


def test_pairs_are_for_models_of_pairs(tmp_path, call, runs):
    two, one = "text,pair\nw2,w3\nw4,w5\n", "post,label\nw2,a\nw4,b\n"
    for name, content, says in (("single", two, "trained on single texts"), ("pairs", one, "trained on pairs")):
        code, told = call("classify", runs[name], "--file", file_of(tmp_path, content))
        assert code == 2 and says in told.err and runs[name] in told.err and told.err.count("\n") == 1
    code, told = call("classify", runs["pairs"], "w2")
    assert code == 2 and "no pair, but the model" in told.err
    code, told = call("classify", runs["single"], "w2", "--pair", "w3")
    assert code == 2 and "a pair, but the model" in told.err
    # The first run tells nothing; the one that it is compared with does.
    code, told = call("classify", runs["unknown"], "w2", "--compare", runs["pairs"])
    assert code == 2 and runs["pairs"] in told.err
    code, told = call("classify", runs["pairs"], "--file", file_of(tmp_path, "reply,post,text\nw2,w3,w9\nw4,w5,w9\n"))
    assert code == 0 and told.out.splitlines()[1].startswith("w3\tw2\t")
    single = ("classify", runs["single"], "--file", file_of(tmp_path, two), "--text_column", "pair")
    code, told = call(*single)
    assert code == 0 and answered(told) == ["w3", "w5"]


def test_a_second_text_for_a_whole_file_is_refused(tmp_path, call, runs):
    path = file_of(tmp_path, "post,reply\nw2,w3\n")
    code, told = call("classify", runs["pairs"], "--file", path, "--pair", "w4")
    assert code == 2 and "--pair is for a text given here" in told.err


def test_bytes_that_are_no_text_are_one_line(call, runs, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"w2 w3\nw4 caf\xe9\n"), encoding="utf-8"))
    code, told = call("classify", runs["single"])
    assert code == 2 and "standard input, line 2: not UTF-8 at its byte 7 (0xe9)" in told.err
    for arguments in ((runs["single"], "caf\udce9"), (runs["pairs"], "w2", "--pair", "\ud83d")):
        code, told = call("classify", *arguments)
        assert code == 2 and "is not UTF-8, from character" in told.err and told.err.count("\n") == 1


def test_lines_of_standard_input_are_texts(call, runs, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"w2 w3\r\n\nw4\x0cw5"), encoding="utf-8"))
    code, told = call("classify", runs["single"])
    assert code == 0 and answered(told) == ["w2 w3", "w4 w5"] and told.err == ""


def test_a_label_with_a_tab_breaks_no_row(tmp_path, call, runs):
    code, told = call("classify", runs["single"], "w2")
    assert code == 0 and sorted(line.rsplit(maxsplit=1)[0] for line in told.out.splitlines()) == ["may be", "no", "yes"]
    path = file_of(tmp_path, "comment_text\n" + "".join(f"w{n} w{n + 1}\n" for n in range(2, 58)))
    code, told = call("classify", runs["single"], "--file", path)
    assert {line.count("\t") for line in told.out.splitlines()} == {1} and "may be" in told.out


def test_a_predicted_label_with_a_line_break_breaks_no_row(tmp_path):
    data = TaskData(Task("mine"), {}, ["good\tenough", "no\ngood"])
    examples = [{"text": "w2", "label": 1}, {"text": "w3", "label": 0}]
    write_predictions(tmp_path / "p.tsv", examples, numpy.array([[1.0, 0.0], [0.0, 1.0]]), data)
    rows = [line.split("\t") for line in (tmp_path / "p.tsv").read_text().splitlines()]
    assert rows[0] == ["text", "label", "prediction", "p(good enough)", "p(no good)"]
    assert [row[:3] for row in rows[1:]] == [["w2", "no good", "good enough"], ["w3", "good enough", "no good"]]


def test_a_column_of_labels_is_scored_beside_the_commonest_class(tmp_path, call, runs):
    rows = [(f"w{n} w{n + 1}", LABELS[n % 3].replace("\t", " ")) for n in range(2, 42)]
    path = file_of(tmp_path, "comment_text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    code, told = call("classify", runs["single"], "--file", path, "--label_column", "label")
    assert code == 2 and "label_column: 'may be' in it; the model's classes are no, may be, yes" in told.err
    path = file_of(tmp_path, "comment_text,label\n" + "".join(f"{text},{n % 3}\n" for n, (text, _) in enumerate(rows)))
    code, told = call("classify", runs["single"], "--file", path)
    lines = [line.split("\t") for line in told.out.splitlines()]
    assert code == 0 and lines[0] == ["text", "label", runs["single"]]
    right = sum(label == answer.rsplit(" ", 1)[0] for _, label, answer in lines[1:])
    assert f"{runs['single']}: accuracy {right / 40:.4f}, macro F1" in told.err and "on 40 labelled texts" in told.err
    assert "always 'no', commonest there: accuracy 0.3500" in told.err and "precision" in told.err


def test_several_runs_are_shown_by_who_is_wrong(tmp_path, call, runs):
    path = file_of(tmp_path, "comment_text,label\n" + "".join(f"w{n} w{n + 1},{n % 3}\n" for n in range(2, 42)))
    code, told = call("classify", runs["single"], "--file", path, "--compare", runs["other"])
    first, second = told.out.strip().split("\n\n")
    assert code == 0 and first.startswith("Right in one, wrong in another: ") and second.startswith("Wrong in all: ")
    for part, count in ((first, 1), (second, 0)):
        rows = [line.split("\t") for line in part.splitlines()[2:]]
        assert len(rows) == int(part.split(": ")[1].split()[0]) > 0
        assert all(sum(answer.startswith(row[1]) for answer in row[2:4]) == count for row in rows)
    assert told.err.count("labelled texts") == 2 and "agree on" in told.err
    plain = file_of(tmp_path, "comment_text\nw2 w3\nw4 w5\n")
    code, told = call("classify", runs["single"], "--file", plain, "--compare", runs["other"])
    assert len(told.out.splitlines()) == 3 and "labelled" not in told.err


def test_a_saved_model_is_scored_and_its_answers_are_kept(tmp_path, call, runs):
    labels = ["no", "may\tbe", "yes"]
    path = file_of(tmp_path, "comment_text,label\n" + "".join(f"w{n} w{n + 1},{n % 3}\n" for n in range(2, 42)))
    folder = tmp_path / "kept"
    code, told = call("classify", runs["single"], "--evaluate", path, "--output_dir", folder)
    assert code == 0 and told.out.splitlines()[-1] == str(folder)
    results, answers = RunResults.read(folder), read_predictions(folder)["test"]
    assert answers.labels == [labels[n % 3] for n in range(2, 42)]
    right = sum(a == b for a, b in zip(answers.labels, answers.predictions, strict=True)) / 40
    assert results.metrics["test"]["accuracy"] == right and f"accuracy {right:.4f}, macro F1" in told.out
    rows = [line.split("\t") for line in (folder / "predictions.tsv").read_text().splitlines()]
    assert rows[0] == ["text", "label", "prediction", "p(no)", "p(may be)", "p(yes)"] and len(rows) == 41
    # The same answers as without keeping them; and the folder may be written again.
    code, plain = call("classify", runs["single"], "--file", path)
    given = [line.split("\t")[2].rsplit(" ", 1)[0] for line in plain.out.splitlines()[1:]]
    assert given == [answer.replace("\t", " ") for answer in answers.predictions]
    assert call("classify", runs["single"], "--evaluate", path, "--output_dir", folder)[0] == 0


def test_what_cannot_be_scored_is_one_line(tmp_path, call, runs):
    path = file_of(tmp_path, "comment_text\nw2 w3\nw4 w5\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    for options, says in (
        ((path,), "no column looks like the labels"),
        (("imdp",), "no file and no task 'imdp'; did you mean 'imdb'?"),
        ((path, "--output_dir", tmp_path / "mine"), "not an evaluation's folder"),
        ((path, "--compare", runs["other"]), "--evaluate takes one model"),
        (("verbal_arithmetic",), "none of"),
    ):
        code, told = call("classify", runs["single"], "--evaluate", *options)
        assert code == 2 and says in told.err and told.err.count("\n") == 1, told.err
    code, told = call("classify", runs["single"], "w2", "--output_dir", tmp_path / "new")
    assert code == 2 and "--output_dir is of --evaluate" in told.err


def test_a_folder_of_runs_names_one_of_them(call, runs):
    folder = Path(runs["single"]).parent
    for script in ("classify", "translate"):
        code, told = call(script, folder, "w2")
        assert code == 2 and f"{folder}: a folder of runs, not one of them: name {folder}/" in told.err


def test_a_translator_is_not_made_of_a_classifier(call, runs):
    code, told = call("translate", runs["single"], "word")
    assert code == 2 and "a classifier, not a translator; scripts/classify.py uses it" in told.err
