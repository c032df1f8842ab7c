"""Right answers beside new texts: read as the model's classes, and held against its answers."""

import pytest

from workbench.classification.labelled_texts import describe_answers, match_labels, sort_by_rightness
from workbench.classification.predict import Answer
from workbench.errors import UserError

NAMES = ["no", "yes"]


def test_labels_are_the_models_classes_by_name_or_number():
    assert match_labels(["yes", " no ", None, ""], NAMES, False) == ["yes", "no", None, None]
    assert match_labels([1, "0", 1.0], NAMES, False) == ["yes", "no", "yes"]
    assert match_labels(["2", "1"], ["1", "2"], False) == ["2", "1"]
    assert match_labels(["2.5", 1, None], [], False) == [2.5, 1.0, None]


def test_a_column_of_other_things_is_no_labels_unless_it_was_asked_for():
    assert match_labels(["yes", "perhaps"], NAMES, False) is None
    assert match_labels([None, ""], NAMES, False) is None
    with pytest.raises(UserError, match="label_column: 'perhaps' in it; the model's classes are no, yes"):
        match_labels(["yes", "perhaps"], NAMES, True)


def answers(*labels: str) -> list[Answer]:
    return [Answer(label, dict.fromkeys(NAMES, 0.5)) for label in labels]


def test_runs_are_scored_beside_the_commonest_class_and_their_mistakes_sorted():
    labels = ["yes", "yes", "no", None]
    first, second = answers("yes", "no", "yes", "no"), answers("no", "no", "no", "no")
    told = describe_answers(first, labels, NAMES, False)
    assert told.startswith("accuracy 0.3333, macro F1 0.2500 on 3 labelled texts\n  always 'yes', commonest there: ")
    assert "accuracy 0.6667" in told
    assert sort_by_rightness([first, second], labels) == ([0, 2], [1])
    numbers = [Answer(f"{number}", {}) for number in (1.0, 2.0, 3.0)]
    assert describe_answers(numbers, [2.0, 4.0, 6.0], [], True).startswith("Pearson correlation 1.0000, Spearman")
