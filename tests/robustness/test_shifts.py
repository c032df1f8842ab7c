"""Test sets beside the original one: the same examples in the same order, balanced, and marked changes."""

from collections import Counter

import pytest

from workbench.errors import UserError
from workbench.robustness.shifts import make_named, marked, original, other_texts, transformed

EXAMPLES = [
    {"text": f"A wonderful review number {place}", "label": ["bad", "good", "mixed"][min(place % 6, 2)]}
    for place in range(120)
]


def test_a_part_of_the_test_split_has_the_classes_in_their_proportions():
    """Also of a file that is sorted by its labels."""
    by_label = sorted(EXAMPLES, key=lambda example: example["label"])
    part = original(by_label, 30)
    assert Counter(example["label"] for example in part.examples) == {"bad": 5, "good": 5, "mixed": 20}
    assert part == original(by_label, 30) and len(original(by_label, 500).examples) == 120


def test_one_class_alone_is_refused():
    with pytest.raises(UserError, match="books: every label is 'bad'"):
        other_texts("books", [{"text": "w2", "label": "bad"}, {"text": "w3", "label": "bad"}])
    with pytest.raises(UserError, match="the test split: every label"):
        original([{"text": "w2", "label": 1.0}] * 3, is_regression=True)


def test_a_shift_keeps_labels_order_and_ids_and_is_the_same_every_time():
    base = original(EXAMPLES)
    shift = transformed(base, "typos+casing", 1.0, 0)
    assert shift.ids == base.ids and [row["label"] for row in shift.examples] == [row["label"] for row in EXAMPLES]
    assert shift.is_paired and shift.touched == 1.0 and shift.digest == transformed(base, "typos+casing", 1.0, 0).digest
    assert len({base.digest, shift.digest, transformed(base, "typos+casing", 1.0, 1).digest}) == 3
    assert transformed(base, "typos", 0.0, 0).touched == 0.0
    pairs = [{"text": "wonderful evening " * 9, "pair": "terrible morning " * 9, "label": label} for label in "ab"]
    (first, _) = transformed(original(pairs), "typos", 1.0, 0).examples
    assert first["text"] != pairs[0]["text"] and first["pair"] != pairs[0]["pair"]


def test_a_users_own_transform_goes_by_its_functions_name(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def shout(text, random, strength):\n    return text.upper()\n")
    shift = transformed(original(EXAMPLES), f"{path}:shout", None, 0)
    assert shift.name == "shout" and shift.examples[0]["text"] == "A WONDERFUL REVIEW NUMBER 0"
    with pytest.raises(UserError, match="one transform of your own"):
        make_named(["a.py:b", "c.py:d"], None, 0)


def test_changes_are_marked_with_what_is_around_them():
    before = "one two three " + "and more " * 40 + "then it ends here"
    after = before.replace("two", "TWO").replace("ends", "stops")
    shown = marked(before, after, around=20)
    assert shown.startswith("one [two→TWO] three") and shown.endswith("then it [ends→stops] here")
    assert "…" in shown and len(shown) < 120
    assert marked("same text", "same text") == "same text" and len(marked("a " * 900, "b " * 900)) == 601
