"""Which of the processes that a launcher started this one is."""

import os


def is_main_process() -> bool:
    """Whether this is the process (of those a launcher started) that writes files and talks."""
    return int(os.environ.get("RANK", "0")) == 0


def process_count() -> int:
    """How many processes a launcher started for this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))
