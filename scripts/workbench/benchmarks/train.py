"""Suite `train`: our Trainer against a bare PyTorch loop, against BART, and against a course notebook's training."""

import contextlib
import io
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    TrainerCallback,
    get_scheduler,
    set_seed,
)

from custom_models import ARCHITECTURES, PigLatinConfig, build_tokenizer
from workbench.arguments import OptimisationArguments, RunArguments
from workbench.data.pig_latin import pig_latin_pairs
from workbench.runs.results import count_parameters
from workbench.runs.sampling import LengthGroupedSampler
from workbench.runs.trainer import column, make_trainer, make_training_arguments
from workbench.translation.examples import PairCollator, encode_pairs, score_words, summarise_scores

from .notebook import NotebookSettings, train_notebook
from .timing import Bar, Comparison, measure

ARCHITECTURE = "encoder-decoder"
SKIPPED_STEPS = 10
STEPS = 200
TRAININGS = 3
# Sizes that the course trains: width, layers, epochs.
NOTEBOOKS = ((64, 3, 50), (32, 4, 100))
# With the progress bar that a person sees, but without what only they ask for between steps.
EVALUATED = {"save_strategy": "no", "load_best_model_at_end": False, "disable_tqdm": False}
UNINTERRUPTED = {"eval_strategy": "no", **EVALUATED}


@dataclass
class TrainerOptions(RunArguments, OptimisationArguments):
    """The training options of `train_translator.py`, at its defaults; `extra` goes to TrainingArguments."""

    extra: dict = field(default_factory=dict)


@dataclass
class Material:
    """The material of every way: the same pairs, tokenizer and examples."""

    architecture: str
    tokenizer: PreTrainedTokenizerFast
    splits: dict[str, list[dict[str, list[int]]]]

    @classmethod
    def of(cls, data, architecture: str = ARCHITECTURE) -> "Material":
        """From the splits of `pairs.pig_latin_pairs`, as `train_translator.py` prepares them."""
        texts = [text for name in data["train"].column_names for text in data["train"][name]]
        tokenizer = build_tokenizer(texts, architecture)
        splits = {name: encode_pairs(data[name], tokenizer, architecture) for name in data}
        return cls(architecture, tokenizer, splits)

    @property
    def longest(self) -> int:
        """Symbols of the longest training target, end mark included."""
        return max(map(len, self.splits["train"]["labels"][:]))

    def notebook(self, hidden_size: int, layers: int, epochs: int) -> NotebookSettings:
        symbols = (len(self.tokenizer), self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)
        return NotebookSettings(*symbols, hidden_size, layers, epochs, self.architecture)


def new_model(material: Material, seed: int, **overrides):
    """Our default model, freshly initialised."""
    set_seed(seed)
    model = ARCHITECTURES[ARCHITECTURE](
        PigLatinConfig.from_preset("default", vocab_size=len(material.tokenizer), **overrides)
    )
    model.generation_config.max_new_tokens = 2 * material.longest
    return model


def new_bart(material: Material, seed: int):
    """A BART of the same widths, layers, heads and vocabulary as our default model."""
    ours = PigLatinConfig.from_preset("default", vocab_size=len(material.tokenizer))
    set_seed(seed)
    config = BartConfig(
        vocab_size=ours.vocab_size,
        d_model=ours.hidden_size,
        encoder_layers=ours.encoder_layers,
        decoder_layers=ours.decoder_layers,
        encoder_attention_heads=ours.num_attention_heads,
        decoder_attention_heads=ours.num_attention_heads,
        encoder_ffn_dim=ours.intermediate_size,
        decoder_ffn_dim=ours.intermediate_size,
        activation_function="relu",
        dropout=ours.dropout,
        attention_dropout=ours.attention_dropout,
        max_position_embeddings=ours.max_position_embeddings,
        pad_token_id=ours.pad_token_id,
        bos_token_id=ours.bos_token_id,
        eos_token_id=ours.eos_token_id,
        decoder_start_token_id=ours.decoder_start_token_id,
        forced_eos_token_id=None,
    )
    model = BartForConditionalGeneration(config)
    model.generation_config.max_new_tokens = 2 * material.longest
    return model


