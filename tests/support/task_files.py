"""Files of labelled texts for tests of tasks, and how they are loaded."""

from pathlib import Path

from workbench.data.arguments import TaskArguments
from workbench.data.tasks import load_task


def load(**options):
    return load_task(TaskArguments(**{name: str(value) for name, value in options.items()}))


def write(path: Path, *rows: tuple | str) -> Path:
    """A tab-separated file of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def reviews(path: Path, count: int, start: int = 0, share: int = 4) -> Path:
    """`count` different reviews, one in `share` of them bad."""
    rows = [(f"review number {n}", "bad" if n % share == 0 else "good") for n in range(start, start + count)]
    return write(path, ("text", "label"), *rows)


def texts(data, split: str) -> set[str]:
    return set(data.splits[split]["text"])
