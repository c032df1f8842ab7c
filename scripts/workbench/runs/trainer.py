"""What every training script puts around transformers' Trainer: data order, checkpoints that are whole, progress."""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from enum import Enum
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import Sampler
from tqdm import tqdm
from transformers import Trainer, TrainerCallback, TrainingArguments, get_scheduler
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import SchedulerType
from transformers.training_args import OptimizerNames

from workbench.errors import UserError, nearest
from workbench.processes import is_main_process, process_count
from workbench.termination import patient

from .checkpoints import Divergence, EarlyStopping, WholeCheckpoints, check_best, last_whole_checkpoint
from .facts import eval_scores
from .metrics import metric_name
from .sampling import LengthGroupedSampler
from .sharding import unit_names


def make_training_arguments(arguments, examples: int | None, **overrides) -> TrainingArguments:
    """TrainingArguments from a script's arguments (`RunArguments` and `OptimisationArguments`) for so many examples.

    Of a stream, nobody knows how many they are (None): it is trained on for `max_steps`, and scored by steps.
    `overrides` are fields of TrainingArguments that a script has its own values for. Batch sizes are of the whole step:
    accelerate splits each batch over the processes, so that the same options give the same training on any number.

    Raises:
        UserError: options that do not fit together, or that transformers, accelerate or torch would refuse at the
            start of the training.
    """
    processes = process_count()
    for name in ("train_batch_size", "eval_batch_size"):
        if getattr(arguments, name) < 1 or getattr(arguments, name) % processes:
            raise UserError(
                f"{name} is {getattr(arguments, name)}: give a positive multiple of {processes} process(es)"
            )
    in_epoch = arguments.max_steps if examples is None else math.ceil(examples / arguments.train_batch_size)
    steps_per_epoch = math.ceil(in_epoch / arguments.extra.get("gradient_accumulation_steps", 1))
    steps = arguments.max_steps if arguments.max_steps > 0 else math.ceil(arguments.num_train_epochs * steps_per_epoch)
    usual = "steps" if examples is None else "epoch"
    tenth = steps // 10
    most = tenth if arguments.warmup_steps is None else arguments.warmup_steps
    options = {
        **_evaluation({"eval_strategy": usual} | arguments.extra, steps, steps_per_epoch),
        "output_dir": arguments.output_dir,
        "seed": arguments.seed,
        "report_to": arguments.report_to,
        "num_train_epochs": arguments.num_train_epochs,
        "max_steps": arguments.max_steps,
        "per_device_train_batch_size": arguments.train_batch_size,
        "per_device_eval_batch_size": arguments.eval_batch_size,
        "accelerator_config": {"split_batches": True},
        "learning_rate": arguments.learning_rate,
        "lr_scheduler_type": arguments.lr_scheduler_type,
        "warmup_steps": 0 if arguments.extra.get("warmup_ratio") else min(most, tenth),
        "weight_decay": arguments.weight_decay,
        "adam_beta2": arguments.adam_beta2,
        "max_grad_norm": arguments.max_grad_norm,
        "bf16": arguments.bf16,
        "gradient_checkpointing": arguments.gradient_checkpointing,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "logging_strategy": "steps",
        "logging_steps": max(1, min(50, steps_per_epoch)),
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "disable_tqdm": not sys.stderr.isatty(),
        "ddp_find_unused_parameters": False,
    }
    _check_together(arguments.extra)
    _check_is_one_of("lr_scheduler_type", arguments.lr_scheduler_type, SchedulerType)
    _check_is_one_of("optim", arguments.extra.get("optim", OptimizerNames.SGD.value), OptimizerNames)
    names = f" ({', '.join(arguments.extra)})" if arguments.extra else ""
    with _plain_refusals(f"transformers.TrainingArguments refuses these options{names}"):
        made = TrainingArguments(**{**options, **overrides, **arguments.extra})
    _rehearse(made, steps, has_own_decay=bool(arguments.lr_decay_per_epoch))
    return made


def _check_is_one_of(name: str, value: str, kind: type[Enum]) -> None:
    known = [member.value for member in kind]
    if value not in known:
        raise UserError(f"{name}: unknown value '{value}'{nearest(value, known)}; choose one of {', '.join(known)}")