class StepClock(TrainerCallback):
    """The moment at which each optimiser step ended."""

    def __init__(self):
        self.moments: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self.moments.append(time.perf_counter())

    @property
    def turns(self) -> list[float]:
        """Seconds of each whole turn after the first steps: fetching the batch and logging are in it."""
        moments = self.moments[SKIPPED_STEPS - 1 :]
        return [end - start for start, end in itertools.pairwise(moments)]


class LossClock(TrainerCallback):
    """Seconds of training (evaluation left out) and validation loss after each epoch."""

    def __init__(self):
        self.elapsed = 0.0
        self.started = time.perf_counter()
        self.history: list[tuple[float, float]] = []

    def on_epoch_begin(self, args, state, control, **kwargs):
        # The first epoch began, with all that Trainer sets up, when this object was made.
        if state.global_step:
            self.started = time.perf_counter()

    def on_epoch_end(self, args, state, control, **kwargs):
        self.elapsed += time.perf_counter() - self.started

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        self.history.append((self.elapsed, metrics["eval_loss"]))


def run_trainer(material: Material, model, options: TrainerOptions, callback: TrainerCallback, **kwargs):
    """Trains `model` the way `train_translator.py` does, its progress bar drawn into nothing; returns the Trainer."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        options = replace(options, output_dir=folder)
        trainer = make_trainer(
            options,
            trainer_arguments(material, options),
            model,
            material.tokenizer,
            PairCollator(material.tokenizer.pad_token_id),
            material.splits,
            compute_metrics=summarise_scores,
            preprocess_logits_for_metrics=score_words,
            **kwargs,
        )
        trainer.add_callback(callback)
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train()
    return trainer


def trainer_arguments(material: Material, options: TrainerOptions):
    """transformers' TrainingArguments for these options, with their schedule."""
    return make_training_arguments(options, len(material.splits["train"]))


def run_bare_loop(material: Material, model, options: TrainerOptions) -> tuple[StepClock, list[torch.Tensor]]:
    """The same training as a person would write it in plain PyTorch; returns each step's moment and loss."""
    args = trainer_arguments(material, options)
    examples = material.splits["train"]
    sampler = LengthGroupedSampler(column(examples, "length"), options.train_batch_size, options.seed)
    collator = PairCollator(material.tokenizer.pad_token_id)
    loader = torch.utils.data.DataLoader(examples, options.train_batch_size, sampler=sampler, collate_fn=collator)
    optimizer = new_optimizer(model, args)
    schedule = get_scheduler(args.lr_scheduler_type, optimizer, args.warmup_steps, options.max_steps)
    times, losses = StepClock(), []
    model.train()
    for batch in itertools.islice(endless_batches(loader, sampler), options.max_steps):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), args.max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
        times.on_step_end(None, None, None)
    return times, losses


def endless_batches(loader: torch.utils.data.DataLoader, sampler: LengthGroupedSampler) -> Iterator[dict]:
    """The batches of one epoch after the other, each in its own order."""
    for epoch in itertools.count():
        sampler.set_epoch(epoch)
        yield from loader


