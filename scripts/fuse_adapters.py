"""Does a task gain from the adapters of other tasks? Its own adapter against fusions of trained ones, seed by seed.

    python scripts/fuse_adapters.py scripts/recipes/fusion.yaml
    python scripts/fuse_adapters.py --task rte --adapters runs/mnli runs/qqp AdapterHub/bert-base-uncased-pf-mrpc

The adapters are runs of train_classifier.py with --strategy pfeiffer, other PEFT folders, or AdapterHub's. One run per
strategy and seed, each in a folder of its own; killed and started again, the study goes on. At the end: table.md and
table.csv (mean ± sd, n, and the difference to the task's own adapter with its 95 % interval and a verdict), scores.png,
attention.png with attention.json (which adapter each layer attends to), and README.md, which shows them all.
"""

from dataclasses import dataclass, fields
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.classification.arguments import ClassifierArguments, fill_defaults
from workbench.classification.intermediate import IntermediateArguments
from workbench.data.known_tasks import find_task
from workbench.errors import UserError, run_main
from workbench.strategies.catalogue import FUSIONS, check_adapters, find_strategy
from workbench.studies.cells import SINGLE_RUN, StudyArguments, check_axis, shared_options, with_own
from workbench.studies.study import cell_name, run_study

SCRIPT = Path(__file__).parent / "train_classifier.py"
ATTENTION = "fusion"
# A fusion takes adapters of the encoder as it is: nothing is trained before.
NO_STAGE = {item.name for item in fields(IntermediateArguments)}


@dataclass
class FusionStudyArguments(StudyArguments, ClassifierArguments):
    """The settings that are compared; what is not a list or a mapping holds for every run."""

    output_dir: str = option("runs/fusion", "folder of the study: one run per cell, the table and the figure")
    strategy: str = option("pfeiffer", "what the fusions are compared with: the task's own adapter")
    fusions: list[str] = option(lambda: list(FUSIONS), f"which of them: {', '.join(FUSIONS)}")
    own_adapter: bool = option(
        False, "fuse the task's own adapter of the same seed too, as Pfeiffer et al. 2021 do; its data then count twice"
    )
    seeds: int = option(3, "runs per strategy, with the seeds that follow the first")
    strategy_options: dict[str, dict] = option(dict, "in a recipe: strategy -> options of its runs alone")


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(FusionStudyArguments, __doc__, without=SINGLE_RUN | NO_STAGE)
    check_study(arguments)
    folder, task = Path(arguments.output_dir), arguments.task or Path(arguments.train_file).stem

    # ---- Train: one run per strategy and seed, the task's own adapters first, which the fusions may need
    def options(strategy: str, seed: int) -> dict[str, object]:
        return cell_options(strategy, seed, arguments)

    own = run_study(SCRIPT, [arguments.strategy], options, arguments)
    fused = own and run_study(SCRIPT, arguments.fusions, options, arguments)
    if not fused:
        return
    settings = [*own.values(), *fused.values()]

    # ---- Table, figures, and a page that shows them
    from workbench.classification.fusion_study import draw_attention, mean_attention, write_page
    from workbench.studies.comparison import Comparison

    adapters, tokens = arguments.adapters, 0
    if ATTENTION in fused:
        seeds = zip(fused[ATTENTION].seeds, fused[ATTENTION].folders, strict=True)
        attention = {seed: mean_attention(run, arguments.trust_remote_code) for seed, run in seeds}
        _, adapters, _, tokens = attention[arguments.seed]
        title = f"{task}: attention over the adapters, {tokens:,} validation tokens, n = {len(attention)}"
        draw_attention(attention, folder / "attention.png", title)
    part = Comparison.of(task, settings, arguments.strategy)
    print(f"\n{write_page(folder, part, adapters, arguments.model_name_or_path, tokens)}")
    figures = "scores.png, attention.png" if tokens else "scores.png"
    print(f"README.md, study.json, table.md, table.csv, {figures} and a folder per run are in\n{folder}")


def check_study(arguments: FusionStudyArguments) -> None:
    """UserError for an unknown task or strategy, too few adapters, or options of what is not in the study."""
    if not arguments.task and not arguments.train_file:
        raise UserError("neither task nor train_file is given: name a --task, or your own --train_file")
    if arguments.task:
        find_task(arguments.task)
    check_axis(arguments, "fusions", tuple(FUSIONS))
    if find_strategy(arguments.strategy).takes_adapters:
        raise UserError(
            f"strategy: {arguments.strategy} is a fusion; name the kind of the task's own adapter, pfeiffer"
        )
    strategies = [arguments.strategy, *arguments.fusions]
    extra = sorted(set(arguments.strategy_options) - set(strategies))
    if extra:
        raise UserError(f"strategy_options for {extra[0]}, which is not in the study: {', '.join(strategies)}")
    for strategy in arguments.fusions:
        check_adapters(train_arguments(strategy, arguments.seed, arguments))
    check_sources(arguments)


def check_sources(arguments: FusionStudyArguments) -> None:
    """UserError unless the adapters can be read and fused, before the first run is trained."""
    from workbench.strategies.fusion import read_members

    read_members(arguments)


def train_arguments(strategy: str, seed: int, arguments: FusionStudyArguments) -> ClassifierArguments:
    return ClassifierArguments(**cell_options(strategy, seed, arguments))


def cell_options(strategy: str, seed: int, arguments: FusionStudyArguments) -> dict[str, object]:
    """The options of train_classifier.py for one strategy and seed."""
    options = shared_options(arguments, ClassifierArguments, without={*NO_STAGE, "adapters"})
    options |= {"strategy": strategy, "seed": seed}
    options = fill_defaults(options)
    if find_strategy(strategy).takes_adapters:
        own = [str(Path(arguments.output_dir) / cell_name(arguments.strategy, seed))] if arguments.own_adapter else []
        options["adapters"] = [*own, *(arguments.adapters or [])]
    return with_own(options, arguments.strategy_options.get(strategy), ClassifierArguments, strategy)


if __name__ == "__main__":
    run_main(main)
