"""Word pairs: the rule, the splits, and every way a user's file can be."""

import hashlib
import json

import pytest
from datasets import Dataset, load_from_disk

from custom_models import build_tokenizer
from workbench.data.pairs import PairFile, describe_unseen, load_pairs
from workbench.data.pig_latin import pig_latin_pairs, to_pig_latin
from workbench.data.words import english_words
from workbench.errors import UserError


@pytest.mark.parametrize(
    ("english", "pig_latin"),
    [
        ("team", "eamtay"),
        ("shopping", "oppingshay"),
        ("street", "eetstray"),
        ("quick", "ickquay"),
        ("square", "aresquay"),
        ("impress", "impressway"),
        ("my", "ymay"),
        ("yes", "esyay"),
        ("rhythm", "ythmrhay"),
        ("hmm", "hmmay"),
        ("queue", "euequay"),
        ("a", "away"),
        ("well-known", "ellway-ownknay"),
        ("up-to-date", "upway-otay-ateday"),
    ],
)
def test_the_rule(english, pig_latin):
    assert to_pig_latin(english) == pig_latin


@pytest.fixture(scope="module")
def generated():
    return {size: pig_latin_pairs(size) for size in ("large", "small")}


def test_generated_splits_share_no_word_and_small_tests_stay_out_of_large_training(generated):
    for size, count in (("large", 22_402), ("small", 3_198)):
        words = {name: set(split["english"]) for name, split in generated[size].items()}
        assert sum(len(split) for split in generated[size].values()) == count
        assert len(set.union(*words.values())) == count
        assert len(words["test"]) == pytest.approx(count / 10, abs=2)
    assert not set(generated["small"]["test"]["english"]) & set(generated["large"]["train"]["english"])


def test_generated_words_are_lower_case_words_most_frequent_first(generated):
    words = {word for split in generated["large"].values() for word in split["english"]}
    assert set("".join(words)) == set("abcdefghijklmnopqrstuvwxyz-")
    assert {"the", "i", "a", "people"} <= {word for split in generated["small"].values() for word in split["english"]}
    assert not words & {"s", "http", "fbi", "iii", "dont", "www", "shit", "und", "nasa", "aaa"}
    assert all(not word.startswith("-") and not word.endswith("-") and "--" not in word for word in words)


def test_generated_pairs_depend_on_the_seed_and_are_saved_as_a_dataset_dict(generated, tmp_path):
    assert pig_latin_pairs("small", seed=1)["test"]["english"] != generated["small"]["test"]["english"]
    generated["small"].save_to_disk(tmp_path / "pairs")
    loaded = load_from_disk(tmp_path / "pairs")
    assert loaded["train"].column_names == ["english", "pig_latin"]
    assert loaded["train"][:5] == generated["small"]["train"][:5]


@pytest.mark.parametrize(("count", "digest"), [(22_402, "02254d6a5c85aef5"), (3_198, "af22d2db9885ffae")])
def test_the_generated_words_are_always_the_same(count, digest):
    """Or the scores of the published translators would be of other words."""
    assert hashlib.sha256("\n".join(english_words(count)).encode()).hexdigest().startswith(digest)


def write(tmp_path, name: str, content: str | bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pairs.tsv", "stress\tessstray\nnaïve\taïvenay\n"),
        ("pairs.tsv", "source\ttarget\nstress\tessstray\nnaïve\taïvenay\n"),
        ("pairs.csv", 'word,translation\n"stress",essstray\nnaïve,aïvenay\n'),
        ("pairs.txt", "stress essstray\nnaïve aïvenay\n"),
        ("pairs.txt", "\ufeffstress essstray\r\n\r\nnaïve aïvenay"),
        ("pairs.jsonl", '{"a": "stress", "b": "essstray"}\n{"a": "nai\\u0308ve", "b": "ai\\u0308venay"}\n'),
    ],
)
def test_any_usual_file_of_pairs_is_read_and_nfc_normalised(tmp_path, name, content):
    assert PairFile(write(tmp_path, name, content)).read() == [("stress", "essstray"), ("naïve", "aïvenay")]


