"""What every transform promises for any text: no crash, a record that undoes it, and one result for one seed."""

import json
import os
import pickle
import re
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.wordnet import with_wordnet

from workbench.errors import UserError
from workbench.robustness.catalogue import TRANSFORMS, make_transforms
from workbench.robustness.spelling import usual_words
from workbench.robustness.transform import (
    apply_changes,
    changes_from_json,
    changes_to_json,
    difference,
    marked,
    undo_changes,
)

MODEL_FREE = [name for name in TRANSFORMS if "=" not in name and name not in ("masked_lm", "back_translation")]
NAMES = [pytest.param(name, marks=with_wordnet) if name == "synonyms" else name for name in MODEL_FREE]
REVIEW = (
    "I did not like this color movie, and it is not good.<br /><br />The actors are fine. Brad Pitt was born in 1963; "
    'I give it 8/10! "A great story," said Dr. Smith. They rarely watch films, don\'t you think? We realised that the '
    "theatre was closed, but the big picture pleased me: see http://a.example/rn or write to me@x.example."
)
HARD = (
    "",
    " ",
    "\n\t \r\n",
    "12345 67,8 !?",
    "\U0001f437\U0001f437 \u2764\ufe0f great \U0001f468\u200d\U0001f469\u200d\U0001f467 film!",
    "هذا فيلم رائع. לא אהבתי את הסרט!",
    "<p>It is <b>not good</b>.</p> <a href='x.html'>the end</a> &amp; more",
    "ß ŉ ǰ İstanbul ﬁlm Ǆ straße don’t",
    "\ud800 lone \udfff halves",
    "a" * 300,
)
ANY_TEXT = st.text(st.characters()) | st.lists(st.sampled_from(REVIEW.split() + list(HARD))).map(" ".join)
SPACES = re.compile(r"\S+")
ANY_STRENGTH = st.floats(0, 1)


def hard_examples(test):
    for text in (*HARD, REVIEW):
        test = example(text=text, strength=1.0, seed=0)(test)
    return settings(max_examples=60, deadline=None, derandomize=True)(test)


@pytest.mark.parametrize("name", NAMES)
@hard_examples
@given(text=ANY_TEXT, strength=ANY_STRENGTH, seed=st.integers())
def test_the_record_makes_the_change_and_undoes_it(name, text, strength, seed):
    transform = make_transforms([name], strength, seed)
    result = transform.transform(text)
    assert apply_changes(text, result.changes) == result.text
    assert undo_changes(result.text, result.changes) == text
    assert all(change.before != change.after and change.transform == name for change in result.changes)
    assert make_transforms([name], strength, seed).transform(text) == result
    if transform.keeps_words:
        assert SPACES.sub("x", result.text) == SPACES.sub("x", text)


@pytest.mark.parametrize("name", NAMES)
@given(text=ANY_TEXT)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_strength_zero_changes_nothing(name, text):
    assert make_transforms([name], 0.0).transform(text) == (text, ())


@pytest.mark.parametrize("name", NAMES)
def test_each_changes_a_review(name):
    """At full strength, and the more of it the stronger it is."""
    made = [[make_transforms([name], strength, seed).transform(REVIEW) for seed in range(20)] for strength in (0.3, 1)]
    weak, strong = (sum(len(result.changes) for result in results) for results in made)
    assert 0 < weak < strong


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_makes_other_changes(name):
    text = f"{REVIEW} " * 9
    results = {make_transforms([name], 0.5, seed).transform(text).text for seed in range(5)}
    assert len(results) == 5


@pytest.mark.parametrize("name", NAMES)
def test_a_million_characters_and_none_of_use(name):
    transform = make_transforms([name], 1.0)
    for text in ("x" * 1_000_000, ". " * 50_000, "<" * 1_000_000, "a.b@" * 50_000, f"{REVIEW} " * 400):
        result = transform.transform(text)
        assert undo_changes(result.text, result.changes) == text


@hard_examples
@given(text=ANY_TEXT, strength=ANY_STRENGTH, seed=st.integers())
def test_several_in_a_row_are_undone_from_the_last_to_the_first(text, strength, seed):
    names = [name for name in MODEL_FREE if name != "synonyms"]
    result = make_transforms(names, strength, seed).transform(text)
    assert apply_changes(text, result.changes) == result.text
    assert undo_changes(result.text, result.changes) == text
    assert [change.step for change in result.changes] == sorted(change.step for change in result.changes)