def _check_together(extra: dict) -> None:
    """UserError for options that need another one, or a device that is not there."""
    for name in ("dataloader_prefetch_factor", "dataloader_persistent_workers"):
        if extra.get(name) and not extra.get("dataloader_num_workers"):
            raise UserError(f"{name}: needs workers; give dataloader_num_workers too")
    if extra.get("fp16") and (extra.get("use_cpu") or not torch.cuda.is_available()):
        raise UserError("fp16: is for GPUs; give bf16 instead")
    checkpointing = extra.get("gradient_checkpointing_kwargs") or {}
    if not all(name == "use_reentrant" and isinstance(value, bool) for name, value in checkpointing.items()):
        raise UserError("gradient_checkpointing_kwargs: give {use_reentrant: true} or {use_reentrant: false}")


@contextmanager
def _plain_refusals(what: str) -> Iterator[None]:
    """Turns whatever a library raises inside into a UserError that begins with `what`."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"{what}: {reason}") from error


def _rehearse(args: TrainingArguments, steps: int, has_own_decay: bool) -> None:
    """Takes a step with a weight of no meaning, so that what is refused is said before anything is written.

    Raises:
        UserError: there is no such optimiser, schedule or compiler here, or it does not take its options.
    """
    weight, schedule = torch.nn.Parameter(torch.zeros(1, 1)), SchedulerType(args.lr_scheduler_type)
    given = f"optim {OptimizerNames(args.optim).value}" + (f", optim_args {args.optim_args}" if args.optim_args else "")
    with _plain_refusals(f"{given}: cannot be used here"):
        kind, options = Trainer.get_optimizer_cls_and_kwargs(args, torch.nn.Linear(1, 1, device="meta"))
        optimizer = kind([weight], **options)
        weight.sum().backward()
        optimizer.step()
    if not has_own_decay:
        options = args.lr_scheduler_kwargs or {}
        with _plain_refusals(f"lr_scheduler_type {schedule.value}, lr_scheduler_kwargs {options}: cannot be used here"):
            get_scheduler(schedule, optimizer, args.get_warmup_steps(steps), steps, options)
    if args.torch_compile:
        with _plain_refusals(f"torch_compile with {args.torch_compile_backend}: cannot be used here"):
            compiled = torch.compile(torch.sin, backend=args.torch_compile_backend, mode=args.torch_compile_mode)
            compiled(weight.detach())


def _evaluation(extra: dict, steps: int, steps_per_epoch: int) -> dict:
    """When validation is scored and a checkpoint written: by epochs, or by steps as the user says.

    Raises:
        UserError: never in a run of so many steps, though the best checkpoint is to be taken; or at unlike times.
    """
    strategy = extra["eval_strategy"]
    if not extra.get("load_best_model_at_end", True):
        return {"eval_strategy": strategy, "save_strategy": strategy}
    if strategy not in ("epoch", "steps"):
        raise UserError(f"eval_strategy: '{strategy}'; give epoch or steps: the best weights on validation are kept")
    if extra.get("save_strategy", strategy) != strategy:
        raise UserError(
            f"save_strategy: '{extra['save_strategy']}', but eval_strategy is '{strategy}'; they must be the same, for "
            "what is scored must be kept"
        )
    end = steps if strategy == "steps" else steps / steps_per_epoch
    if extra.get("eval_delay", 0) >= end:
        raise UserError(f"eval_delay: {extra['eval_delay']:g}, but the run ends at {end:g}; the best weights are kept")
    if strategy == "epoch":
        return {"eval_strategy": strategy, "save_strategy": strategy}
    every = extra.get("eval_steps", max(1, steps // 10))
    if not (1 <= every <= steps and every == int(every)):
        raise UserError(f"eval_steps: {every:g}, but the run has {steps:,} steps; give a whole number from 1 to that")
    if extra.get("save_steps", every) % every:
        raise UserError(f"save_steps: {extra['save_steps']:g}; give a multiple of eval_steps, {every:g}")
    return {"eval_strategy": strategy, "save_strategy": strategy, "eval_steps": every, "save_steps": every}


class WorkbenchTrainer(Trainer):
    """Trainer with our length grouping, its own clock, whole checkpoints, and a line per evaluation.

    Args:
        train_dataset: a `datasets.Dataset` with a column `length`, or an `IterableDataset`, in its own order.
        parameter_groups: the optimiser's, where not all weights have the same rate.
        lr_decay_per_epoch: the learning rate is multiplied by it after every epoch; 0: it follows `args`.
        early_stopping_patience: see `EarlyStopping`; 0: off.
        resume: whether `fit` goes on from the last whole checkpoint in `args.output_dir`.
    """

    def __init__(
        self,
        *positional,
        args: TrainingArguments,
        parameter_groups: list[dict] | None = None,
        lr_decay_per_epoch: float = 0.0,
        early_stopping_patience: int = 0,
        resume: bool = False,
        callbacks: Sequence[TrainerCallback] = (),
        **kwargs,
    ):
        self.parameter_groups = parameter_groups
        self.lr_decay_per_epoch = lr_decay_per_epoch
        self.checkpoint, seconds = last_whole_checkpoint(args.output_dir) if resume else (None, 0.0)
        if args.load_best_model_at_end:
            check_best(self.checkpoint)
        # Trainer would delete older checkpoints before the new one is whole, and folders that only are called so.
        self.clock, args.save_total_limit = WholeCheckpoints(seconds, args.save_total_limit), None
        stopping = [EarlyStopping(early_stopping_patience)] if early_stopping_patience else []
        for callback in stopping:
            callback.no_more_steps(args, self.checkpoint)
        bar = [] if args.disable_tqdm else [QuietBar]
        super().__init__(
            *positional,
            args=args,
            callbacks=[self.clock, *stopping, *callbacks, EpochLines, Divergence, *bar],
            **kwargs,
        )
        for callback in (ProgressCallback, PrinterCallback):
            self.remove_callback(callback)
        if self.is_fsdp_enabled:
            self.accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap = unit_names(self.model)

    @property
    def seconds(self) -> float:
        """Seconds of training, over all sessions of the run."""
        return self.clock.seconds

    def fit(self) -> None:
        """Trains to the end, from the checkpoint or from the beginning; SIGTERM ends it behind another checkpoint.

        Of several processes each would end at another step: they end at once, and keep the checkpoint that there is.
        """
        with patient() if process_count() == 1 else nullcontext(self.clock.patience) as self.clock.patience:
            self.train(resume_from_checkpoint=self.checkpoint)

    def create_optimizer(self, *arguments):
        if self.parameter_groups is not None and self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(self.parameter_groups, **options)
        return super().create_optimizer(*arguments)

    def create_scheduler(self, num_training_steps: int, optimizer=None):
        if not self.lr_decay_per_epoch or self.lr_scheduler is not None:
            return super().create_scheduler(num_training_steps, optimizer)
        steps_per_epoch = math.ceil(len(self.train_dataset) / self.args.train_batch_size)
        decay = partial(_decay_by_epoch, self.lr_decay_per_epoch, steps_per_epoch)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, decay)
        return self.lr_scheduler

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        examples = self.train_dataset if train_dataset is None else train_dataset
        return LengthGroupedSampler(column(examples, "length"), self.args.train_batch_size, self.args.seed)


def column(examples, name: str) -> torch.Tensor:
    """(N,) numbers of a `datasets.Dataset`."""
    return torch.from_numpy(examples.with_format("numpy")[name][:])


def _decay_by_epoch(decay: float, steps_per_epoch: int, step: int) -> float:
    return decay ** (step // steps_per_epoch)


class QuietBar(ProgressCallback):
    """The progress bar alone; `EpochLines` does the talking."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        return


