"""Measure igpay against other ways of doing the same, side by side on this machine.

    python scripts/benchmark.py train
    python scripts/benchmark.py generate

The first compares our Trainer with a bare PyTorch loop, with a course notebook's training and with BART, in seconds;
the second compares greedy decoding in words per second. Two more: `adapters` compares our PEFT method with the
`adapters` library, and `transforms` our synonyms and typos with nlpaug's and TextAttack's. Each prints a table of
medians over alternating rounds, with the bar that a ratio is asked to meet.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.values import SEED

SUITES = ("train", "generate", "adapters", "transforms")


@dataclass
class BenchmarkArguments:
    """The suite, and how often it is measured."""

    suite: str = option("", "what to compare: " + ", ".join(SUITES), positional=True, choices=SUITES)
    output_dir: str | None = option(None, "folder of results.json (default: runs/benchmark-SUITE)", output="folder")
    overwrite_output_dir: bool = option(False, "delete what an earlier benchmark left in output_dir")
    rounds: int = option(
        5,
        "alternating rounds per comparison; whole trainings are repeated at most three times",
        minimum=1,
        maximum=1_000,
    )
    threads: int = option(2, "CPU threads that PyTorch may use", minimum=1, maximum=1_024)
    seed: int = option(
        0, "fixes data order, initialisation and dropout; a round adds its number where it trains", **SEED
    )
    notebook_architecture: str = option(
        "decoder-only", "which of the course's two models", choices=("encoder-decoder", "decoder-only")
    )
    file: str | None = option(None, "suite transforms: a table of texts (default: made of frequent words)")
    texts: int = option(10_000, "suite transforms: how many texts, over all rounds", minimum=1, maximum=10**7)
    quick: bool = option(False, "little work per round, to see that everything runs; the figures mean nothing")
    # What `open_run` asks of a run: nothing is left to go on with here.
    resume_from_checkpoint: ClassVar[bool] = False


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(BenchmarkArguments, __doc__)
    arguments.output_dir = arguments.output_dir or f"runs/benchmark-{arguments.suite}"
    folder = Path(arguments.output_dir)
    if folder.exists() and any(folder.iterdir()) and not arguments.overwrite_output_dir:
        raise UserError(f"{folder}: not empty; add --overwrite_output_dir, or choose another --output_dir")

    # ---- Threads and folder (heavy imports come after parsing, so that --help is quick)
    import importlib

    import torch

    from workbench.benchmarks import timing
    from workbench.runs.folder import open_run

    suite = importlib.import_module(f"workbench.benchmarks.{arguments.suite}")
    torch.set_num_threads(arguments.threads)
    open_run(arguments)

    # ---- Measure
    started = time.perf_counter()
    comparisons = suite.run(arguments)
    elapsed = time.perf_counter() - started

    # ---- Save
    timing.summarize(arguments.suite, comparisons, arguments, elapsed).write(folder)
    print(f"\n{timing.format_table(comparisons)}")
    print(f"\n{arguments.threads} thread(s), {elapsed:.0f} s in all; the rounds' figures are in results.json")
    print(f"The results are in {folder}")


if __name__ == "__main__":
    run_main(main)
