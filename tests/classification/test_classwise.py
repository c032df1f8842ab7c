"""Scores class by class, and those of the commonest class."""

from workbench.classification.classwise import class_table, describe_scores, majority_class, majority_scores


def test_always_the_commonest_class_scores_its_share():
    labels = [2, 2, 2, 0]
    assert majority_class(labels) == 2 and majority_class([1, 0]) == 0
    scores = majority_scores(2, labels, ("accuracy", "macro_f1"))
    assert describe_scores(scores) == "accuracy 0.7500, macro F1 0.4286"


def test_each_class_has_its_precision_recall_f1_and_support():
    lines = class_table([0, 0, 1, 1], [0, 1, 1, 1], ["bad", "good\nenough", "never"]).splitlines()
    assert lines[0].split() == ["class", "precision", "recall", "F1", "support"]
    assert lines[1].split() == ["bad", "0.5000", "1.0000", "0.6667", "1"]
    assert lines[2].split() == ["good", "enough", "1.0000", "0.6667", "0.8000", "3"]
    assert lines[3].split() == ["never", "0.0000", "0.0000", "0.0000", "0"]
    many = class_table([0], [0], [f"class {number}" for number in range(100)]).splitlines()
    assert len(many) == 32 and many[-1] == "  … and 70 more classes"
