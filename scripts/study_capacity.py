"""How much do width and data buy? Hidden 32 and 64, on the small and the large word list, both architectures.

    python scripts/study_capacity.py --output_dir runs/capacity
    python scripts/study_capacity.py --config scripts/recipes/capacity.yaml --seeds 3 --shard 0/4

Trains the `notebook` preset with its published settings, one run per folder of output_dir; killed and started again,
it goes on. Beside each encoder-decoder stands a decoder-only model of as many blocks and, to within a per cent or so,
as many parameters. At the end: table.md (mean ± sd over the seeds, differences with verdicts), settings.md, runs.csv,
scores.png, the losses per gradient step (by_hidden_size.png, by_data_set.png, by_architecture.png), study.json, and
README.md, which shows them all and says what the numbers say.
"""

from dataclasses import dataclass, fields
from functools import cache, partial
from itertools import product
from pathlib import Path

from workbench.arguments import OptimisationArguments, option, parse_arguments
from workbench.errors import run_main
from workbench.studies.cells import StudyArguments, check_axis, one_each
from workbench.studies.report import ScoreColumn, Spread, describe_effect, pair_along, write_study_table
from workbench.studies.study import run_study
from workbench.values import LAYERS, WIDTH

SCRIPT = Path(__file__).parent / "train_translator.py"
PRESET = "notebook"
BOTH = ("encoder-decoder", "decoder-only")
SCORES = (
    ScoreColumn("lowest validation loss", "validation", "loss", ".3f"),
    ScoreColumn("test word accuracy", "test", "word_accuracy", ".1%"),
    ScoreColumn("test character error rate", "test", "cer", ".1%"),
)
FORMS = {"training words": ",", "parameters": ","} | {score.name: score.form for score in SCORES}


@dataclass
class CapacityArguments(StudyArguments, OptimisationArguments):
    """The settings that are compared; what is not a list holds for every run."""

    output_dir: str = option("runs/capacity", "folder of the study: one run per cell, the table and the figures")
    hidden_sizes: list[int] = option(lambda: [32, 64], "widths of the encoder-decoder", **WIDTH)
    dataset_sizes: list[str] = option(lambda: ["small", "large"], "which generated pairs")
    architectures: list[str] = option(lambda: list(BOTH), "encoder-decoder, decoder-only, or both")
    layers: int = option(
        4, "blocks in the encoder, and in the decoder; the decoder-only model has twice as many", **LAYERS
    )
    num_train_epochs: list[float] = option(lambda: [100.0, 50.0], "most passes: one for all, or one per hidden size")
    train_batch_size: list[int] = option(lambda: [64, 512], "examples per step: one for all, or one per data set")
    learning_rate: float = option(5e-4, "learning rate of the first epoch")
    lr_decay_per_epoch: float = option(0.99, "multiply the rate by this after each epoch (0: by lr_scheduler_type)")
    warmup_steps: int = option(0, "steps of linear rise to the highest rate")
    weight_decay: float = option(0.0, "AdamW's decoupled weight decay; at 0 it is Adam")
    adam_beta2: float = option(0.999, "Adam's second moment decay")
    max_grad_norm: float = option(0.0, "clip the gradient's norm at this (0: never)")
    early_stopping_patience: int = option(
        20, "stop after so many evaluations without a better validation loss (0: never)"
    )


@dataclass(frozen=True)
class Setting:
    """A point of the study; a decoder-only model has the hidden size of the encoder-decoder that it stands beside."""

    dataset_size: str
    hidden_size: int
    architecture: str

    @property
    def name(self) -> str:
        return f"{self.dataset_size}-{self.hidden_size}-{self.architecture}"


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(CapacityArguments, __doc__)
    check_axis(arguments, "dataset_sizes", ("small", "large"))
    check_axis(arguments, "architectures", BOTH)
    check_axis(arguments, "hidden_sizes")
    follow_axes(arguments)
    points = product(arguments.dataset_sizes, arguments.hidden_sizes, arguments.architectures)
    options = {(setting := Setting(*point)): cell_options(setting, arguments) for point in points}

    # ---- Train: one run per setting and seed
    by_name = {setting.name: options[setting] for setting in options}
    found = run_study(SCRIPT, list(by_name), lambda name, _: by_name[name], arguments)
    if found is None:
        return
    folder, runs = Path(arguments.output_dir), {setting: found[setting.name].runs for setting in options}

    # ---- Table of every run, figures, and a page that shows them
    from workbench.translation.capacity_study import draw_figures, write_page

    write_study_table(folder / "runs", [row(s, options[s], [run]) for s in runs for run in runs[s]], FORMS)
    settings = write_study_table(folder / "settings", [row(s, options[s], runs[s]) for s in runs], FORMS)
    figures = draw_figures(folder, {s: [path.name for path in found[s.name].folders] for s in runs})
    for setting in runs:
        found[setting.name].name = f"{setting.architecture}, {options[setting]['hidden_size']} wide"
    by_data = {size: [found[s.name] for s in runs if s.dataset_size == size] for size in arguments.dataset_sizes}
    text = sentences(runs, arguments)
    pictures = "\n\n".join(f"![Losses by gradient step]({name})" for name in figures)
    table = write_page(folder, "What width, data and architecture do", by_data, (settings, text, pictures))
    print(f"\n{table}\n{settings}\n{text}\n")
    print("README.md, study.json, table.md, settings.md and runs.csv, the figures and a folder per run are in")
    print(folder)


