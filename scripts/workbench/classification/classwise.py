"""Scores that a mean hides: those of each class, and those of a classifier that always gives the commonest one."""

from collections import Counter

from workbench.runs.metrics import label_scores, metric_name

# Classes that a console has room for.
MOST_ROWS = 30
LONGEST_NAME = 30


def majority_class(labels: list) -> object:
    """The commonest label; of several, the least."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def majority_scores(common, labels: list, metrics: tuple[str, ...]) -> dict[str, float]:
    """The scores on these labels of answering `common` to everything."""
    return label_scores(metrics, [common] * len(labels), labels)


def describe_scores(scores: dict[str, float]) -> str:
    """`accuracy 0.7562, macro F1 0.2871`."""
    return ", ".join(f"{metric_name(name)} {value:.4f}" for name, value in scores.items())


def class_table(answers: list[int], labels: list[int], names: list[str]) -> str:
    """Precision, recall and F1 of each class, and how many examples have it (support); a line for each.

    Args:
        answers, labels: class ids, of the same examples in the same order.
    """
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(labels, answers, labels=range(len(names)), zero_division=0)
    shown = [_shortened(name) for name in names]
    width = max(map(len, ["class", *shown]))
    lines = [f"  {'class':{width}}  precision  recall      F1  support"]
    for name, precision, recall, f1, support in list(zip(shown, *columns, strict=True))[:MOST_ROWS]:
        lines.append(f"  {name:{width}}  {precision:9.4f}  {recall:6.4f}  {f1:6.4f}  {support:7,}")
    if len(names) > MOST_ROWS:
        lines.append(f"  … and {len(names) - MOST_ROWS:,} more classes")
    return "\n".join(lines)


def _shortened(name: str) -> str:
    name = " ".join(name.split())
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
