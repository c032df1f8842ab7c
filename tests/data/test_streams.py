"""Training splits that stream: the same examples as when they are read whole, and never more of them than asked for."""

from itertools import islice

import datasets
import pandas
import pytest

from workbench.data.arguments import TaskArguments
from workbench.data.streams import load_stream
from workbench.data.tasks import load_task
from workbench.errors import UserError

TRAIN = [(f"text {number}", ("bad", "good")[number % 2]) for number in range(300)]
VALIDATION = [(f"other {number}", ("bad", "good")[number % 2]) for number in range(20)]
WRITERS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "parquet": lambda frame, path: frame.to_parquet(path, index=False),
}


def write(path, rows, header=("text", "label")) -> str:
    WRITERS[path.suffix[1:]](pandas.DataFrame(rows, columns=header), path)
    return str(path)


def stream(tmp_path, rows=TRAIN, suffix="csv", seed=0, **options):
    train = write(tmp_path / f"train.{suffix}", rows)
    validation = write(tmp_path / f"validation.{suffix}", VALIDATION)
    return load_stream(TaskArguments(train_file=train, validation_file=validation, **options), seed)


def texts(rows, count: int | None = None) -> list[tuple]:
    return [(row["text"], row["label"]) for row in islice(rows, count)]


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_stream_has_the_examples_of_the_whole_split(tmp_path, suffix):
    data = stream(tmp_path, suffix=suffix)
    test = write(tmp_path / f"test.{suffix}", VALIDATION[:4] + [("last", "good")])
    whole = load_task(
        TaskArguments(
            train_file=str(tmp_path / f"train.{suffix}"),
            validation_file=str(tmp_path / f"validation.{suffix}"),
            test_file=test,
        )
    )
    assert sorted(texts(data.splits["train"], len(TRAIN))) == sorted(texts(whole.splits["train"]))
    assert data.splits["train"].column_names == whole.splits["train"].column_names
    assert data.label_names == whole.label_names == ["bad", "good"]
    assert data.streams and not whole.streams and len(data.splits["validation"]) == len(VALIDATION)


def test_each_pass_and_each_seed_has_an_order_of_its_own(tmp_path):
    train, count = stream(tmp_path).splits["train"], len(TRAIN)
    given = texts(train, 2 * count)
    first, second = given[:count], given[count:]
    assert sorted(first) == sorted(second) and first != second and first != sorted(first)
    assert texts(train, count) == first != texts(stream(tmp_path, seed=1).splits["train"], count)


def test_rows_that_are_no_examples_and_texts_that_are_held_out_are_passed_over(tmp_path):
    rows = [*TRAIN, ("", "good"), ("no label", ""), ("OTHER  3", "good")]
    given = texts(stream(tmp_path, rows).splits["train"], 2 * len(TRAIN))
    assert sorted(given) == sorted(2 * texts(stream(tmp_path).splits["train"], len(TRAIN)))


def test_class_numbers_are_read_by_their_names(tmp_path):
    named = datasets.Dataset.from_dict({"text": [row[0] for row in TRAIN], "label": [n % 2 for n in range(len(TRAIN))]})
    named.cast_column("label", datasets.ClassLabel(names=["good", "bad"])).to_parquet(tmp_path / "named.parquet")
    options = {"train_file": str(tmp_path / "named.parquet")}
    options["validation_file"] = write(tmp_path / "validation.csv", VALIDATION)
    data = load_stream(TaskArguments(**options), 0)
    assert data.label_names == ["good", "bad"]
    assert dict(texts(data.splits["train"], 300))["text 1"] == 1


def test_numbers_stay_numbers(tmp_path):
    rows = [(f"text {number}", f"{number / 7:.4f}") for number in range(60)]
    options = {"train_file": write(tmp_path / "t.csv", rows), "validation_file": write(tmp_path / "v.csv", rows[:30])}
    data = load_stream(TaskArguments(**options), 0)
    assert data.task.is_regression and dict(texts(data.splits["train"], 300))["text 35"] == 5.0


def test_nothing_is_read_before_it_is_needed(tmp_path):
    (tmp_path / "train.jsonl").write_text("")
    long = "a long text " * 25  # more rows than are shuffled, and more bytes than are read at once
    data = stream(tmp_path, [(f"{long}{number}", label) for number, (_, label) in enumerate(TRAIN * 140)], "jsonl")
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write("{broken\n")
    rows = iter(data.splits["train"])
    assert next(rows)["text"].startswith("a long ")
    with pytest.raises(UserError, match=r"train\.jsonl: cannot be read"):
        list(rows)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1: the first line must name the columns"),
        ("text,text\na,good\n", "line 1: the first line must name the columns, each once"),
        ("text,label\n", "no rows"),
        ("text,label\nfine,awful\n", "row 1: the label 'awful' is not in the validation split"),
        ("text,label\na,good\nb,good,c,d\n", "cannot be read"),
        ("text,label\n,good\n", "no row to train on"),
        (b"text,label\n\xff,good\n", "cannot be"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, content, said):
    path = tmp_path / "mine.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    options = {"train_file": str(path), "validation_file": write(tmp_path / "validation.csv", VALIDATION)}
    with pytest.raises(UserError, match=said) as failure:
        list(load_stream(TaskArguments(**options), 0).splits["train"])
    assert "mine.csv" in str(failure.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"train_file": None}, "give --train_file"),
        ({"validation_file": None}, "give --validation_file"),
        ({"max_train_examples": 5}, "max_train_examples: not with streaming"),
        ({"train_file": "nowhere.csv"}, "nowhere.csv: no such file"),
    ],
)
def test_options_that_need_the_whole_split_are_refused(tmp_path, options, said):
    files = {"train_file": write(tmp_path / "t.csv", TRAIN), "validation_file": write(tmp_path / "v.csv", VALIDATION)}
    with pytest.raises(UserError, match=said):
        load_stream(TaskArguments(**{**files, **options}), 0)