def test_a_text_becomes_the_same_in_any_process_and_beside_any_other_text():
    """Whatever Python's hash seed is, and whichever text came before."""
    transform = make_transforms(["typos", "names", "fillers"])
    expected = transform.transform(REVIEW).text
    transform.transform("another text")
    assert transform.transform(REVIEW).text == expected
    program = (
        "import sys; from workbench.robustness.catalogue import make_transforms; "
        "print(make_transforms(['typos', 'names', 'fillers']).transform(sys.argv[1]).text, end='')"
    )
    for hash_seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", program, REVIEW]
        assert subprocess.run(command, capture_output=True, text=True, env=environment).stdout == expected


def test_a_slip_never_makes_another_usual_word_nor_touches_the_ends():
    words = "good takes where times stolid great story there".split() * 40
    for before, after in zip(
        words, make_transforms(["typos"], 1.0).transform(" ".join(words)).text.split(), strict=True
    ):
        assert after == before or after not in usual_words()
        assert (before[0], before[-1]) == (after[0], after[-1]) and abs(len(before) - len(after)) <= 1


def test_the_record_survives_json():
    changes = make_transforms(["typos", "fillers"], 1.0).transform(REVIEW).changes
    assert changes_from_json(changes_to_json(changes)) == changes
    assert set(json.loads(changes_to_json(changes))[0]) == {"start", "end", "before", "after", "transform", "step"}


def test_changes_of_another_text_are_refused():
    changes = make_transforms(["typos"], 1.0).transform(REVIEW).changes
    with pytest.raises(ValueError, match="no '"):
        apply_changes(REVIEW[1:], changes)


@given(before=ANY_TEXT, after=ANY_TEXT)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_difference_makes_one_text_of_the_other(before, after):
    text = before
    for start, end, put in reversed(difference(before, after)):
        text = text[:start] + put + text[end:]
    assert text == after


def test_long_texts_are_compared_as_one_piece():
    before = "a b " * 20_000
    assert difference(before, before.replace("b a", "b c a", 1)) == [(4, 4, "c ")]


def test_marks_stand_around_what_differs():
    assert marked("the movie was good", "the film was good") == ("the «movie» was good", "the «film» was good")


def test_a_function_of_the_users_own(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        "def shout(text, random, strength):\n"
        "    return ' '.join(w.upper() if random.random() < strength else w for w in text.split(' '))\n"
    )
    transform = make_transforms(["typos"], 0.6, 3, f"{mine}:shout")
    result = transform.transform(REVIEW)
    assert {change.transform for change in result.changes} == {"typos", "shout"}
    assert undo_changes(result.text, result.changes) == REVIEW
    assert pickle.loads(pickle.dumps(transform)).transform(REVIEW) == result


@pytest.mark.parametrize(
    ("content", "place", "told"),
    [
        ("def shout(text, random, strength): return 3", "mine.py:shout", "returned int"),
        ("def shout(text, random, strength): return text[1_000_000]", "mine.py:shout", "IndexError"),
        ("def shout(text, random, strength): return text", "mine.py:shuot", "did you mean 'shout'"),
        ("def shout(", "mine.py:shout", "cannot run this file"),
        ("", "mine.py", "mine.py:shout"),
        ("", "yours.py:shout", "no such file"),
    ],
)
def test_a_function_that_does_not_work_is_one_line(tmp_path, content, place, told):
    (tmp_path / "mine.py").write_text(content)
    with pytest.raises(UserError, match=told):
        make_transforms([], 0.5, 0, str(tmp_path / place)).transform("a text")


def test_names_are_found_and_refused():
    assert make_transforms(["typo,fillers"]).name == "typos+fillers"
    with pytest.raises(UserError, match="did you mean 'typos'"):
        make_transforms(["tipos"])
    with pytest.raises(UserError, match="no transform is named"):
        make_transforms([])
    with pytest.raises(UserError, match="strength is 2"):
        make_transforms(["typos"], 2)
    with pytest.raises(UserError, match="needs a model: masked_lm="):
        make_transforms(["masked_lm"])
    with pytest.raises(UserError, match="two models, there and back"):
        make_transforms(["back_translation=a/b"])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_each_says_why_it_leaves_the_label_and_where_it_comes_from(name):
    kind = TRANSFORMS[name]
    assert kind.name == name and len(kind.rationale) > 20 and any(map(str.isdigit, kind.citation))
