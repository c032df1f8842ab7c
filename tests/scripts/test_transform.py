"""The command that changes the texts of a table: the same table comes out, whatever the number of processes."""

import json

import pytest

from workbench.data.tables import read_table
from workbench.robustness import apply
from workbench.robustness.transform import changes_from_json, undo_changes

SENTENCES = (
    "The actors of picture number {} were wonderful. This story had never become boring. We laughed and cheered."
)
REVIEWS = [SENTENCES.format(place) for place in range(60)]
ROWS = [{"id": place, "text": text, "label": place % 2 == 0} for place, text in enumerate(REVIEWS)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def reviews(tmp_path):
    path = tmp_path / "reviews.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_the_same_table_with_its_text_changed_and_the_record_beside_it(call, reviews, tmp_path, suffix):
    output = tmp_path / f"shifted{suffix}"
    code, shown = call("transform", reviews, "--transforms", "typos", "names", "--strength", 1, "--output_file", output)
    assert code == 0 and shown.out.splitlines()[-1] == f"The table is in {output}"
    assert "text: 60 of 60 texts changed" in shown.err
    table = read_table(output)
    assert table.header == ["id", "text", "label", "changes"]
    assert [str(cell) for cell in table.column("label")] == [str(row["label"]) for row in ROWS]
    for text, record, original in zip(table.column("text"), table.column("changes"), REVIEWS, strict=True):
        assert text != original and undo_changes(text, changes_from_json(record)) == original


def test_any_number_of_processes_and_any_order_give_the_same(monkeypatch, call, reviews, tmp_path):
    monkeypatch.setattr(apply, "TEXTS_AT_ONCE", 7)
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(json.dumps(row) + "\n" for row in reversed(ROWS)))
    made = {}
    for name, file, count in (("one", reviews, 1), ("four", reviews, 4), ("turned", turned, 2)):
        output = tmp_path / f"{name}-shifted.jsonl"
        options = ("--transforms", "typos", "names", "--num_proc", count, "--output_file", output)
        code, shown = call("transform", file, *options)
        assert code == 0, shown.err
        made[name] = output.read_text().splitlines()
    assert made["one"] == made["four"] == made["turned"][::-1]


def test_what_was_made_once_is_read_from_the_cache_the_next_time(monkeypatch):
    from workbench.robustness.catalogue import make_transforms

    first = apply.transform_texts(REVIEWS, make_transforms(["typos"]))
    monkeypatch.setattr(apply._Batch, "__call__", lambda *_: pytest.fail("transformed again"))
    assert apply.transform_texts(REVIEWS, make_transforms(["typos"])) == first
    with pytest.raises(pytest.fail.Exception):
        apply.transform_texts(REVIEWS, make_transforms(["typos"], seed=1))


def test_both_texts_of_a_pair_are_changed(call, tmp_path):
    pairs = tmp_path / "pairs.tsv"
    row = "It always rained where children played\tNobody stayed entirely without umbrellas or parents\tyes\n"
    pairs.write_text("premise\thypothesis\tlabel\n" + row * 9)
    output = tmp_path / "shifted.tsv"
    assert call("transform", pairs, "--transforms", "typos", "--strength", "1", "--output_file", output)[0] == 0
    table = read_table(output)
    assert table.header == ["premise", "hypothesis", "label", "changes", "changes_pair"]
    for name, record in (("premise", "changes"), ("hypothesis", "changes_pair")):
        changes = changes_from_json(table.column(record)[0])
        assert changes and undo_changes(table.column(name)[0], changes) == read_table(pairs).column(name)[0]


def test_a_shifted_table_can_be_shifted_again_and_trained_on(call, reviews, tmp_path):
    from support.task_files import load

    once, twice = tmp_path / "once.csv", tmp_path / "twice.csv"
    assert call("transform", reviews, "--transforms", "typos", "--output_file", once)[0] == 0
    assert call("transform", once, "--transforms", "fillers", "--output_file", twice)[0] == 0
    assert read_table(twice).header == ["id", "text", "label", "changes", "changes_2"]
    assert load(train_file=twice).task.text_column == "text"


