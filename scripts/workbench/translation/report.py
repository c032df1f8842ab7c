"""The report of a translator's run."""

import shlex
from pathlib import Path


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