class EpochLines(TrainerCallback):
    """One readable line per evaluation."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if not state.is_world_process_zero or "eval_loss" not in (logs or {}):
            return
        train = [f"training loss {float(entry['loss']):.4f}" for entry in state.log_history if "loss" in entry][-1:]
        shown = [f"{metric_name(name)} {value:.4f}" for name, value in eval_scores(logs).items()]
        where = f"epoch {float(logs['epoch']):5.2f}  step {state.global_step:6d}"
        tqdm.write("  ".join([where, *train, *shown]))


def make_trainer(
    arguments, training_arguments, model, tokenizer, collator, splits, trainer_class=WorkbenchTrainer, **kwargs
) -> WorkbenchTrainer:
    """A Trainer over `splits["train"]` and `splits["validation"]`, with what a script's arguments say of training."""
    if "tensorboard" in training_arguments.report_to and is_main_process():
        print(f"Watch it:     tensorboard --logdir {arguments.output_dir}")
    return trainer_class(
        model=model,
        args=training_arguments,
        data_collator=collator,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=tokenizer,
        lr_decay_per_epoch=arguments.lr_decay_per_epoch,
        early_stopping_patience=arguments.early_stopping_patience,
        resume=arguments.resume_from_checkpoint,
        **kwargs,
    )


def save_model(trainer: Trainer) -> None:
    """Saves model and tokenizer into the run's folder, without the pickled arguments that Trainer adds.

    Every process calls it: with FSDP each holds a part of the weights.
    """
    trainer.save_model()
    if trainer.args.should_save:
        (Path(trainer.args.output_dir) / TRAINING_ARGS_NAME).unlink(missing_ok=True)