def new_optimizer(model, args) -> torch.optim.AdamW:
    """AdamW as Trainer sets it up: weights decay, biases and LayerNorms do not."""
    parameters = list(model.parameters())
    groups = [
        {"params": [weight for weight in parameters if weight.ndim > 1], "weight_decay": args.weight_decay},
        {"params": [bias for bias in parameters if bias.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = (args.adam_beta1, args.adam_beta2)
    return torch.optim.AdamW(groups, args.learning_rate, betas, args.adam_epsilon, fused="fused" in str(args.optim))


def run(options) -> list[Comparison]:
    """All comparisons of the suite; see the module's first line."""
    data = few_pairs() if options.quick else pig_latin_pairs("small")
    small, theirs = Material.of(data), Material.of(data, options.notebook_architecture)
    if options.quick:
        quick = TrainerOptions(seed=options.seed, num_train_epochs=1)
        return [
            *compare_steps(small, quick, options.rounds, SKIPPED_STEPS + 2),
            compare_trainings(small, theirs, (8, 1, 1), quick, 1),
        ]
    defaults = TrainerOptions(seed=options.seed)
    trainings = min(options.rounds, TRAININGS)
    return [
        *compare_steps(Material.of(pig_latin_pairs("large")), defaults, options.rounds, STEPS),
        *(compare_trainings(small, theirs, sizes, defaults, trainings) for sizes in NOTEBOOKS),
    ]


def few_pairs():
    """The pairs of `--quick`: an eighth of the small set."""
    data = pig_latin_pairs("small")
    return {name: split.select(range(len(split) // 8)) for name, split in data.items()}


def compare_steps(material: Material, options: TrainerOptions, rounds: int, steps: int) -> list[Comparison]:
    """Seconds per optimiser step: Trainer against the bare loop, and our model against BART, both in Trainer."""
    print(f"steps: {rounds} rounds of {steps} of each …", flush=True)
    options = replace(options, max_steps=steps, extra=UNINTERRUPTED)
    makers = {"Trainer": new_model, "bare loop": new_model, "BART in Trainer": new_bart}
    ways = {way: partial(step_turns, material, make, options, way == "bare loop") for way, make in makers.items()}
    turns = measure(ways, rounds)
    figures = {way: [statistics.fmean(turns_of_round) for turns_of_round in turns[way]] for way in ways}
    facts = {
        way: {"parameters": count_parameters(make(material, 0))["total"], "undisturbed_step": undisturbed(turns[way])}
        for way, make in makers.items()
    }
    shared = {"batch_size": options.train_batch_size, "steps_per_round": steps - SKIPPED_STEPS}
    compared = (("step", "bare loop", Bar(1.05)), ("step_of_bart", "BART in Trainer", None))
    return [
        Comparison.of(
            figures, name, "s", "Trainer", against, bar, **shared, Trainer=facts["Trainer"], **{against: facts[against]}
        )
        for name, against, bar in compared
    ]


def step_turns(material: Material, make_model, options: TrainerOptions, is_bare: bool) -> list[float]:
    """One round: the seconds of each step with a fresh model, in the bare loop or in Trainer."""
    model = make_model(material, options.seed)
    if is_bare:
        return run_bare_loop(material, model, options)[0].turns
    clock = StepClock()
    run_trainer(material, model, options, clock)
    return clock.turns


def undisturbed(rounds: list[list[float]]) -> float:
    """Mean over the steps of the fastest that each was in any round: every round has the same batches.

    On a machine that does other work too, this is steadier than the rounds' means.
    """
    return statistics.fmean(map(min, zip(*rounds, strict=True)))


def compare_trainings(
    material: Material, theirs: Material, sizes: tuple[int, int, int], options: TrainerOptions, rounds: int
) -> Comparison:
    """Seconds of training to the notebook's best validation loss: our defaults against the notebook; seed by seed.

    Args:
        material, theirs: the same pairs, for our model and for the notebook's.
        sizes: the notebook's width, layers and epochs.
    """
    settings = theirs.notebook(*sizes)
    print(f"trainings: {rounds} of each, the notebook's at hidden size {settings.hidden_size} …", flush=True)
    seeds = {"ours": itertools.count(options.seed), "notebook": itertools.count(options.seed)}

    def ours() -> list[tuple[float, float]]:
        seed = next(seeds["ours"])
        model, times = new_model(material, seed), LossClock()
        run_trainer(material, model, replace(options, seed=seed, extra=EVALUATED), times)
        return times.history

    notebook = f"notebook, {settings.hidden_size} wide"
    ways = {"ours": ours, notebook: lambda: train_notebook(settings, theirs.splits, next(seeds["notebook"])).best}
    train_notebook(replace(settings, epochs=1), theirs.splits, options.seed)
    runs = measure(ways, rounds, warm_up=0)
    bests = runs[notebook]
    figures = {
        "ours": [seconds_to(loss, history) for history, (_, loss) in zip(runs["ours"], bests, strict=True)],
        notebook: [elapsed for elapsed, _ in bests],
    }
    lowest = statistics.median(min(loss for _, loss in history) for history in runs["ours"])
    facts = {
        "training_pairs": len(material.splits["train"]),
        "ours": {"lowest_loss_later": lowest},
        notebook: {
            "architecture": settings.architecture,
            "layers": settings.layers,
            "epochs": settings.epochs,
            "lowest_loss": statistics.median(loss for _, loss in bests),
        },
    }
    name = f"seconds_to_loss_of_notebook_{settings.hidden_size}"
    return Comparison.of(figures, name, "s", "ours", notebook, Bar(0.2), **facts)


def seconds_to(loss: float, history: list[tuple[float, float]]) -> float:
    """Seconds until the validation loss was `loss` or lower; infinite if it never was."""
    return next((elapsed for elapsed, value in history if value <= loss), math.inf)
