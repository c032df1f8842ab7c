"""How often are the intervals and verdicts of compare.py right? Simulated runs whose true difference is known.

    python scripts/check_intervals.py
    python scripts/check_intervals.py --seeds 5 --examples 1000 --seed_sds 0.01

Two settings of several seeds are tested on the same examples, again and again, for each spread between seeds. Prints
how often the 95 % interval of their difference covers the true one (it should: 95 %), and how often a verdict of better
or worse is given although there is no difference (it should: at most 5 %). The first takes a few minutes.
"""

from dataclasses import dataclass

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.values import SEED


@dataclass
class IntervalArguments:
    """The simulated studies."""

    seeds: list[int] = option(lambda: [3, 5], "runs per setting", minimum=2, maximum=1_000)
    examples: int = option(277, "test examples; 277 are RTE's", minimum=2, maximum=10**6)
    seed_sds: list[float] = option(
        lambda: [0.0, 0.005, 0.02], "spreads of the true accuracy between seeds", minimum=0, maximum=0.2
    )
    difference: float = option(
        0.05, "true difference between the settings, where there is one", minimum=-0.25, maximum=0.25
    )
    repetitions: int = option(500, "simulated studies for each line", minimum=2, maximum=10**6)
    resamples: int = option(10_000, "resamples of the examples in each", minimum=2, maximum=10**6)
    seed: int = option(0, "fixes what is drawn", **SEED)


def main() -> None:
    arguments = parse_arguments(IntervalArguments, __doc__)
    if not arguments.seeds or not arguments.seed_sds:
        raise UserError("seeds and seed_sds: give one or more of each")

    from tqdm import tqdm

    from workbench.studies.calibration import calibrate
    from workbench.studies.report import markdown_table

    rows = []
    points = [(seeds, spread) for seeds in arguments.seeds for spread in arguments.seed_sds]
    for seeds, spread in tqdm(points, desc="simulated studies", disable=None):
        shares = {}
        for true in (arguments.difference, 0.0):
            shares[true] = calibrate(
                seeds, arguments.examples, spread, true, arguments.repetitions, arguments.resamples, arguments.seed
            )
        rows.append(
            {
                "seeds": seeds,
                "sd between seeds": spread,
                f"covered, difference {arguments.difference:g}": shares[arguments.difference].covered,
                "found": shares[arguments.difference].decided,
                "covered, no difference": shares[0.0].covered,
                "better or worse without a difference": shares[0.0].decided,
            }
        )
    forms = dict.fromkeys(rows[0], ".1%") | {"seeds": "d", "sd between seeds": ".3f"}
    print(f"{arguments.repetitions} repetitions, {arguments.examples:,} examples, {arguments.resamples:,} resamples\n")
    print(markdown_table(rows, forms))


if __name__ == "__main__":
    run_main(main)