def test_columns_are_chosen_by_name_or_number(tmp_path):
    inflection = write(tmp_path, "german.tsv", "Haus\tHäuser\tN;PL\nMaus\tMäuse\tN;PL\n")
    assert PairFile(inflection, "1", "2").read()[0] == ("Haus", "Häuser")
    named = write(tmp_path, "named.csv", "form,features,lemma\nHäuser,PL,Haus\n")
    assert PairFile(named, "lemma", "form").read() == [("Haus", "Häuser")]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.tsv", None, "no such file"),
        ("empty.tsv", "", "an empty file"),
        ("header.tsv", "source\ttarget\n", "a header (source, target), but no rows"),
        ("one.tsv", "stress\nteam\n", "line 1: 1 column(s)"),
        ("three.tsv", "a\tb\tc\n", "name two with --source_column and --target_column"),
        ("latin1.tsv", "team\teamtay\nfa\xe7ade\tacadefay\n".encode("latin-1"), "line 2: not UTF-8"),
        ("nul.tsv", b"team\teamtay\nno\0\totnay\n", "line 2: a NUL byte"),
        ("long.tsv", "team\teamtay\n" + "x" * 10_000 + "\ty\n", "line 2: 10,000 characters"),
        ("gap.tsv", "team\teamtay\nstreet\t\n", "line 2: an empty cell"),
        ("short.tsv", "team\teamtay\nstreet\n", "line 2: 1 cell(s), the first line has 2"),
        ("stray.csv", 'team,eamtay\n"up,upway\nstreet",eetstray\n', "line 2: a tab or line break inside a word"),
        ("open.csv", 'team,eamtay\n"up,upway\nstreet,eetstray\n', "line 2: a quoted cell that does not end"),
        ("huge.csv", "team,eamtay\nup," + "x" * 140_000 + "\n", "line 2: 140,000 characters"),
        ("tab.jsonl", '{"a": "x", "b": "y"}\n{"a": "x\\ty", "b": "z"}\n', "line 2: a tab or line break inside a word"),
        ("broken.jsonl", '{"a": "x", "b": "y"}\n{"a":\n', "line 2: not a JSON object"),
        ("number.jsonl", '{"a": "x", "b": 3}\n', "line 1: an empty cell"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_line(tmp_path, name, content, says):
    path = str(tmp_path / name) if content is None else write(tmp_path, name, content)
    with pytest.raises(UserError) as refusal:
        PairFile(path).read()
    assert says in str(refusal.value) and name in str(refusal.value)


def test_pairs_come_from_parquet_too(tmp_path):
    path = tmp_path / "pairs.parquet"
    Dataset.from_dict({"n": [1, 2], "form": ["Häuser", "Ma\u0308use"], "lemma": ["Haus", "Maus"]}).to_parquet(path)
    assert PairFile(str(path), "lemma", "form").read() == [("Haus", "Häuser"), ("Maus", "Mäuse")]
    with pytest.raises(UserError, match="pairs.parquet, row 1: an empty cell; both columns need text"):
        PairFile(str(path), "lemma", "n").read()


def test_a_stray_quotation_mark_in_a_tsv_swallows_no_pair(tmp_path):
    path = write(tmp_path, "xsampa.tsv", 'water\t"wOt@\nabout\t@"baUt\nup\t"Vp"\n')
    assert PairFile(path).read() == [("water", '"wOt@'), ("about", '@"baUt'), ("up", '"Vp"')]


@pytest.mark.parametrize("columns", [("form", "form"), ("form", None), ("2", "2")])
def test_source_and_target_are_two_columns(tmp_path, columns):
    path = write(tmp_path, "named.csv", "form,lemma\nHäuser,Haus\n")
    with pytest.raises(UserError, match="give two different columns"):
        PairFile(path, *columns).read()


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    path = write(tmp_path, "named.csv", "form,lemma\nHäuser,Haus\n")
    with pytest.raises(UserError, match="no column 'lema'; there are form, lemma"):
        PairFile(path, "lema", "form").read()


def test_repeated_words_keep_their_first_translation_and_are_counted(tmp_path, capsys):
    path = write(tmp_path, "pairs.tsv", "team\teamtay\nteam\tother\nteam\teamtay\nstreet\teetstray\n")
    assert PairFile(path).read() == [("team", "eamtay"), ("street", "eetstray")]
    assert "2 repeated word(s) left out, 1 of them with another translation" in capsys.readouterr().out


def test_too_few_pairs_to_split_say_what_to_do(tmp_path):
    with pytest.raises(UserError, match="1 pair.s.; at least 10 are needed to hold out validation and test"):
        load_pairs(PairFile(write(tmp_path, "one.tsv", "team\teamtay\n")), None, None, seed=0)


def test_words_of_a_given_test_file_leave_the_training_pairs(tmp_path, capsys):
    train = write(tmp_path, "train.tsv", "".join(f"w{n}\tx{n}\n" for n in range(30)))
    test = write(tmp_path, "test.tsv", "w1\tx1\nw2\tx2\nnew\ty\n")
    splits = load_pairs(PairFile(train), None, PairFile(test), seed=0)
    held = set(splits["test"]["source"])
    assert held == {"w1", "w2", "new"}
    assert not held & (set(splits["train"]["source"]) | set(splits["validation"]["source"]))
    assert len(splits["train"]) + len(splits["validation"]) == 28
    assert "2 word(s) of the held-out files left out of training" in capsys.readouterr().out


def test_unseen_characters_are_reported_once_with_a_count(tmp_path):
    train = write(tmp_path, "train.tsv", "".join(f"a{'b' * n}\tc\n" for n in range(30)))
    test = write(tmp_path, "test.tsv", "aβ\tcγ\nβa\tc\n")
    splits = load_pairs(PairFile(train), None, PairFile(test), seed=0)
    tokenizer = build_tokenizer(text for name in ("source", "target") for text in splits["train"][name])
    assert describe_unseen(tokenizer, splits) == (
        "3 held-out character(s) were never seen in training and become <unk>: β γ"
    )
    assert json.dumps(tokenizer("aβ")["input_ids"]) == json.dumps([5, tokenizer.unk_token_id, tokenizer.eos_token_id])
