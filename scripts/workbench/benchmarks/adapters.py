"""The suite `adapters`: our PEFT method against the `adapters` library, full fine-tuning and the bare model.

On the dimensions of bert-base and batches of 16 x 128: seconds per training step, peak memory of a process that trains,
inference, a fusion of three adapters, and the time that a switch takes among a hundred loaded adapters.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import UserError

from .timing import Bar, Comparison, measure, seconds

BOTTLENECK = 64
FUSED = ("mnli", "qqp", "sst")
# Houlsby's placement there and here, with the same activation and bottleneck; fusions are of pfeiffer adapters.
HOULSBY = ("houlsby", "swish", "double_seq_bn")
PFEIFFER = ("pfeiffer", "relu", "seq_bn")
MEMORY_ROUNDS = 3


@dataclass(frozen=True)
class Sizes:
    """The measurement: the model's depth, the batch's shape, and how often a short measurement is repeated."""

    layers: int
    rows: int
    tokens: int
    adapters: int


FULL_SIZE = Sizes(layers=12, rows=16, tokens=128, adapters=100)
QUICK = Sizes(layers=2, rows=2, tokens=16, adapters=5)


def run(options) -> list[Comparison]:
    """All comparisons; see `timing`. UserError where `adapters` is not installed (it needs transformers 4.57)."""
    try:
        import adapters  # noqa: F401
    except ImportError as error:
        raise UserError(f"this suite compares with `adapters`, which cannot be imported here: {error}") from error
    sizes = QUICK if options.quick else FULL_SIZE
    return [
        *step_times(sizes, options.rounds),
        *fusion_times(sizes, options.rounds),
        inference_time(sizes, options.rounds),
        *peak_memory(options, min(options.rounds, MEMORY_ROUNDS)),
        switch_time(sizes, options.rounds),
    ]


def step_times(sizes: Sizes, rounds: int) -> list[Comparison]:
    """Seconds per training step of one houlsby adapter, ours and theirs, and of all weights."""
    models = {"ours": our_adapter(sizes), "adapters": their_adapter(sizes), "full": bare_model(sizes)}
    trained = {name: trainable(model) for name, model in models.items()}
    figures = measure({name: seconds(train_step(model, sizes)) for name, model in models.items()}, rounds)
    facts = {"trained_weights": trained["ours"], "theirs": trained["adapters"], "full": trained["full"]}
    unit = "seconds per step"
    return [
        Comparison.of(figures, "step_time", unit, "ours", "adapters", Bar(1.0), **facts),
        Comparison.of(figures, "step_time_full", unit, "ours", "full", Bar(ratio(figures, "adapters", "full"))),
        Comparison.of(figures, "step_time_full_theirs", unit, "adapters", "full"),
    ]


def fusion_times(sizes: Sizes, rounds: int) -> list[Comparison]:
    """Seconds per training step of a fusion of three pfeiffer adapters."""
    models = {"ours": our_fusion(sizes), "adapters": their_fusion(sizes)}
    facts = {"trained_weights": trainable(models["ours"]), "theirs": trainable(models["adapters"])}
    figures = measure({name: seconds(train_step(model, sizes)) for name, model in models.items()}, rounds)
    return [Comparison.of(figures, "fusion_step_time", "seconds per step", "ours", "adapters", Bar(1.0), **facts)]


def inference_time(sizes: Sizes, rounds: int) -> Comparison:
    """Seconds per batch with a houlsby adapter, against the base model without one."""
    models = {"ours": our_adapter(sizes), "bare": bare_model(sizes)}
    figures = measure({name: seconds(predict(model, sizes)) for name, model in models.items()}, rounds)
    return Comparison.of(figures, "inference_time", "seconds per batch", "ours", "bare")


def switch_time(sizes: Sizes, rounds: int) -> Comparison:
    """Milliseconds to make another of many loaded adapters the active one."""
    names = [f"task{number}" for number in range(sizes.adapters)]
    ours, theirs = our_adapter(sizes, names), their_adapter(sizes, names)
    each = {"ours": ours.set_adapter, "adapters": theirs.set_active_adapters}
    per = len(names) / 1000
    ways = {way: seconds(lambda go=go: [go(name) for name in names], per) for way, go in each.items()}
    figures = measure(ways, rounds)
    return Comparison.of(figures, "switch_time", "ms per switch", "ours", "adapters", loaded=len(names))


def peak_memory(options, rounds: int) -> list[Comparison]:
    """Highest resident memory, in MiB, of a process of its own that builds a model and trains it for two steps."""
    kinds = ("our_adapter", "their_adapter", "bare_model", "our_fusion", "their_fusion")
    figures = measure({kind: lambda kind=kind: peak_of(kind, options) for kind in kinds}, rounds, warm_up=0)
    limit = ratio(figures, "their_adapter", "bare_model")
    return [
        Comparison.of(figures, "peak_memory", "MiB", "our_adapter", "their_adapter", Bar(1.0)),
        Comparison.of(figures, "peak_memory_full", "MiB", "our_adapter", "bare_model", Bar(limit)),
        Comparison.of(figures, "fusion_peak_memory", "MiB", "our_fusion", "their_fusion", Bar(1.0)),
    ]


def peak_of(kind: str, options) -> float:
    """Runs `print_peak` in a fresh process and reads what it prints."""
    code = f"from workbench.benchmarks.adapters import print_peak; print_peak('{kind}', {bool(options.quick)})"
    root = Path(__file__).resolve().parents[3]
    paths = os.pathsep.join([str(root / "scripts"), str(root)])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return float(done.stdout.split()[-1])


def print_peak(kind: str, quick: bool) -> None:
    """Trains the model that the function `kind` of this module builds for two steps; prints the peak in MiB."""
    sizes = QUICK if quick else FULL_SIZE
    from workbench.runs.hardware import peak_memory_mib

    step = train_step(globals()[kind](sizes), sizes)
    step()
    step()
    print(peak_memory_mib())


def ratio(figures: dict[str, list[float]], way: str, against: str) -> float:
    """The median of the rounds' ratios, to set a bar by what another library achieves in the same run."""
    return Comparison.of(figures, "", "", way, against).ratio