def follow_axes(arguments: CapacityArguments) -> None:
    """Of the defaults, one for each of two sizes, takes those of the sizes that are asked for."""
    defaults = CapacityArguments()
    for name, axis in (("num_train_epochs", "hidden_sizes"), ("train_batch_size", "dataset_sizes")):
        own = dict(zip(getattr(defaults, axis), getattr(defaults, name), strict=True))
        if getattr(arguments, name) == getattr(defaults, name) and set(getattr(arguments, axis)) <= set(own):
            setattr(arguments, name, [own[size] for size in getattr(arguments, axis)])


def cell_options(setting: Setting, arguments: CapacityArguments) -> dict[str, object]:
    """The options of train_translator.py for one setting; the seed comes later."""
    epochs = one_each(arguments, "num_train_epochs", "hidden_sizes")
    batch = one_each(arguments, "train_batch_size", "dataset_sizes")
    return {
        **{item.name: getattr(arguments, item.name) for item in fields(OptimisationArguments)},
        "num_train_epochs": epochs[setting.hidden_size],
        "train_batch_size": batch[setting.dataset_size],
        "dataset_size": setting.dataset_size,
        "architecture": setting.architecture,
        "preset": PRESET,
        **model_size(setting, arguments.layers),
    }


def model_size(setting: Setting, layers: int) -> dict[str, int]:
    """Width and blocks; of a decoder-only model, as deep and as nearly of as many parameters as the encoder-decoder."""
    beside = {"hidden_size": setting.hidden_size, "encoder_layers": layers, "decoder_layers": layers}
    if setting.architecture == "encoder-decoder":
        return beside
    symbols, depth = count_symbols(setting.dataset_size), {"encoder_layers": 0, "decoder_layers": 2 * layers}
    total = count_parameters("encoder-decoder", symbols, **beside)
    # 8 matrices stand against 11, and 2 tables of symbols against 3: the width grows by less than a half.
    widths = range(setting.hidden_size, setting.hidden_size * 3 // 2 + 1)
    count = partial(count_parameters, "decoder-only", symbols, **depth)
    return {"hidden_size": min(widths, key=lambda width: abs(count(hidden_size=width) - total)), **depth}


@cache
def count_symbols(dataset_size: str) -> int:
    """The size of the tokenizer that train_translator.py builds from these pairs."""
    from custom_models import build_tokenizer
    from workbench.data.pig_latin import pig_latin_pairs

    train = pig_latin_pairs(dataset_size, seed=0)["train"]
    return len(build_tokenizer(text for name in train.column_names for text in train[name]))


def count_parameters(architecture: str, symbols: int, **sizes: int) -> int:
    """Total parameters of a model; no memory is taken for them."""
    import torch

    from custom_models import ARCHITECTURES, PigLatinConfig
    from workbench.runs import results

    with torch.device("meta"):
        model = ARCHITECTURES[architecture](PigLatinConfig.from_preset(PRESET, vocab_size=symbols, **sizes))
    return results.count_parameters(model)["total"]


def row(setting: Setting, options: dict, runs: list) -> dict[str, object]:
    """A line of the table: one setting, over its seeds."""
    return {
        "data set": setting.dataset_size,
        "training words": runs[0].splits["train"],
        "architecture": setting.architecture,
        "hidden size": options["hidden_size"],
        "layers": " + ".join(str(options[name]) for name in ("encoder_layers", "decoder_layers") if options[name]),
        "parameters": runs[0].parameters["total"],
        "seeds": ", ".join(str(run.seed) for run in runs),
        **{score.name: Spread.of(score.values(runs)) for score in SCORES},
    }


def sentences(runs: dict[Setting, list], arguments: CapacityArguments) -> str:
    """Sentences on width, data and architecture: from the first to the last value of each, all else equal."""
    width, data, kind = arguments.hidden_sizes, arguments.dataset_sizes, arguments.architectures
    words = {setting.dataset_size: f"{found[0].splits['train']:,}" for setting, found in runs.items()}
    plain = {setting: found for setting, found in runs.items() if setting.architecture == kind[0]}
    told = {
        f"{'Doubling' if width[-1] == 2 * width[0] else 'Changing'} the {kind[0]}'s hidden size "
        f"from {width[0]} to {width[-1]}": pair_along(plain, "hidden_size", width, "on {s.dataset_size}"),
        f"For the {kind[0]}, {words[data[-1]]} training words ({data[-1]}) instead of {words[data[0]]} ({data[0]})": (
            pair_along(plain, "dataset_size", data, "at hidden size {s.hidden_size}")
        ),
        f"At as nearly equal parameters as the table shows, {kind[-1]} instead of {kind[0]}": (
            pair_along(runs, "architecture", kind, "on {s.dataset_size} beside hidden size {s.hidden_size}")
        ),
    }
    return "\n\n".join(describe_effect(cause, cases, SCORES[:2]) for cause, cases in told.items() if cases)


if __name__ == "__main__":
    run_main(main)
