"""The options that name sentences and their columns."""

from dataclasses import dataclass

from workbench.arguments import option
from workbench.values import COUNT

from .known_tasks import TASKS


@dataclass
class TaskArguments:
    """Which sentences, and which of their columns."""

    task: str | None = option(None, f"a task by name: {', '.join(TASKS)}; needless with a --train_file")
    train_file: str | None = option(
        None,
        "labelled texts: a CSV, TSV, JSON lines or Parquet file, or a Hub data set (owner/name or owner/name:config)",
    )
    validation_file: str | None = option(None, "such a file, to choose the best epoch with (default: part of training)")
    test_file: str | None = option(None, "such a file, to score once at the end (default: part of training)")
    data_dir: str | None = option(None, "folder with the task's usual files (default: its data set on the Hub)")
    text_column: str | None = option(None, "column of the text (default: guessed from the header, and said)")
    pair_column: str | None = option(None, "column of the second text, for tasks about two (default: guessed)")
    label_column: str | None = option(None, "column of the label (default: guessed)")
    max_train_examples: int | None = option(
        None,
        "train on so many examples only, the classes (or values) in their proportions, the same ones for every seed",
        **COUNT,
    )