# ---- The models


def bare_model(sizes: Sizes):
    """A random classifier of bert-base's dimensions; all of it is trained."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(num_hidden_layers=sizes.layers))


def our_adapter(sizes: Sizes, names: list[str] = ("a",), kind: tuple = HOULSBY):
    """The classifier with adapters of ours, the first one active."""
    from peft import PeftModel

    model = None
    for name in names:
        config = our_config(kind)
        if model is None:
            model = PeftModel(bare_model(sizes), config, adapter_name=name)
        else:
            model.add_adapter(name, config)
    return model


def our_config(kind: tuple):
    from custom_models.bottleneck import BottleneckConfig

    placement, activation, _ = kind
    return BottleneckConfig(
        bottleneck_size=BOTTLENECK, placement=placement, non_linearity=activation, modules_to_save=["classifier"]
    )


def their_adapter(sizes: Sizes, names: list[str] = ("a",), kind: tuple = HOULSBY):
    """The classifier with adapters of the `adapters` library, the first one active."""
    import adapters

    model = bare_model(sizes)
    adapters.init(model)
    for name in names:
        model.add_adapter(name, config=f"{kind[2]}[reduction_factor={model.config.hidden_size // BOTTLENECK}]")
    model.train_adapter(names[0])
    return model


def our_fusion(sizes: Sizes):
    from custom_models.bottleneck import FusionConfig

    model = our_adapter(sizes, list(FUSED), PFEIFFER)
    # None: the base model's attention dropout, as in `adapters`.
    model.add_adapter("fusion", FusionConfig(adapters=list(FUSED), dropout=None, modules_to_save=["classifier"]))
    model.set_adapter("fusion")
    return model


def their_fusion(sizes: Sizes):
    """A fusion in `adapters`, with the penalty in its loss as its trainer adds it."""
    from adapters import Fuse

    model = their_adapter(sizes, list(FUSED), PFEIFFER)
    model.add_adapter_fusion(list(FUSED))
    model.train_adapter_fusion(Fuse(*FUSED))
    model.penalty = model.base_model.get_fusion_regularization_loss
    return model


def trainable(model) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


# ---- The work


def random_batch(sizes: Sizes) -> dict:
    """Random symbols and labels, without padding."""
    import torch

    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 30_000, (sizes.rows, sizes.tokens), generator=generator)
    labels = torch.randint(0, 2, (sizes.rows,), generator=generator)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def train_step(model, sizes: Sizes) -> Callable[[], None]:
    """A whole step: forward, backward, AdamW."""
    import torch

    batch = random_batch(sizes)
    optimizer = torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-4)
    penalty = getattr(model, "penalty", None)
    model.train()

    def step() -> None:
        optimizer.zero_grad()
        loss = model(**batch).loss
        (loss if penalty is None else loss + penalty()).backward()
        optimizer.step()

    return step


def predict(model, sizes: Sizes) -> Callable[[], None]:
    import torch

    batch = random_batch(sizes)
    model.eval()
    return torch.inference_mode()(lambda: model(**batch))