def test_the_record_is_taken_for_neither_text_nor_label(call, tmp_path):
    from support.task_files import load

    plain, shifted = tmp_path / "plain.csv", tmp_path / "shifted.csv"
    plain.write_text("said,verdict\n" + "".join(f'"{row["text"]}",{"yn"[row["label"]]}\n' for row in ROWS))
    assert call("transform", plain, "--transforms", "typos", "--text_column", "said", "--output_file", shifted)[0] == 0
    task = load(train_file=shifted).task
    assert (task.text_column, task.label_column) == ("said", "verdict")


def test_pairs_before_and_after_are_printed_with_their_marks(call, reviews):
    code, shown = call("transform", reviews, "--transforms", "typos", "--strength", 1, "--debug_transformation", 2)
    blocks = shown.out.strip().split("\n\n")
    assert code == 0 and len(blocks) == 2
    place, before, after = blocks[0].splitlines()
    assert place == f"{reviews}, line 1" and "«" in before and "«" in after
    assert before.removeprefix("before: ").replace("«", "").replace("»", "") == REVIEWS[0]


def test_too_much_change_is_refused_and_counted(call, reviews, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("def garble(text, random, strength): return text[::-1] if '7' in text else text + '!'\n")
    output = tmp_path / "shifted.jsonl"
    code, shown = call("transform", reviews, "--transform_file", f"{mine}:garble", "--output_file", output)
    assert code == 0
    count = sum("7" in text for text in REVIEWS)
    assert f"{count} refused, left as they were" in shown.err
    texts = read_table(output).column("text")
    assert texts == [text if "7" in text else f"{text}!" for text in REVIEWS]


def test_every_transform_is_listed_with_its_reason(call):
    from workbench.robustness.catalogue import TRANSFORMS

    code, shown = call("transform", "--list")
    assert code == 0
    for name, kind in TRANSFORMS.items():
        assert f"\n{name}" in f"\n{shown.out}" and kind.rationale in shown.out and kind.citation in shown.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "no transform is named"),
        (("--transforms", "typos"), "give --output_file"),
        (("--transforms", "typos", "--output_file", "x.doc"), "what kind of table"),
        (("--transforms", "typos", "--output_file", "nowhere/x.csv"), "there is no folder nowhere"),
        (("--transforms", "tipos", "--debug_transformation", "1"), "did you mean 'typos'"),
        (("--transforms", "typos", "--strength", "7", "--debug_transformation", "1"), "strength: 7"),
        (("--transforms", "typos", "--num_proc", "0", "--debug_transformation", "1"), "num_proc: 0"),
        (("--transforms", "typos", "--text_column", "txt", "--debug_transformation", "1"), "no column 'txt'"),
        (("--transform_file", "mine.py:shout", "--debug_transformation", "1"), "mine.py: no such file"),
        (
            ("--transforms", "typos", "--encoder", "./nothing", "--debug_transformation", "1"),
            "./nothing: no such folder",
        ),
    ],
)
def test_mistakes_are_one_line(call, reviews, options, told):
    code, shown = call("transform", reviews, *options)
    assert code == 2 and told in shown.err.splitlines()[-1]


def test_a_file_that_is_there_is_not_written_over(call, reviews, tmp_path):
    output = tmp_path / "shifted.csv"
    output.write_text("mine")
    code, shown = call("transform", reviews, "--transforms", "typos", "--output_file", output)
    assert code == 2 and "--overwrite_output_file" in shown.err and output.read_text() == "mine"


def test_a_function_that_fails_in_a_process_is_one_line(run_script, refused, reviews, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("def shout(text, random, strength): return text.upper().no_such_thing\n")
    file = tmp_path / "many.jsonl"
    file.write_text(reviews.read_text() * 10)
    options = ("--transform_file", f"{mine}:shout", "--text_column", "text", "--num_proc", 2)
    line = refused(run_script("transform", file, *options, "--output_file", tmp_path / "x.csv"))
    assert "AttributeError" in line and "The actors" in line
