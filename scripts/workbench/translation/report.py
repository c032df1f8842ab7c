"""The report of a translator's run."""

import shlex
from pathlib import Path

from .text import shortened


def describe_pairs(arguments, columns: list[str]) -> dict:
    """The data of a translator's run: its name (never a path), its Hub id if it has one, and its columns."""
    train_file = arguments.train_file
    if train_file is None:
        return {"name": f"generated Pig Latin pairs ({arguments.dataset_size})", "generated": True, "columns": columns}
    if Path(train_file).exists():
        return {"name": Path(train_file).name, "columns": columns}
    return {"name": train_file, "id": train_file, "columns": columns}


def example_word(sources: list[str], longest: int = 14) -> str:
    """A word to show, quoted for a shell: the longest of a run's own that is not too long to be looked at."""
    fitting = [word for word in sources if len(word) <= longest and len(word.split()) == 1]
    return shlex.quote(max(fitting, key=len) if fitting else min(sources, key=len))


def print_scores(test: dict[str, float], outcome: list[tuple[str, str, str]], seconds: float) -> None:
    """Prints the test split's scores, and some right and wrong translations."""
    print(
        f"\nTest split, {len(outcome):,} unseen words: loss {test['loss']:.5f} nats per symbol, word accuracy "
        f"{test['word_accuracy']:.2%}, character error rate {test['cer']:.3%} ({seconds:.0f} s of training)"
    )
    outcome = [(source, target, shortened(written, source)) for source, target, written in outcome]
    wrong = [f"{source} → {written} (right: {target})" for source, target, written in outcome if written != target]
    right = [f"{source} → {written}" for source, target, written in outcome if written == target]
    for title, lines in (("right", right), ("wrong", wrong)):
        print(f"  {len(lines):,} {title}" + (f", e.g. {'; '.join(lines[:5])}" if lines else ""))
